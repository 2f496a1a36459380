package dev.lanewise.internal.kernel;

import dev.lanewise.internal.plan.StartUp;
import java.lang.foreign.MemorySegment;

/**
 * The matrix multiply that all the kernels are made of: rows of a, broadcast one element at a time, times a panel of vectors. It
 * serves q·kᵀ (rows are keys, the panel is the transposed queries) and weights·v (rows are features of v, the panel is the
 * weights) alike: only the two strides of a differ.
 *
 * <p>The accumulators start at zero and are stored once, in a short loop in which they move up through the names: 24 stores written out are
 * more than C1 compiles at tier 3, it runs out of virtual registers, and the method stays at tier 2, a hundred times slower.
 *
 * <p>A tile is two halves, each of consecutive rows, placed freely. So the last tile may begin earlier and compute some rows again, to the
 * same bits, and no row has code of its own; fewer rows than a half are computed one at a time, in all places at once. Each half has one
 * running offset into a: one for all eight rows needs seven distances from it, more than the general registers hold, 235 GFLOP/s
 * instead of 260 of 266.
 */
final class Tile {
    /** For {@code max}: no maxima are wanted. */
    static final long NO_MAXIMA = -1;
    private static final boolean MANY_REGISTERS = StartUp.CHOICE.manyRegisters();

    private Tile() {
    }

    /** out[r, c] = Σ a[r, p] · panel[p, c]: {@link #multiply(MemorySegment, long, long, long, int, int, MemorySegment, long, long, int, MemorySegment, long, long, long)} without maxima. */
    static void multiply(MemorySegment a, long aBase, long aRow, long aStep, int rows, int depth, MemorySegment b,
            long panel, long panelRow, int vectors, MemorySegment c, long out, long outRow) {
        multiply(a, aBase, aRow, aStep, rows, depth, b, panel, panelRow, vectors, c, out, outRow, NO_MAXIMA);
    }

    /**
     * out[r, c] = Σ a[r, p] · panel[p, c].
     *
     * @param a native memory of the broadcast operand
     * @param aBase the byte of a[0, 0]
     * @param aRow bytes between rows of a
     * @param aStep bytes between consecutive p
     * @param rows rows of a
     * @param depth the number of p
     * @param b native memory of the panel
     * @param panel the byte of panel[0, 0]
     * @param panelRow bytes between rows of the panel
     * @param vectors the width of panel and out, in vectors: 1 to 3, or 4 with 32 registers
     * @param c native memory of the output
     * @param out the byte of out[0, 0]
     * @param outRow bytes between rows of the output
     * @param max the byte in c of running maxima, one a column, which out may raise; after a NaN it means nothing; or {@link #NO_MAXIMA}
     */
    static void multiply(MemorySegment a, long aBase, long aRow, long aStep, int rows, int depth, MemorySegment b,
            long panel, long panelRow, int vectors, MemorySegment c, long out, long outRow, long max) {
        if (aRow < 0) {
            int before = rows - 1;
            multiply(a, aBase + before * aRow, -aRow, aStep, rows, depth, b, panel, panelRow, vectors, c,
                    out + before * outRow, -outRow, max);
            return;
        }
        if (depth == 0) {
            aBase = 0;
            aRow = 0;
        }
        int half = half(vectors);
        if (rows < half) {
            for (int r = 0; r < rows; r++) {
                long at = aBase + r * aRow;
                long to = out + r * outRow;
                tile(vectors, a, at, at, 0, aStep, depth, b, panel, panelRow, c, to, to, 0, max);
            }
            return;
        }
        int last = rows - half;
        for (int r = 0; r < rows; r += 2 * half) {
            int first = Math.min(r, last);
            int second = Math.min(r + half, last);
            tile(vectors, a, aBase + first * aRow, aBase + second * aRow, aRow, aStep, depth, b, panel, panelRow,
                    c,
                    out + first * outRow, out + second * outRow, outRow, max);
        }
    }

    /** Rows in a half of the tile that is so many vectors wide. */
    private static int half(int vectors) {
        if (vectors == 1 || MANY_REGISTERS && vectors < 4) {
            return 4;
        }
        return vectors == 2 ? 3 : 2;
    }

    private static void tile(int vectors, MemorySegment a, long first, long second, long row, long step,
            int depth, MemorySegment b, long panel, long panelStep, MemorySegment c, long out, long outSecond,
            long outStep, long max) {
        switch (vectors) {
            case 1 -> Tile8x1.multiply(a, first, second, row, step, depth, b, panel, panelStep, c, out, outSecond,
                    outStep, max);
            case 2 -> {
                if (MANY_REGISTERS) {
                    Tile8x2.multiply(a, first, second, row, step, depth, b, panel, panelStep, c, out, outSecond,
                            outStep,
                            max);
                } else {
                    Tile6x2.multiply(a, first, second, row, step, depth, b, panel, panelStep, c, out, outSecond,
                            outStep,
                            max);
                }
            }
            case 3 -> {
                if (MANY_REGISTERS) {
                    Tile8x3.multiply(a, first, second, row, step, depth, b, panel, panelStep, c, out, outSecond,
                            outStep,
                            max);
                } else {
                    Tile4x3.multiply(a, first, second, row, step, depth, b, panel, panelStep, c, out, outSecond,
                            outStep,
                            max);
                }
            }
            default -> Tile4x4.multiply(a, first, second, row, step, depth, b, panel, panelStep, c, out, outSecond,
                    outStep, max);
        }
    }
}
