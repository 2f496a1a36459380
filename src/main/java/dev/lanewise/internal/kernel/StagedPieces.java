package dev.lanewise.internal.kernel;

import dev.lanewise.internal.memory.Operand;
import java.lang.foreign.MemorySegment;

/** {@link RowStaging} of any amount, with a look at what may end the call once a piece. */
final class StagedPieces {
    private StagedPieces() {
    }

    /** Copies rows × columns elements, from the byte {@code from} of the operand on. */
    static void load(Operand operand, long from, int rows, int columns, MemorySegment scratch, long at, long rowBytes,
            Cancellation cancellation) {
        copy(true, operand, from, rows, columns, scratch, at, rowBytes, cancellation);
    }

    /** Copies rows × columns elements out of scratch, to the byte {@code to} of the operand on, rounded to its type. */
    static void store(MemorySegment scratch, long at, long rowBytes, int rows, int columns, Operand operand, long to,
            Cancellation cancellation) {
        copy(false, operand, to, rows, columns, scratch, at, rowBytes, cancellation);
    }

    private static void copy(boolean load, Operand operand, long base, int rows, int columns, MemorySegment scratch,
            long at, long rowBytes, Cancellation cancellation) {
        int width = Math.clamp(columns, 1, cancellation.piece());
        int together = cancellation.piece() / width;
        for (int r = 0; r < rows; r += together) {
            int some = Math.min(together, rows - r);
            for (int c = 0; c < columns; c += width) {
                int wide = Math.min(width, columns - c);
                long there = base + r * operand.rowStride + c * operand.columnStride;
                long here = at + r * rowBytes + c * 4L;
                cancellation.pass((long) some * wide);
                if (load) {
                    RowStaging.load(operand, there, some, wide, scratch, here, rowBytes);
                } else {
                    RowStaging.store(scratch, here, rowBytes, some, wide, operand, there);
                }
            }
        }
    }
}
