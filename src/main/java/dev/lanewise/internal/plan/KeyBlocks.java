package dev.lanewise.internal.plan;

import dev.lanewise.internal.kernel.AttentionProblem;

/** How prefill goes through keys and values: so many at a time, by one panel of queries after another while they are in the second-level cache. */
public final class KeyBlocks {
    /**
     * Keys in a block. With 1 MiB of cache, 256 take 2 % longer than 512, and 128 take 5 %; with 512 KiB, 256 take 3 to 5 % less: the keys, values and
     * weights of 512 are all of that.
     */
    public static final int KEYS = StartUp.CHOICE.facts().l2Bytes() < 1 << 20 ? 256 : 512;
    /**
     * The most panels that take a block together. With 16 registers a panel has so few queries that it waits for the keys and values of a long
     * head: four take 0.87 to 0.97 of the time of one, eight and six nothing less (Zen 3). With 32 registers only one was measured.
     */
    public static final int MOST_PANELS = StartUp.CHOICE.manyRegisters() ? 1 : 4;
    /** What queries and contexts of the panels may take of the second-level cache. */
    private static final int PANEL_BYTES = StartUp.CHOICE.facts().l2Bytes() / 4;
    /** So many units are left for threads to share, if there are as many panels. */
    private static final int ENOUGH_UNITS = 32;

    private KeyBlocks() {
    }

    /**
     * How many panels of a problem take a block together.
     *
     * @param headGroups the groups of heads in a batch row
     */
    public static int panels(AttentionProblem problem, int headGroups) {
        long units = (long) problem.batch * headGroups * QueryPanels.most(problem.queries);
        return Math.clamp(units / ENOUGH_UNITS, 1, mostPanels(problem));
    }

    /** How many take one together in a problem of these depths, if it has as many queries and heads as may be. */
    public static int mostPanels(AttentionProblem problem) {
        long floats = (long) QueryPanels.WIDEST_QUERIES * (problem.depth + problem.valueDepth);
        return Math.clamp(PANEL_BYTES / Math.max(1, floats * Float.BYTES), 1, MOST_PANELS);
    }
}
