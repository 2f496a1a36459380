package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.COUNT;
import static dev.lanewise.internal.kernel.Lanes.PANEL;
import static dev.lanewise.internal.kernel.Lanes.PANEL_VECTORS;

import dev.lanewise.internal.memory.Operand;
import java.lang.foreign.MemorySegment;

/**
 * The right operand of a multiply (k × n) as panels: the columns in groups as wide as a tile, each group's rows without a gap, the last
 * group padded to whole vectors with zeros.
 */
final class Packing {
    private Packing() {
    }

    /** Vectors in the panel that starts at a column. */
    static int vectors(int n, int column) {
        return Math.min(PANEL_VECTORS, (n - column + COUNT - 1) / COUNT);
    }

    /** Bytes before the panel that starts at a column. */
    static long offset(int k, int column) {
        return (long) k * column * Float.BYTES;
    }

    /** Bytes of all panels. */
    static long bytes(int k, int n) {
        return (long) k * ((n + COUNT - 1) / COUNT) * BYTES;
    }

    /** Bytes of scratch that {@link #pack} needs. */
    static long scratchBytes(int k) {
        return (long) Transpose.padded(Math.min(k, ROWS)) * PANEL * Float.BYTES + Transpose.BLOCK_BYTES;
    }

    /** Rows that are packed at a time. */
    private static final int ROWS = 128;

    /** Packs the panel that starts at a column. */
    static void pack(Operand b, int k, int n, int column, MemorySegment to, long at, MemorySegment scratch, long free) {
        int vectors = vectors(n, column);
        int columns = Math.min(vectors * COUNT, n - column);
        long width = (long) vectors * BYTES;
        for (int row = 0; row < k; row += ROWS) {
            int rows = Math.min(ROWS, k - row);
            long from = b.at(0, 0, row) + column * b.columnStride;
            long target = at + row * width;
            if (b.rowStride == Float.BYTES && b.direct && columns == vectors * COUNT && rows % COUNT == 0) {
                Transpose.run(b.segment, from, b.columnStride, columns, rows, to, target, width, scratch, free);
            } else {
                if (columns < vectors * COUNT) {
                    Context.fill(to, target, rows * vectors, 0);
                }
                RowStaging.load(b, from, rows, columns, to, target, width);
            }
        }
    }
}
