package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.COUNT;

import dev.lanewise.ScoreStage;
import dev.lanewise.internal.memory.CachedRows;
import dev.lanewise.internal.memory.Elements;
import dev.lanewise.internal.memory.Operand;
import dev.lanewise.internal.memory.Scratch;
import dev.lanewise.internal.plan.QueryPanels;
import java.lang.foreign.MemorySegment;

/**
 * The prefill kernel: a panel of queries in lanes, transposed once, against one block of keys after another, with an online
 * softmax. Keys that no query of the panel sees are not read; blocks that all of them see know nothing of masks. k and v are read in
 * place if they are float32 in native memory, else a block at a time through scratch.
 */
final class VectorAttention implements UnitKernel {
    /** Keys in a block: weights of 512 × 48 queries and the values they meet stay in the second-level cache; 256 are 2 %, 128 are 5 % slower. */
    private static final int KEYS = VisibleBits.MAX_KEYS;
    /** Queries in the widest panel. */
    private static final int PANEL = QueryPanels.WIDEST_QUERIES;
    /** More heads at a time would push their keys and values out of the second-level cache. */
    private static final int HEADS_A_MASK = 2;

    private final RowBounds bounds = new RowBounds();
    private final QueryPanels panels = new QueryPanels();
    private AttentionProblem p;
    /** The batch row that bounds and panels are those of. */
    private long batchRow;
    private final VisibleBits visible = new VisibleBits();
    /** The rows of a cache at hand. */
    private final BlockRows block = new BlockRows(KEYS);

    private MemorySegment scratch;
    /** Scratch of one head of the panel: the next four, each at a distance from where it starts. */
    private long headBytes;
    private long contextOffset;
    private long maxOffset;
    private long sumOffset;
    /** Transposed, scaled queries (D × panel). */
    private long panelAt;
    /** Scores, then weights (keys × panel). */
    private long scoresAt;
    /** Transposed context (Dv × panel). */
    private long contextAt;
    /** What one block adds to the context (Dv × panel). */
    private long productAt;
    /** Running maxima, one a query. */
    private long maxAt;
    /** Running sums. */
    private long sumAt;
    /** Correction factors, then reciprocals of the sums. */
    private long factorsAt;
    /** Rows on their way from or to an operand (panel × the longest row). */
    private long rowsAt;
    /** Biases of a tile (keys × panel). */
    private long biasAt;
    /** A block under transposition. */
    private long blockAt;
    /** A block of keys that cannot be read in place. */
    private long keysAt;
    /** The same for values. */
    private long valuesAt;
    /** Scales of the rows of a block. */
    private long scalesAt;
    private long scratchBytes;

    /** The panel at hand: its heads and the one being worked on, first query, queries, and how many vectors they fill. */
    private int firstHead;
    private int heads;
    private int head;
    private int query;
    private int queries;
    private int vectors;
    /** The queries that saw a key. */
    private long seen;
    /** Whether the context has been written; a first block is stored, not added. */
    private boolean started;
    /** Whether any tile had hidden keys. */
    private boolean partial;
    /** Whether values that are not finite have to be kept from the queries that do not see them. */
    private boolean careful;
    /** Where the tile's additive mask lies, and how: one bias a key, or a tile. */
    private boolean biasPerKey;

    @Override
    public void rehearse(AttentionProblem problem, ChunkParts parts, Scratch<?> memory, long unit, int keys) {
        problem.depth = Math.min(problem.depth, Math.max(COUNT, keys));
        problem.valueDepth = Math.min(problem.valueDepth, Math.max(COUNT, keys));
        begin(problem, parts, memory);
        if (problem.scores.present() || problem.weights.present()) {
            problem.keys = Math.min(problem.keys, keys);
        }
        run(unit);
        end();
    }

    /** One a batch row, group of heads and panel of queries. */
    @Override
    public long units(AttentionProblem problem, ChunkParts parts, int threads) {
        return (long) problem.batch * headGroups(problem) * QueryPanels.most(problem.queries);
    }

    private static int headGroups(AttentionProblem problem) {
        int together = headsTogether(problem);
        return (problem.heads + together - 1) / together;
    }

