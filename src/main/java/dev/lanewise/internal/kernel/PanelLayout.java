package dev.lanewise.internal.kernel;

import dev.lanewise.internal.plan.KeyBlocks;
import dev.lanewise.internal.plan.QueryPanels;

/**
 * Where everything of {@link VectorAttention} lies in scratch, in bytes, for one problem. Queries, context, maxima and sums are there once for each
 * panel and head that a unit takes together: those of the pair that was {@linkplain #turnTo turned to} last.
 */
final class PanelLayout {
    private static final int KEYS = KeyBlocks.KEYS;
    /** Queries in the widest panel. */
    private static final int PANEL = QueryPanels.WIDEST_QUERIES;

    /** Transposed, scaled queries (D × panel). */
    long panelAt;
    /** Transposed context (Dv × panel). */
    long contextAt;
    /** Running maxima, one a query. */
    long maxAt;
    /** Running sums. */
    long sumAt;
    /** Scores, then weights (keys × panel). */
    long scoresAt;
    /** What one block adds to the context (Dv × panel). */
    long productAt;
    /** Correction factors, then reciprocals of the sums. */
    long factorsAt;
    /** Rows on their way from or to an operand (panel × the longest row). */
    long rowsAt;
    /** A block under transposition. */
    long blockAt;
    /** Biases of a tile (keys × panel). */
    long biasAt;
    /** A block of keys that cannot be read in place. */
    long keysAt;
    /** The same for values. */
    long valuesAt;
    /** Scales of the rows of a block. */
    long scalesAt;
    /** Bytes of all. */
    long bytes;
    private long headBytes;
    private long contextOffset;
    private long maxOffset;
    private long sumOffset;

    /** Lays out scratch for so many panels and heads at a time. */
    void set(AttentionProblem p, int places) {
        int longest = Transpose.padded(Math.max(Math.max(p.depth, p.valueDepth), KEYS));
        bytes = 0;
        reserve((long) Transpose.padded(p.depth) * PANEL);
        contextOffset = reserve((long) Transpose.padded(p.valueDepth) * PANEL);
        maxOffset = reserve(PANEL);
        sumOffset = reserve(PANEL);
        headBytes = bytes;
        bytes *= places;
        scoresAt = reserve((long) Transpose.padded(KEYS) * PANEL);
        productAt = reserve((long) p.valueDepth * PANEL);
        factorsAt = reserve(PANEL);
        rowsAt = reserve((long) longest * PANEL);
        blockAt = reserve(Transpose.BLOCK_BYTES / Float.BYTES);
        biasAt = reserve(p.additiveMask() ? (long) Transpose.padded(KEYS) * PANEL : 0);
        boolean inPlace = !p.fromCache;
        keysAt = reserve(inPlace && p.k.direct ? 0 : (long) KEYS * Transpose.padded(p.depth));
        valuesAt = reserve(inPlace && p.v.direct ? 0 : (long) KEYS * Transpose.padded(p.valueDepth));
        scalesAt = reserve(p.fromCache ? KEYS : 0);
        turnTo(0);
    }

    /** Turns to one of the pairs. */
    void turnTo(int place) {
        panelAt = place * headBytes;
        contextAt = panelAt + contextOffset;
        maxAt = panelAt + maxOffset;
        sumAt = panelAt + sumOffset;
    }

    private long reserve(long floats) {
        long at = bytes;
        bytes += (floats * Float.BYTES + 63) / 64 * 64;
        return at;
    }
}
