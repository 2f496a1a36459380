package dev.lanewise.internal.plan;

import dev.lanewise.internal.kernel.AttentionProblem;
import dev.lanewise.internal.memory.Operand;

/**
 * The vector kernels of attention, and which one a call runs on: sizes and layouts decide, options never do, but for a short cut that changes no
 * bit.
 */
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

    /**
     * Whether a call of {@link #ROWS} takes the short cut for few keys: sizes and layouts that it can do, and no option. It changes no bit, so that
     * a call and the same with an option of no effect agree.
     */
    public static boolean fewKeys(AttentionProblem p) {
        int lanes = StartUp.CHOICE.lanes();
        int four = 4 * LANES_BY_FOURS;
        boolean sizes = lanes == LANES_BY_FOURS && p.depth == four && p.valueDepth % four == 0 && p.keys >= 1
                && p.keys <= lanes && p.queries >= 4 && p.queries % 4 == 0 && p.group == 1;
        return sizes && inPlace(p.q) && inPlace(p.context) && p.plain();
    }

    private static boolean inPlace(Operand rows) {
        return rows.direct && rows.columnStride == Float.BYTES;
    }

    private static int most(AttentionProblem p) {
        int lanes = StartUp.CHOICE.lanes();
        if (lanes == LANES_BY_FOURS && p.depth == 4 * lanes) {
            return FEW_BY_FOURS;
        }
        return p.keys <= FEW_KEYS ? lanes : Math.min(lanes, FEW);
    }

    private static boolean wholeVectors(Operand rows, int columns) {
        return inPlace(rows) && columns % StartUp.CHOICE.lanes() == 0;
    }
}