    /** Heads under one mask share the work that its tiles are. */
    private static int headsTogether(AttentionProblem problem) {
        boolean shared = problem.mask.present() && problem.mask.headStride == 0;
        return shared ? Math.clamp(problem.heads, 1, HEADS_A_MASK) : 1;
    }

    private void turnTo(int row) {
        bounds.resolve(p, row);
        panels.cut(bounds.queries, p.sameKeysForAll());
        batchRow = row;
    }

    /** The last panels of a head come first: in a causal call they are the longest. Negative if the row has fewer. */
    private int panel(long unit) {
        return panels.count() - 1 - (int) (unit % QueryPanels.most(p.queries));
    }

    @Override
    public void begin(AttentionProblem problem, ChunkParts parts, Scratch<?> memory) {
        p = problem;
        batchRow = -1;
        layOut();
        scratch = memory.memory(scratchBytes);
    }

    @Override
    public void run(long unit) {
        int most = QueryPanels.most(p.queries);
        int together = headsTogether(p);
        int groups = headGroups(p);
        long row = unit / most / groups;
        if (row != batchRow) {
            turnTo((int) row);
        }
        firstHead = (int) (unit / most % groups) * together;
        heads = Math.min(together, p.heads - firstHead);
        int panel = panel(unit);
        if (panel >= 0) {
            query = panels.first(panel);
            queries = panels.first(panel + 1) - query;
            vectors = (queries + COUNT - 1) / COUNT;
            panel();
        }
    }

    @Override
    public void finish() {
        // Units leave nothing to be merged.
    }

    @Override
    public void end() {
        p = null;
        scratch = null;
        block.clear();
    }

    @Override
    public long scratchBytes(AttentionProblem problem) {
        p = problem;
        layOut();
        p = null;
        return scratchBytes;
    }

    private void layOut() {
        int longest = Transpose.padded(Math.max(Math.max(p.depth, p.valueDepth), KEYS));
        scratchBytes = 0;
        reserve((long) Transpose.padded(p.depth) * PANEL);
        contextOffset = reserve((long) Transpose.padded(p.valueDepth) * PANEL);
        maxOffset = reserve(PANEL);
        sumOffset = reserve(PANEL);
        headBytes = scratchBytes;
        scratchBytes *= headsTogether(p);
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
    }

    /** Bytes in a row of the panel at hand, and of everything that is as wide. */
    private long panelBytes() {
        return (long) vectors * BYTES;
    }

    private long reserve(long floats) {
        long at = scratchBytes;
        scratchBytes += (floats * Float.BYTES + 63) / 64 * 64;
        return at;
    }

    private void panel() {
        careful = false;
        mix(0, heads);
        for (int h = 0; h < heads; h++) {
            select(h);
            normalize();
            if (partial && !Context.finite(scratch, contextAt, p.valueDepth * vectors)) {
                careful = true;
                mix(h, h + 1);
                normalize();
            }
            storeContext();
            if (p.logSumExp.present()) {
                storeLogSumExp();
            }
            if (p.scores.present() || p.weights.present()) {
                emit();
            }
        }
    }

    /** Turns to one of the panel's heads. */
    private void select(int h) {
        head = firstHead + h;
        panelAt = h * headBytes;
        contextAt = panelAt + contextOffset;
        maxAt = panelAt + maxOffset;
        sumAt = panelAt + sumOffset;
    }

    private void loadQueries() {
        long from = p.q.at(bounds.batch, head, bounds.queryRow + (long) query);
        loadTransposed(p.q, from, queries, vectors * COUNT, p.depth, panelAt);
        Context.multiply(scratch, panelAt, p.depth * vectors, p.scale);
    }

    /**
     * Brings a rectangle of an operand into scratch as (columns × width); rows from {@code rows} to {@code width} are 0.
     */
    private void loadTransposed(Operand operand, long from, int rows, int width, int columns, long to) {
        MemorySegment source = operand.segment;
        long at = from;
        long rowBytes = operand.rowStride;
        boolean whole = rows == width && columns % COUNT == 0;
        if (!operand.inPlace() || !whole) {
            rowBytes = (long) Transpose.padded(columns) * Float.BYTES;
            source = scratch;
            at = rowsAt;
            RowStaging.load(operand, from, rows, columns, scratch, rowsAt, rowBytes);
            int floats = (int) (rowBytes / Float.BYTES);
            Context.fill(scratch, rowsAt + rows * rowBytes, (width - rows) * floats / COUNT, 0);
        }
        Transpose.run(source, at, rowBytes, width, columns, scratch, to, panelBytes(), scratch, blockAt);
    }

