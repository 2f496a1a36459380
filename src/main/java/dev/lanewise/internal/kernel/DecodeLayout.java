package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.COUNT;
import static dev.lanewise.internal.kernel.Lanes.PANEL_VECTORS;
import static dev.lanewise.internal.plan.VectorPaths.tiledRows;

/**
 * Where everything of {@link DecodeAttention} lies in scratch, in bytes, for one problem. Queries, scores and states are there once for
 * each key/value head that a unit takes together with others: those of the head that was {@linkplain #turnTo turned to} last.
 */
final class DecodeLayout {
    /** The most rows that share one pass over the keys. */
    static final int ROWS = 64;
    /** The most keys in a block. */
    static final int KEYS = 2048;

    /** Vectors in a row of q, and of staged keys. */
    int depthVectors;
    /** Vectors in a row of the context, and of staged values. */
    int valueVectors;
    /** Keys in a block. */
    int keys;
    /** Elements of a value that share an int where the context is in their {@link RowOrder}, or 1. */
    int valueParts;
    /** Scaled queries (rows × D). */
    long queriesAt;
    /** The same transposed (D × rows), for tiles. */
    long panelAt;
    /** What a tile leaves (keys × rows). */
    long tileAt;
    /** Scores, then weights (rows × keys). */
    long scoresAt;
    /** Bytes between rows of scores. */
    long scoreRow;
    /** The context of one chunk of keys, its maxima and sums. */
    final RowState chunk = new RowState();
    /** The same of all chunks so far. */
    final RowState total = new RowState();
    /** Maxima before a block or a chunk (rows). */
    long beforeAt;
    /** Correction factors (rows), of the total. */
    long factorsAt;
    /** Correction factors (rows), of a chunk that joins the total. */
    long chunkFactorsAt;
    /** One row of the context on its way to the order of its features (Dv). */
    long joinedAt;
    /** Products of keys of several heads on their way to sums. */
    long partialAt;
    /** A number that was read ahead. */
    long aheadAt;
    /** Biases or mask elements of one row (keys). */
    long biasAt;
    /** Scales of keys, then of values (keys). */
    long scalesAt;
    /** A block under transposition. */
    long blockAt;
    /** Keys that cannot be read in place. */
    long keysAt;
    /** The same for values. */
    long valuesAt;
    /** Bytes of all. */
    long bytes;
    private long firstQueriesAt;
    /** Bytes from one head's queries to the next head's. */
    long queriesBytes;
    private long firstPanelAt;
    private long firstScoresAt;
    /** Bytes from one head's scores to the next head's. */
    long scoresBytes;

    /** Lays out scratch for so many heads at a time, of blocks of so many rows, and blocks of so many keys. */
    void set(AttentionProblem p, int heads, int rows, int keysInBlock) {
        keys = keysInBlock;
        int keyFloats = Transpose.padded(keys) + COUNT;
        int rowFloats = Transpose.padded(rows);
        boolean tiled = rows >= tiledRows(p.cached(0).type);
        int rowsInLanes = tiled ? rowFloats : rows;
        depthVectors = Transpose.padded(p.depth) / COUNT;
        valueVectors = Transpose.padded(p.valueDepth) / COUNT;
        scoreRow = (long) keyFloats * Float.BYTES;
        bytes = 0;
        queriesBytes = (long) rowsInLanes * depthVectors * BYTES;
        firstQueriesAt = reserve(heads * queriesBytes / Float.BYTES);
        firstPanelAt = reserve(heads * queriesBytes / Float.BYTES);
        tileAt = tiled ? reserve((long) Transpose.padded(keys) * PANEL_VECTORS * COUNT) : 0;
        scoresBytes = rowsInLanes * scoreRow;
        firstScoresAt = reserve(heads * scoresBytes / Float.BYTES);
        chunk.set(bytes, rows, valueVectors);
        bytes += heads * chunk.bytes();
        total.set(bytes, rows, valueVectors);
        bytes += heads * total.bytes();
        beforeAt = reserve(rowFloats);
        factorsAt = reserve(rowFloats);
        chunkFactorsAt = reserve(rowFloats);
        joinedAt = reserve((long) valueVectors * COUNT);
        partialAt = reserve(heads > 1 ? (HeadProducts.ROWS + 1L) * COUNT : 0);
        aheadAt = reserve(1);
        biasAt = reserve(keyFloats);
        scalesAt = reserve(keyFloats);
        blockAt = reserve(Transpose.BLOCK_BYTES / Float.BYTES);
        keysAt = reserve((long) keys * depthVectors * COUNT);
        valuesAt = reserve((long) keys * valueVectors * COUNT);
        turnTo(0);
    }

    /** Turns to one of the heads. */
    void turnTo(int head) {
        queriesAt = firstQueriesAt + head * queriesBytes;
        panelAt = firstPanelAt + head * queriesBytes;
        scoresAt = firstScoresAt + head * scoresBytes;
        chunk.turnTo(head);
        total.turnTo(head);
    }

    private long reserve(long floats) {
        long at = bytes;
        bytes += (floats * Float.BYTES + 63) / 64 * 64;
        return at;
    }
}
