package dev.lanewise.internal.kernel;

import java.lang.foreign.MemorySegment;

/**
 * The matrix multiply that all the kernels are made of: rows of a, broadcast one element at a time, times a panel of vectors. It
 * serves q·kᵀ (rows are keys, the panel is the transposed queries) and weights·v (rows are features of v, the panel is the
 * weights) alike: only the two strides of a differ. The accumulators start at zero and are stored once; adding to what is there
 * is a pass of its own (less than 1 % of the work), because with it C1 runs out of virtual registers at tier 3 and the method
 * stays at tier 2, a hundred times slower. The tile height is 4; a last group of fewer rows computes its last row
 * again, into rows of the output that must be there and mean nothing, so that no row has code of its own.
 */
final class Tile {
    /** Rows of a in a tile; an output needs room for a multiple of it. */
    static final int ROWS = 4;

    private Tile() {
    }

    /** Rounds up to whole tiles. */
    static int padded(int rows) {
        return (rows + ROWS - 1) / ROWS * ROWS;
    }

    /**
     * out[r, c] = Σ a[r, p] · panel[p, c].
     *
     * @param a native memory of the broadcast operand
     * @param aBase the byte of a[0, 0]
     * @param aRow bytes between rows of a
     * @param aStep bytes between consecutive p
     * @param rows rows of a, at least 1
     * @param depth the number of p
     * @param b native memory of the panel
     * @param panel the byte of panel[0, 0]
     * @param panelRow bytes between rows of the panel
     * @param vectors the width of panel and out, in vectors
     * @param c native memory of the output
     * @param out the byte of out[0, 0]
     * @param outRow bytes between rows of the output
     */
    static void multiply(MemorySegment a, long aBase, long aRow, long aStep, int rows, int depth, MemorySegment b,
            long panel,
            long panelRow, int vectors, MemorySegment c, long out, long outRow) {
        if (aStep == Float.BYTES && panelRow == (long) vectors * Lanes.BYTES) {
            multiplyDense(a, aBase, aRow, rows, depth, b, panel, vectors, c, out, outRow);
            return;
        }
        for (int r = 0; r < rows; r += ROWS) {
            long a0 = aBase + r * aRow;
            long a1 = r + 1 < rows ? a0 + aRow : a0;
            long a2 = r + 2 < rows ? a1 + aRow : a1;
            long a3 = r + 3 < rows ? a2 + aRow : a2;
            long o = out + r * outRow;
            switch (vectors) {
                case 1 -> Tile4x1.multiply(a, a0, a1, a2, a3, aStep, depth, b, panel, panelRow, c, o, outRow);
                case 2 -> Tile4x2.multiply(a, a0, a1, a2, a3, aStep, depth, b, panel, panelRow, c, o, outRow);
                case 3 -> Tile4x3.multiply(a, a0, a1, a2, a3, aStep, depth, b, panel, panelRow, c, o, outRow);
                default -> Tile4x4.multiply(a, a0, a1, a2, a3, aStep, depth, b, panel, panelRow, c, o, outRow);
            }
        }
    }

    /**
     * The same where both are dense: rows of a contiguous, rows of the panel without a gap. Offsets are then multiples of one counter and C2
     * keeps the bounds checks out of the loop: 5 to 8 % of the whole at 12 × 512 × 64 on a core that is shared.
     */
    private static void multiplyDense(MemorySegment a, long aBase, long aRow, int rows, int depth, MemorySegment b,
            long panel,
            int vectors, MemorySegment c, long out, long outRow) {
        for (int r = 0; r < rows; r += ROWS) {
            long a0 = aBase + r * aRow;
            long a1 = r + 1 < rows ? a0 + aRow : a0;
            long a2 = r + 2 < rows ? a1 + aRow : a1;
            long a3 = r + 3 < rows ? a2 + aRow : a2;
            long o = out + r * outRow;
            switch (vectors) {
                case 1 -> Tile4x1.multiplyDense(a, a0, a1, a2, a3, depth, b, panel, c, o, outRow);
                case 2 -> Tile4x2.multiplyDense(a, a0, a1, a2, a3, depth, b, panel, c, o, outRow);
                case 3 -> Tile4x3.multiplyDense(a, a0, a1, a2, a3, depth, b, panel, c, o, outRow);
                default -> Tile4x4.multiplyDense(a, a0, a1, a2, a3, depth, b, panel, c, o, outRow);
            }
        }
    }
}