    /** One pass over all the keys that the panel sees: leaves maxima, sums and the transposed context of some of its heads. */
    private void mix(int from, int to) {
        for (int h = from; h < to; h++) {
            select(h);
            loadQueries();
            Context.fill(scratch, maxAt, vectors, p.sinks == null ? Float.NEGATIVE_INFINITY : p.sinks[head]);
            Context.fill(scratch, sumAt, vectors, p.sinks == null ? 0 : 1);
        }
        seen = 0;
        partial = false;
        started = careful;
        if (careful) {
            clearContext(from, to);
        }
        int first = bounds.first(query);
        int end = bounds.end(query + queries - 1L);
        for (int key = first; key < end; key += KEYS) {
            p.cancellation.check();
            keyBlock(from, to, key, Math.min(KEYS, end - key));
        }
        if (!started) {
            clearContext(from, to);
        }
    }

    private void keyBlock(int from, int to, int key, int keys) {
        loadBias(key, keys);
        boolean all = see(key, keys);
        if (!all && visible.seen(keys) == 0) {
            return;
        }
        seen |= all ? VisibleBits.all(queries) : visible.seen(keys);
        partial |= !all;
        for (int h = from; h < to; h++) {
            select(h);
            MemorySegment.copy(scratch, maxAt, scratch, factorsAt, panelBytes());
            int plain = plainKeys(keys, all);
            computeScores(bounds.keyRow + key, keys, plain);
            if (plain < keys) {
                transform(key, keys);
                long rest = scoresAt + plain * panelBytes();
                if (all) {
                    OnlineSoftmax.raiseMax(scratch, rest, keys - plain, vectors, maxAt);
                } else {
                    OnlineSoftmax.raiseVisibleMax(scratch, rest, keys - plain, vectors, maxAt, visible.words, plain);
                }
            }
            OnlineSoftmax.weigh(scratch, scoresAt, keys, vectors, maxAt, sumAt, factorsAt);
            addValues(bounds.keyRow + key, keys, all);
        }
        started = true;
    }

    /** How many scores of a query, from the first on, are final as they leave the tile: no option changes them, and all queries see the keys. */
    private int plainKeys(int keys, boolean all) {
        if (!p.plainScores()) {
            return 0;
        }
        return all ? keys : visible.commonPrefix(queries, keys);
    }

    private void clearContext(int from, int to) {
        for (int h = from; h < to; h++) {
            select(h);
            Context.fill(scratch, contextAt, p.valueDepth * vectors, 0);
        }
    }

    /** Decides who sees what in a tile; true if everybody sees everything, otherwise {@link #visible} has the words. */
    private boolean see(int key, int keys) {
        boolean all = VisibleBits.structureShowsAll(bounds, query, queries, key, keys);
        if (all && !p.mask.present()) {
            return true;
        }
        boolean hides = p.booleanMask()
                || p.additiveMask() && (biasPerKey || ScoreTransforms.anyInfinite(scratch, biasAt, keys * vectors));
        if (all && !hides) {
            return true;
        }
        visible.structure(bounds, query, queries, key, keys);
        if (p.booleanMask()) {
            visible.applyMask(p, bounds, head, query, queries, key, keys);
        } else if (hides) {
            for (int j = 0; j < keys; j++) {
                visible.and(j,
                        biasPerKey
                                ? perKeyWord(j)
                                : ScoreTransforms.finite(scratch, biasAt + j * panelBytes(), vectors));
            }
        }
        return visible.showsAll(queries, keys);
    }

    private long perKeyWord(int j) {
        return scratch.get(Lanes.FLOAT, biasAt + j * 4L) == Float.NEGATIVE_INFINITY ? 0 : -1;
    }

    private void loadBias(int key, int keys) {
        if (!p.additiveMask()) {
            return;
        }
        long from = p.mask.at(bounds.batch, head, bounds.queryRow + (long) query)
                + (bounds.keyRow + (long) key) * p.mask.columnStride;
        biasPerKey = p.mask.rowStride == 0;
        if (biasPerKey) {
            RowStaging.load(p.mask, from, 1, keys, scratch, biasAt, 0);
        } else {
            loadTransposed(p.mask, from, queries, vectors * COUNT, keys, biasAt);
        }
    }

