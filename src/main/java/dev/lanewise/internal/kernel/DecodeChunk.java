package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.COUNT;
import static dev.lanewise.internal.kernel.Lanes.FLOAT;
import static dev.lanewise.internal.kernel.Lanes.PANEL_VECTORS;

import dev.lanewise.ElementType;
import dev.lanewise.internal.memory.CachedRows;
import dev.lanewise.internal.plan.VectorPaths;
import java.lang.foreign.MemorySegment;

/**
 * A chunk of keys against the rows of some key/value heads, block after block of keys: from queries to the {@link DecodeLayout#chunk state} of each
 * head. The keys of a block, then its values, go by in the order in which memory has them: those of one head if they lie in one piece, else, page by
 * page, head by head.
 */
final class DecodeChunk {
    /** The most heads. */
    static final int MOST_HEADS = 64;

    private final RowBounds bounds;
    private final DecodeLayout at;
    private final DecodeScores scores;
    private final BlockRows keys = new BlockRows(DecodeLayout.KEYS);
    private final BlockRows values = new BlockRows(DecodeLayout.KEYS);
    private AttentionProblem p;
    private MemorySegment scratch;
    private CachedRows cache;
    private int firstHead;
    private int heads;
    private int rows;
    /** Whether rows of keys are read in place, for each of the heads. */
    private final boolean[] keysDirect = new boolean[MOST_HEADS];
    private boolean valuesDirect;
    /** Whether heads have loops of their own, for keys and for values, though there be one. */
    private boolean narrow;
    /** The head at hand: of the cache, and among the {@link #heads}. */
    private int kvHead;
    private int head;
    /** Whether no key has been met. */
    private boolean fresh;

    DecodeChunk(RowBounds bounds, DecodeLayout layout, DecodeScores scores) {
        this.bounds = bounds;
        this.at = layout;
        this.scores = scores;
    }

    /** Begins a call. */
    void begin(AttentionProblem problem, MemorySegment memory) {
        p = problem;
        scratch = memory;
        narrow = VectorPaths.narrowHeads(problem);
    }

    /** Drops the references to the caller's memory. */
    void end() {
        p = null;
        scratch = null;
        cache = null;
        keys.clear();
        values.clear();
    }

    /** Takes rows of some heads, which {@link DecodeScores} knows. */
    void select(CachedRows of, int first, int count, int rowsOfEach) {
        cache = of;
        firstHead = first;
        heads = count;
        rows = rowsOfEach;
        valuesDirect = direct(cache, p.valueDepth, rows);
        at.valueParts = valuesDirect ? RowOrder.parts(cache.type, p.valueDepth) : 1;
    }

    /** Whether rows of a cache are read in place: in whole vectors, and for one row only if they have to be widened. */
    private static boolean direct(CachedRows cache, int columns, int rows) {
        return RowOrder.parts(cache.type, columns) > 0
                && (cache.type == ElementType.FLOAT32 || rows == 1 && !cache.special);
    }

    /** Turns to one of the heads. */
    void turnTo(int h) {
        head = h;
        kvHead = firstHead + h;
        at.turnTo(h);
        scores.turnTo(kvHead);
    }

    /** Scales the queries of all heads, and brings them into the order of keys that are read in place. */
    void loadQueries() {
        for (int h = 0; h < heads; h++) {
            turnTo(h);
            loadHeadQueries();
        }
    }

    private void loadHeadQueries() {
        boolean inPlace = p.q.inPlace() && p.depth % COUNT == 0;
        for (int r = 0; r < rows; r++) {
            long to = at.queriesAt + (long) r * at.depthVectors * BYTES;
            long from = p.q.at(bounds.batch, scores.head(r), bounds.queryRow + (long) scores.query(r));
            if (inPlace) {
                StridedRows.scale(p.q.segment, from, 0, 1, at.depthVectors, p.scale, scratch, to);
            } else {
                RowStaging.load(p.q, from, 1, p.depth, scratch, to, 0);
                RowTransforms.fill(scratch, to, p.depth, at.depthVectors * COUNT, 0);
                Context.multiply(scratch, to, at.depthVectors, p.scale);
            }
        }
        keysDirect[head] = direct(cache, p.depth, rows) && (cache.type != ElementType.FLOAT16 || modest());
        if (keysDirect[head] && cache.type != ElementType.FLOAT32) {
            Context.multiply(scratch, at.queriesAt, at.depthVectors, RowProducts.queryFactor(cache.type));
            MemorySegment.copy(scratch, at.queriesAt, scratch, at.panelAt, p.depth * 4L);
            RowOrder.split(scratch, at.panelAt, p.depth, RowOrder.parts(cache.type, p.depth), at.queriesAt);
        }
        if (tiled()) {
            int padded = Transpose.padded(rows);
            Context.fill(scratch, at.queriesAt + (long) rows * at.depthVectors * BYTES,
                    (padded - rows) * at.depthVectors, 0);
            int wide = PANEL_VECTORS * COUNT;
            for (int r = 0; r < padded; r += wide) {
                int width = Math.min(wide, padded - r);
                Transpose.run(scratch, at.queriesAt + (long) r * at.depthVectors * BYTES,
                        (long) at.depthVectors * BYTES, width, at.depthVectors * COUNT, scratch,
                        at.panelAt + (long) r * at.depthVectors * BYTES, width * 4L, scratch, at.blockAt);
            }
        }
    }

