package dev.lanewise.internal.kernel;

import java.lang.foreign.MemorySegment;

/**
 * The matrix multiply that all the kernels are made of: rows of a, broadcast one element at a time, times a panel of vectors. It
 * serves q·kᵀ (rows are keys, the panel is the transposed queries) and weights·v (rows are features of v, the panel is the
 * weights) alike: only the two strides of a differ. The accumulators start at zero and are stored once; adding to what is there
 * is a pass of its own (less than 1 % of the work), because with it C1 runs out of virtual registers at tier 3 and the method
 * stays at tier 2, a hundred times slower. The tile height is 4; a last group of fewer rows computes its last row
 * again, into rows of the output that must be there and mean nothing, so that no row has code of its own. A tile keeps one running
 * offset into a and the distances of the other rows from it: with an offset a row, a file of 16 registers reaches 74 GFLOP/s of 115,
 * with one 88; where all offsets are multiples of the counter C2 unrolls the loop and spills, 49.
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
        for (int r = 0; r < rows; r += ROWS) {
            long a0 = aBase + r * aRow;
            long row1 = r + 1 < rows ? aRow : 0;
            long row2 = r + 2 < rows ? 2 * aRow : row1;
            long row3 = r + 3 < rows ? 3 * aRow : row2;
            long o = out + r * outRow;
            switch (vectors) {
                case 1 -> Tile4x1.multiply(a, a0, row1, row2, row3, aStep, depth, b, panel, panelRow, c, o, outRow);
                case 2 -> Tile4x2.multiply(a, a0, row1, row2, row3, aStep, depth, b, panel, panelRow, c, o, outRow);
                case 3 -> Tile4x3.multiply(a, a0, row1, row2, row3, aStep, depth, b, panel, panelRow, c, o, outRow);
                default -> Tile4x4.multiply(a, a0, row1, row2, row3, aStep, depth, b, panel, panelRow, c, o, outRow);
            }
        }
    }
}