    /** Raw scores of the rows of k from {@code row} on; the first {@code plain} of them raise the maxima. */
    private void computeScores(int row, int keys, int plain) {
        if (p.fromCache) {
            CachedRows cache = p.cached(bounds.batch);
            int kvHead = head / p.group;
            block.load(cache, false, kvHead, row, keys, p.depth, scratch, keysAt);
            multiplyKeys(block.segment, block.start(0), block.stride, Float.BYTES, keys, plain);
            scaleScores(cache, false, kvHead, row, keys);
            return;
        }
        long from = p.k.at(bounds.batch, head / p.group, row);
        if (p.k.direct) {
            multiplyKeys(p.k.segment, from, p.k.rowStride, p.k.columnStride, keys, plain);
        } else {
            long rowBytes = (long) p.depth * Float.BYTES;
            RowStaging.load(p.k, from, keys, p.depth, scratch, keysAt, rowBytes);
            multiplyKeys(scratch, keysAt, rowBytes, Float.BYTES, keys, plain);
        }
    }

    private void multiplyKeys(MemorySegment k, long from, long rowStride, long columnStride, int keys, int plain) {
        Tile.multiply(k, from, rowStride, columnStride, plain, p.depth, scratch, panelAt, panelBytes(), vectors,
                scratch,
                scoresAt, panelBytes(), maxAt);
        Tile.multiply(k, from + plain * rowStride, rowStride, columnStride, keys - plain, p.depth, scratch, panelAt,
                panelBytes(), vectors, scratch, scoresAt + plain * panelBytes(), panelBytes());
    }

    /** Applies the scales of keys to scores, or those of values to weights. */
    private void scaleScores(CachedRows cache, boolean ofValues, int kvHead, int row, int keys) {
        if (block.scaled) {
            BlockRows.loadScales(cache, ofValues, kvHead, row, keys, scratch, scalesAt);
            ScoreTransforms.multiplyRows(scratch, scoresAt, keys, vectors, scalesAt);
        }
    }

    /** Softcap, then biases. */
    private void transform(int key, int keys) {
        if (p.softcap != 0) {
            ScoreTransforms.softcap(scratch, scoresAt, keys * vectors, p.softcap);
        }
        bias(key, keys);
    }

    private void bias(int key, int keys) {
        long distance = query + bounds.offset - key;
        if (p.slopes != null) {
            ScoreTransforms.alibi(scratch, scoresAt, keys, vectors, p.slopes[head], distance);
        }
        if (p.additiveMask()) {
            if (biasPerKey) {
                ScoreTransforms.addToRows(scratch, scoresAt, keys, vectors, biasAt);
            } else {
                ScoreTransforms.add(scratch, scoresAt, keys, vectors, biasAt, panelBytes());
            }
        }
        if (p.positionBias.present()) {
            long stretch = distance - (keys - 1);
            for (int i = 0; i < keys - 1 + vectors * COUNT; i++) {
                boolean inside = Math.abs(stretch + i) <= p.biasCentre;
                scratch.set(Lanes.FLOAT, rowsAt + i * 4L, inside ? p.positionBias(head, stretch + i) : 0);
            }
            ScoreTransforms.add(scratch, scoresAt, keys, vectors, rowsAt + (keys - 1) * 4L, -4);
        }
    }