    /** Whether no element of the first query is too large for {@link Float16Rows}. */
    private boolean modest() {
        boolean modest = true;
        for (long d = 0; d < p.depth; d++) {
            modest &= Math.abs(scratch.get(FLOAT, at.queriesAt + d * 4)) < Float16Rows.QUERY_LIMIT;
        }
        return modest;
    }

    /** Whether there are rows enough to lie in lanes for q·kᵀ. */
    private boolean tiled() {
        return rows >= VectorPaths.tiledRows(cache.type);
    }

    /** All keys from one to before another. */
    void run(int from, int to) {
        fresh = true;
        for (int h = 0; h < heads; h++) {
            turnTo(h);
            at.chunk.clear(scratch);
        }
        for (int key = from; key < to; key += at.keys) {
            block(key, Math.min(at.keys, to - key));
        }
    }

    private void block(int key, int count) {
        if (!scores.see(key, count)) {
            return;
        }
        int from = scores.fromRow;
        int to = scores.toRow;
        int end = key + count;
        boolean oneRow = rows == 1 && heads > 1;
        boolean keysByHeads = narrow || oneRow && keysDirect() && HeadProducts.fits(at.depthVectors);
        boolean valuesByHeads = narrow || oneRow && valuesDirect && HeadProducts.fits(at.valueVectors);
        for (int k = key; k < end;) {
            p.cancellation.check();
            int run = together(k, end);
            if (keysByHeads) {
                ahead(k + run == end, k + run == end ? key : k + run);
                dotHeads(k, run, k - key);
            } else {
                for (int h = 0; h < heads; h++) {
                    turnTo(h);
                    dot(k, run, from, to, at.scoresAt + (k - key) * 4L);
                }
            }
            k += run;
        }
        for (int h = 0; h < heads; h++) {
            turnTo(h);
            scores.transform(key, count);
            softmax(count, from, to);
        }
        for (int k = key; k < end;) {
            p.cancellation.check();
            int run = together(k, end);
            if (run == count || scores.see(k, run)) {
                if (valuesByHeads) {
                    ahead(true, Math.min(k + run, end - 1));
                    mixHeads(k, run, k - key);
                } else {
                    for (int h = 0; h < heads; h++) {
                        turnTo(h);
                        mix(k, run, at.scoresAt + (k - key) * 4L);
                    }
                }
            }
            k += run;
        }
        fresh = false;
    }

    /**
     * Reads a number of the page that comes next. It is there, and its address translated, when its turn comes: each page begins as fast as if it
     * followed the last.
     */
    private void ahead(boolean ofValues, int key) {
        long row = ofValues ? cache.valueAt(firstHead, key) : cache.keyAt(firstHead, key);
        scratch.set(FLOAT, at.aheadAt, Lanes.requireNative(cache.segment).get(FLOAT, row));
    }

    /** How many keys are read before the next head's: those that lie in one page, or all for a single head. */
    private int together(int key, int end) {
        if (narrow) {
            return Math.min(HeadProducts.ROWS * MOST_HEADS / heads, cache.run(key, end));
        }
        return heads == 1 ? end - key : Math.min(HeadProducts.ROWS, cache.run(key, end));
    }

    /** Whether keys are read in place for all heads. */
    private boolean keysDirect() {
        for (int h = 0; h < heads; h++) {
            if (!keysDirect[h]) {
                return false;
            }
        }
        return true;
    }

    /** Raw scores of a run of keys, from one of the block on, for all heads. */
    private void dotHeads(int key, int run, int from) {
        turnTo(0);
        keys.point(cache, false, kvHead, key, run);
        int room = cache.pageTokens - cache.slot(key) % cache.pageTokens;
        HeadProducts.dot(keys, run, room, cache.keyHeadStride, heads, at.depthVectors, scratch, at.queriesAt,
                at.queriesBytes, at.partialAt, at.scoresAt + from * 4L, at.scoresBytes);
        if (keys.scaled) {
            scaleHeads(false, key, run, from);
        }
    }

    /** context += weights·v for a run of keys, from one of the block on, for all heads. */
    private void mixHeads(int key, int run, int from) {
        turnTo(0);
        values.point(cache, true, kvHead, key, run);
        if (values.scaled) {
            scaleHeads(true, key, run, from);
            turnTo(0);
        }
        HeadProducts.mix(values, scores.first[0], scores.end[0], cache.valueHeadStride, heads, at.valueVectors, scratch,
                at.scoresAt + from * 4L, at.scoresBytes, at.chunk.context(0), at.chunk.bytes());
    }

