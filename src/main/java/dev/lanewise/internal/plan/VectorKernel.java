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
    ROWS,
    /** A short cut for calls of those that have no option and very few keys: it changes no bit. */
    FEW_KEYS;

    private static final int FEW_OVER_CACHE = 48;
    /** So many rows of 1024 keys cost what a panel of one vector of 16 queries does. */
    private static final int FEW = 12;
    /** The same of two such vectors, where four queries of four vectors each are met at once. */
    private static final int FEW_BY_FOURS = 24;
    private static final int LANES_BY_FOURS = 16;
    /** With no more keys a panel costs more than its products. */
    private static final int PANEL_KEYS = 64;

    /** The kernel for a call. */
    public static VectorKernel of(AttentionProblem p) {
        if (p.fromCache) {
            return p.queries <= FEW_OVER_CACHE ? CACHED_ROWS : PANELS;
        }
        boolean few = p.queries <= most(p) && !p.queryStarts.present();
        boolean rows = few && wholeVectors(p.k, p.depth) && wholeVectors(p.v, p.valueDepth);
        return !rows ? PANELS : fewKeys(p) ? FEW_KEYS : ROWS;
    }

    /** Whether sizes and layouts are such as the short cut can do, and no option is set. */
    private static boolean fewKeys(AttentionProblem p) {
        int lanes = StartUp.CHOICE.lanes();
        int four = 4 * LANES_BY_FOURS;
        boolean sizes = lanes == LANES_BY_FOURS && p.depth == four && p.valueDepth % four == 0 && p.keys >= 1
                && p.keys <= lanes && p.queries >= 4 && p.queries % 4 == 0 && p.group == 1;
        return sizes && p.q.inPlace() && p.context.inPlace() && p.plain();
    }

    private static int most(AttentionProblem p) {
        int lanes = StartUp.CHOICE.lanes();
        if (lanes == LANES_BY_FOURS && p.depth == 4 * lanes) {
            return FEW_BY_FOURS;
        }
        return p.keys <= PANEL_KEYS ? lanes : Math.min(lanes, FEW);
    }

    private static boolean wholeVectors(Operand rows, int columns) {
        return rows.inPlace() && columns % StartUp.CHOICE.lanes() == 0;
    }
}
