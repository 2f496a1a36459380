package dev.lanewise.internal.plan;

import dev.lanewise.internal.kernel.AttentionProblem;
import dev.lanewise.internal.memory.Operand;

/** The vector kernels of attention, and which one a call runs on: sizes and layouts decide, options never do. */
public enum VectorKernel {
    /** Many queries: they lie in lanes, a panel at a time. */
    PANELS,
    /** Few queries over a cache: features and keys lie in lanes. */
    CACHED_ROWS,
    /** The same over tensors whose rows of keys and values are read in place, in whole vectors. */
    ROWS;

    private static final int FEW_OVER_CACHE = 48;
    /** So many rows of 1024 keys cost what a panel of one vector of 16 queries does. */
    private static final int FEW = 12;
    /** The same of two such vectors, where four queries of four vectors each are met at once. */
    private static final int FEW_BY_FOURS = 24;
    private static final int LANES_BY_FOURS = 16;
    /** With no more keys a panel costs more than its products. */
    private static final int FEW_KEYS = 64;

    /** The kernel for a call. */
    public static VectorKernel of(AttentionProblem p) {
        if (p.fromCache) {
            return p.queries <= FEW_OVER_CACHE ? CACHED_ROWS : PANELS;
        }
        boolean few = p.queries <= most(p) && !p.queryStarts.present();
        return few && wholeVectors(p.k, p.depth) && wholeVectors(p.v, p.valueDepth) ? ROWS : PANELS;
    }

    private static int most(AttentionProblem p) {
        int lanes = StartUp.CHOICE.lanes();
        if (lanes == LANES_BY_FOURS && p.depth == 4 * lanes) {
            return FEW_BY_FOURS;
        }
        return p.keys <= FEW_KEYS ? lanes : Math.min(lanes, FEW);
    }

    private static boolean wholeVectors(Operand rows, int columns) {
        return rows.direct && rows.columnStride == Float.BYTES && columns % StartUp.CHOICE.lanes() == 0;
    }
}