    /** Raw scores of rows from one to before another for a run of keys; up to a vector of scores beyond them are any numbers afterwards. */
    private void dot(int key, int run, int from, int to, long out) {
        loadKeys(key, run);
        if (tiled()) {
            multiply(run, out);
        } else {
            RowProducts.dot(keys, run, at.depthVectors, scratch,
                    at.queriesAt + (long) from * at.depthVectors * BYTES, (long) at.depthVectors * BYTES, to - from,
                    out + from * at.scoreRow, at.scoreRow);
        }
        if (keys.scaled) {
            scale(false, key, run, from, to, out);
        }
    }

    /** Multiplies scores or weights of a run of keys by the scales of their rows; those beyond by 1. */
    private void scale(boolean ofValues, int key, int run, int from, int to, long out) {
        BlockRows.loadScales(cache, ofValues, kvHead, key, run, scratch, at.scalesAt);
        Context.fill(scratch, at.scalesAt + run * 4L, 1, 1);
        for (int r = from; r < to; r++) {
            RowTransforms.multiply(scratch, out + r * at.scoreRow, vectors(run), at.scalesAt);
        }
    }

    /** Multiplies scores or weights of a run of keys, from one of the block on, by the scales of their rows, for all heads. */
    private void scaleHeads(boolean ofValues, int key, int run, int from) {
        if (run % COUNT == 0) {
            long scales = ofValues ? cache.valueScaleAt(kvHead, key) : cache.keyScaleAt(kvHead, key);
            RowTransforms.multiply(scratch, at.scoresAt + from * 4L, at.scoresBytes, heads, run / COUNT, cache.segment,
                    scales, cache.scaleHeadStride);
            return;
        }
        for (int h = 0; h < heads; h++) {
            turnTo(h);
            scale(ofValues, key, run, 0, 1, at.scoresAt + from * 4L);
        }
    }

    /** All rows by tiles, rows in lanes, then transposed. */
    private void multiply(int count, long out) {
        int padded = Transpose.padded(rows);
        int wide = PANEL_VECTORS * COUNT;
        for (int r = 0; r < padded; r += wide) {
            int width = Math.min(wide, padded - r);
            Tile.multiply(keys.segment, keys.start(0), keys.stride, Float.BYTES, count,
                    p.depth, scratch, at.panelAt + (long) r * at.depthVectors * BYTES, width * 4L, width / COUNT,
                    scratch, at.tileAt, width * 4L);
            Transpose.run(scratch, at.tileAt, width * 4L, Transpose.padded(count), width, scratch,
                    out + r * at.scoreRow, at.scoreRow, scratch, at.blockAt);
        }
    }

    private static int vectors(int count) {
        return Transpose.padded(count) / COUNT;
    }

    /** Keys that rows in lanes meet have to be float32 at one distance. */
    private void loadKeys(int key, int count) {
        if (tiled()) {
            keys.load(cache, false, kvHead, key, count, p.depth, scratch, at.keysAt);
            return;
        }
        keys.point(cache, false, kvHead, key, count);
        if (!keysDirect[head]) {
            keys.stage(p.depth, scratch, at.keysAt);
        }
    }

    private void loadValues(int key, int count) {
        values.point(cache, true, kvHead, key, count);
        if (!valuesDirect) {
            values.stage(p.valueDepth, scratch, at.valuesAt);
        }
    }

    private void softmax(int count, int from, int to) {
        RowState state = at.chunk;
        int vectors = vectors(count);
        int rowVectors = Transpose.padded(rows) / COUNT;
        if (!fresh) {
            MemorySegment.copy(scratch, state.maxAt, scratch, at.beforeAt, (long) rowVectors * BYTES);
        }
        for (int r = from; r < to; r++) {
            RowSoftmax.raiseMax(scratch, at.scoresAt + r * at.scoreRow, vectors, scratch, state.maxAt + r * 4L);
        }
        if (fresh) {
            Context.fill(scratch, at.factorsAt, rowVectors, 1);
        } else {
            RowSoftmax.factors(scratch, at.beforeAt, state.maxAt, at.factorsAt, rows);
        }
        for (int r = from; r < to; r++) {
            long scores = at.scoresAt + r * at.scoreRow;
            RowSoftmax.exponentiate(scratch, scores, scratch, scores, vectors, scratch, state.maxAt + r * 4L,
                    at.factorsAt + r * 4L, state.sums(r));
            if (!fresh) {
                Context.multiply(scratch, state.context(r), at.valueVectors,
                        scratch.get(FLOAT, at.factorsAt + r * 4L));
            }
        }
    }

    /** context += weights·v for a run of keys. */
    private void mix(int key, int run, long weights) {
        loadValues(key, run);
        if (values.scaled) {
            scale(true, key, run, scores.fromRow, scores.toRow, weights);
        }
        RowProducts.mix(values, run, scores, scores.fromRow, scores.toRow, at.valueVectors, scratch, weights,
                at.scoreRow, at.chunk.context(0));
    }
}
