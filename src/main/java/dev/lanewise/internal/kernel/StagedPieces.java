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
        if ((long) rows * columns <= cancellation.piece()) {
            cancellation.pass((long) rows * columns);
            RowStaging.load(operand, from, rows, columns, scratch, at, rowBytes);
            return;
        }
        int width = Math.min(columns, cancellation.piece());
        int together = cancellation.piece() / width;
        for (int r = 0; r < rows; r += together) {
            int some = Math.min(together, rows - r);
            for (int c = 0; c < columns; c += width) {
                int wide = Math.min(width, columns - c);
                cancellation.pass((long) some * wide);
                RowStaging.load(operand, from + r * operand.rowStride + c * operand.columnStride, some, wide, scratch,
                        at + r * rowBytes + c * 4L, rowBytes);
            }
        }
    }

    /** Copies rows × columns elements out of scratch, to the byte {@code to} of the operand on, rounded to its type. */
    static void store(MemorySegment scratch, long at, long rowBytes, int rows, int columns, Operand operand, long to,
            Cancellation cancellation) {
        if ((long) rows * columns <= cancellation.piece()) {
            cancellation.pass((long) rows * columns);
            RowStaging.store(scratch, at, rowBytes, rows, columns, operand, to);
            return;
        }
        int width = Math.min(columns, cancellation.piece());
        int together = cancellation.piece() / width;
        for (int r = 0; r < rows; r += together) {
            int some = Math.min(together, rows - r);
            for (int c = 0; c < columns; c += width) {
                int wide = Math.min(width, columns - c);
                cancellation.pass((long) some * wide);
                RowStaging.store(scratch, at + r * rowBytes + c * 4L, rowBytes, some, wide, operand,
                        to + r * operand.rowStride + c * operand.columnStride);
            }
        }
    }
}