    private void addValues(int row, int keys, boolean all) {
        long from = p.v.at(bounds.batch, head / p.group, row);
        MemorySegment values = p.v.segment;
        long keyStride = p.v.rowStride;
        long featureStride = p.v.columnStride;
        if (p.fromCache) {
            CachedRows cache = p.cached(bounds.batch);
            block.load(cache, true, head / p.group, row, keys, p.valueDepth, scratch, valuesAt);
            scaleScores(cache, true, head / p.group, row, keys);
            values = block.segment;
            from = block.start(0);
            keyStride = block.stride;
            featureStride = Float.BYTES;
        } else if (!p.v.direct) {
            keyStride = (long) p.valueDepth * Float.BYTES;
            featureStride = Float.BYTES;
            RowStaging.load(p.v, from, keys, p.valueDepth, scratch, valuesAt, keyStride);
            values = scratch;
            from = valuesAt;
        }
        if (!started) {
            Tile.multiply(values, from, featureStride, keyStride, p.valueDepth, keys, scratch, scoresAt, panelBytes(),
                    vectors, scratch, contextAt, panelBytes());
        } else if (careful && !all) {
            Context.addVisible(values, from, keyStride, featureStride, p.valueDepth, keys, scratch, scoresAt, vectors,
                    contextAt,
                    factorsAt, visible.words);
        } else {
            Tile.multiply(values, from, featureStride, keyStride, p.valueDepth, keys, scratch, scoresAt, panelBytes(),
                    vectors, scratch, productAt, panelBytes());
            Context.accumulate(scratch, contextAt, p.valueDepth, vectors, factorsAt, productAt);
        }
    }

    /** Divides by the sums. */
    private void normalize() {
        Context.reciprocals(scratch, sumAt, vectors, seen, factorsAt);
        Context.scale(scratch, contextAt, p.valueDepth, vectors, factorsAt);
    }

    private void storeContext() {
        long to = p.context.at(bounds.batch, head, bounds.queryRow + (long) query);
        storeTransposed(contextAt, p.valueDepth, p.context, to);
    }

    /** Takes (rows × panel) out of scratch into queries × rows elements of an operand. */
    private void storeTransposed(long from, int rows, Operand operand, long to) {
        boolean whole = queries == vectors * COUNT && rows % COUNT == 0;
        if (operand.inPlace() && whole) {
            Transpose.run(scratch, from, panelBytes(), rows, queries, operand.segment, to, operand.rowStride, scratch,
                    blockAt);
        } else {
            long rowBytes = (long) Transpose.padded(rows) * Float.BYTES;
            Transpose.run(scratch, from, panelBytes(), rows, queries, scratch, rowsAt, rowBytes, scratch, blockAt);
            RowStaging.store(scratch, rowsAt, rowBytes, queries, rows, operand, to);
        }
    }

    /** Scalar: it is one value a query. */
    private void storeLogSumExp() {
        long to = at(p.logSumExp, 0);
        for (int i = 0; i < queries; i++) {
            double value = OnlineSoftmax.logSumExp(scratch.get(Lanes.FLOAT, maxAt + i * 4L),
                    scratch.get(Lanes.FLOAT, sumAt + i * 4L));
            Elements.setDouble(p.logSumExp.segment, p.logSumExp.type, to + i * p.logSumExp.rowStride, value);
        }
    }

    /** A second pass over all keys, for the outputs of shape (query, key); maxima and sums are final. */
    private void emit() {
        Context.reciprocals(scratch, sumAt, vectors, seen, factorsAt);
        for (int row = 0; row < p.keys; row += KEYS) {
            p.cancellation.check();
            int keys = Math.min(KEYS, p.keys - row);
            int key = row - bounds.keyRow;
            computeScores(row, keys, 0);
            emitScores(ScoreStage.RAW, row, keys);
            if (p.softcap != 0) {
                ScoreTransforms.softcap(scratch, scoresAt, keys * vectors, p.softcap);
            }
            emitScores(ScoreStage.SOFTCAPPED, row, keys);
            loadBias(key, keys);
            boolean all = see(key, keys);
            bias(key, keys);
            if (!all) {
                ScoreTransforms.hide(scratch, scoresAt, keys, vectors, visible.words);
            }
            emitScores(ScoreStage.BIASED, row, keys);
            if (p.weights.present()) {
                OnlineSoftmax.finalWeights(scratch, scoresAt, keys, vectors, maxAt, factorsAt, rowsAt);
                if (!all) {
                    ScoreTransforms.zeroHidden(scratch, scoresAt, keys, vectors, visible.words);
                }
                storeTransposed(scoresAt, keys, p.weights, at(p.weights, row));
            }
        }
    }

    private void emitScores(ScoreStage point, int row, int keys) {
        if (p.scores.present() && p.scoreStage == point) {
            storeTransposed(scoresAt, keys, p.scores, at(p.scores, row));
        }
    }

    private long at(Operand operand, int column) {
        return operand.at(bounds.batch, head, bounds.queryRow + (long) query) + column * operand.columnStride;
    }
}
