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
    /** More heads at a time would push their keys and values out of the second-level cache. */
    private static final int HEADS_A_MASK = 2;

    private final RowBounds bounds = new RowBounds();
    private final QueryPanels panels = new QueryPanels();
    private AttentionProblem p;
    /** The batch row that bounds and panels are those of. */
    private long batchRow;
    private final VisibleBits visible = new VisibleBits();
    /** The rows of a cache at hand. */
    private final BlockRows block = new BlockRows(PanelLayout.KEYS);

    private final PanelLayout at = new PanelLayout();
    private MemorySegment scratch;

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
        at.set(p, headsTogether(p));
        scratch = memory.memory(at.bytes);
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
        at.set(problem, headsTogether(problem));
        return at.bytes;
    }

    /** Bytes in a row of the panel at hand, and of everything that is as wide. */
    private long panelBytes() {
        return (long) vectors * BYTES;
    }

    private void panel() {
        careful = false;
        mix(0, heads);
        for (int h = 0; h < heads; h++) {
            select(h);
            normalize();
            if (partial && !Context.finite(scratch, at.contextAt, p.valueDepth * vectors)) {
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
        at.turnTo(h);
    }

    private void loadQueries() {
        long from = p.q.at(bounds.batch, head, bounds.queryRow + (long) query);
        PanelStaging.load(p.q, from, queries, vectors, p.depth, scratch, at, at.panelAt);
        Context.multiply(scratch, at.panelAt, p.depth * vectors, p.scale);
    }

    /** One pass over all the keys that the panel sees: leaves maxima, sums and the transposed context of some of its heads. */
    private void mix(int from, int to) {
        for (int h = from; h < to; h++) {
            select(h);
            loadQueries();
            Context.fill(scratch, at.maxAt, vectors, p.sinks == null ? Float.NEGATIVE_INFINITY : p.sinks[head]);
            Context.fill(scratch, at.sumAt, vectors, p.sinks == null ? 0 : 1);
        }
        seen = 0;
        partial = false;
        started = careful;
        if (careful) {
            clearContext(from, to);
        }
        int first = bounds.first(query);
        int end = bounds.end(query + queries - 1L);
        for (int key = first; key < end; key += PanelLayout.KEYS) {
            p.cancellation.check();
            keyBlock(from, to, key, Math.min(PanelLayout.KEYS, end - key));
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
            MemorySegment.copy(scratch, at.maxAt, scratch, at.factorsAt, panelBytes());
            int plain = plainKeys(keys, all);
            computeScores(bounds.keyRow + key, keys, plain);
            if (plain < keys) {
                transform(key, keys);
                long rest = at.scoresAt + plain * panelBytes();
                if (all) {
                    OnlineSoftmax.raiseMax(scratch, rest, keys - plain, vectors, at.maxAt);
                } else {
                    OnlineSoftmax.raiseVisibleMax(scratch, rest, keys - plain, vectors, at.maxAt, visible.words, plain);
                }
            }
            OnlineSoftmax.weigh(scratch, at.scoresAt, keys, vectors, at.maxAt, at.sumAt, at.factorsAt);
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
            Context.fill(scratch, at.contextAt, p.valueDepth * vectors, 0);
        }
    }

    /** Decides who sees what in a tile; true if everybody sees everything, otherwise {@link #visible} has the words. */
    private boolean see(int key, int keys) {
        boolean all = VisibleBits.structureShowsAll(bounds, query, queries, key, keys);
        if (all && !p.mask.present()) {
            return true;
        }
        boolean hides = p.booleanMask()
                || p.additiveMask() && (biasPerKey || ScoreTransforms.anyInfinite(scratch, at.biasAt, keys * vectors));
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
                                : ScoreTransforms.finite(scratch, at.biasAt + j * panelBytes(), vectors));
            }
        }
        return visible.showsAll(queries, keys);
    }

    private long perKeyWord(int j) {
        return scratch.get(Lanes.FLOAT, at.biasAt + j * 4L) == Float.NEGATIVE_INFINITY ? 0 : -1;
    }

    private void loadBias(int key, int keys) {
        if (!p.additiveMask()) {
            return;
        }
        long from = p.mask.at(bounds.batch, head, bounds.queryRow + (long) query)
                + (bounds.keyRow + (long) key) * p.mask.columnStride;
        biasPerKey = p.mask.rowStride == 0;
        if (biasPerKey) {
            RowStaging.load(p.mask, from, 1, keys, scratch, at.biasAt, 0);
        } else {
            PanelStaging.load(p.mask, from, queries, vectors, keys, scratch, at, at.biasAt);
        }
    }

    /** Raw scores of the rows of k from {@code row} on; the first {@code plain} of them raise the maxima. */
    private void computeScores(int row, int keys, int plain) {
        if (p.fromCache) {
            CachedRows cache = p.cached(bounds.batch);
            int kvHead = head / p.group;
            block.load(cache, false, kvHead, row, keys, p.depth, scratch, at.keysAt);
            multiplyKeys(block.segment, block.start(0), block.stride, Float.BYTES, keys, plain);
            scaleScores(cache, false, kvHead, row, keys);
            return;
        }
        long from = p.k.at(bounds.batch, head / p.group, row);
        if (p.k.direct) {
            multiplyKeys(p.k.segment, from, p.k.rowStride, p.k.columnStride, keys, plain);
        } else {
            long rowBytes = (long) p.depth * Float.BYTES;
            RowStaging.load(p.k, from, keys, p.depth, scratch, at.keysAt, rowBytes);
            multiplyKeys(scratch, at.keysAt, rowBytes, Float.BYTES, keys, plain);
        }
    }

    private void multiplyKeys(MemorySegment k, long from, long rowStride, long columnStride, int keys, int plain) {
        Tile.multiply(k, from, rowStride, columnStride, plain, p.depth, scratch, at.panelAt, panelBytes(), vectors,
                scratch, at.scoresAt, panelBytes(), at.maxAt);
        Tile.multiply(k, from + plain * rowStride, rowStride, columnStride, keys - plain, p.depth, scratch, at.panelAt,
                panelBytes(), vectors, scratch, at.scoresAt + plain * panelBytes(), panelBytes());
    }

    /** Applies the scales of keys to scores, or those of values to weights. */
    private void scaleScores(CachedRows cache, boolean ofValues, int kvHead, int row, int keys) {
        if (block.scaled) {
            BlockRows.loadScales(cache, ofValues, kvHead, row, keys, scratch, at.scalesAt);
            ScoreTransforms.multiplyRows(scratch, at.scoresAt, keys, vectors, at.scalesAt);
        }
    }

    /** Softcap, then biases. */
    private void transform(int key, int keys) {
        if (p.softcap != 0) {
            ScoreTransforms.softcap(scratch, at.scoresAt, keys * vectors, p.softcap);
        }
        bias(key, keys);
    }

    private void bias(int key, int keys) {
        long distance = query + bounds.offset - key;
        if (p.slopes != null) {
            ScoreTransforms.alibi(scratch, at.scoresAt, keys, vectors, p.slopes[head], distance);
        }
        if (p.additiveMask()) {
            if (biasPerKey) {
                ScoreTransforms.addToRows(scratch, at.scoresAt, keys, vectors, at.biasAt);
            } else {
                ScoreTransforms.add(scratch, at.scoresAt, keys, vectors, at.biasAt, panelBytes());
            }
        }
        if (p.positionBias.present()) {
            long stretch = distance - (keys - 1);
            for (int i = 0; i < keys - 1 + vectors * COUNT; i++) {
                boolean inside = Math.abs(stretch + i) <= p.biasCentre;
                scratch.set(Lanes.FLOAT, at.rowsAt + i * 4L, inside ? p.positionBias(head, stretch + i) : 0);
            }
            ScoreTransforms.add(scratch, at.scoresAt, keys, vectors, at.rowsAt + (keys - 1) * 4L, -4);
        }
    }

    private void addValues(int row, int keys, boolean all) {
        long from = p.v.at(bounds.batch, head / p.group, row);
        MemorySegment values = p.v.segment;
        long keyStride = p.v.rowStride;
        long featureStride = p.v.columnStride;
        if (p.fromCache) {
            CachedRows cache = p.cached(bounds.batch);
            block.load(cache, true, head / p.group, row, keys, p.valueDepth, scratch, at.valuesAt);
            scaleScores(cache, true, head / p.group, row, keys);
            values = block.segment;
            from = block.start(0);
            keyStride = block.stride;
            featureStride = Float.BYTES;
        } else if (!p.v.direct) {
            keyStride = (long) p.valueDepth * Float.BYTES;
            featureStride = Float.BYTES;
            RowStaging.load(p.v, from, keys, p.valueDepth, scratch, at.valuesAt, keyStride);
            values = scratch;
            from = at.valuesAt;
        }
        if (!started) {
            Tile.multiply(values, from, featureStride, keyStride, p.valueDepth, keys, scratch, at.scoresAt,
                    panelBytes(),
                    vectors, scratch, at.contextAt, panelBytes());
        } else if (careful && !all) {
            Context.addVisible(values, from, keyStride, featureStride, p.valueDepth, keys, scratch, at.scoresAt,
                    vectors,
                    at.contextAt,
                    at.factorsAt, visible.words);
        } else {
            Tile.multiply(values, from, featureStride, keyStride, p.valueDepth, keys, scratch, at.scoresAt,
                    panelBytes(),
                    vectors, scratch, at.productAt, panelBytes());
            Context.accumulate(scratch, at.contextAt, p.valueDepth, vectors, at.factorsAt, at.productAt);
        }
    }

    /** Divides by the sums. */
    private void normalize() {
        Context.reciprocals(scratch, at.sumAt, vectors, seen, at.factorsAt);
        Context.scale(scratch, at.contextAt, p.valueDepth, vectors, at.factorsAt);
    }

    private void storeContext() {
        long to = p.context.at(bounds.batch, head, bounds.queryRow + (long) query);
        PanelStaging.store(scratch, at, at.contextAt, p.valueDepth, queries, vectors, p.context, to);
    }

    /** Scalar: it is one value a query. */
    private void storeLogSumExp() {
        long to = output(p.logSumExp, 0);
        for (int i = 0; i < queries; i++) {
            double value = OnlineSoftmax.logSumExp(scratch.get(Lanes.FLOAT, at.maxAt + i * 4L),
                    scratch.get(Lanes.FLOAT, at.sumAt + i * 4L));
            Elements.setDouble(p.logSumExp.segment, p.logSumExp.type, to + i * p.logSumExp.rowStride, value);
        }
    }

    /** A second pass over all keys, for the outputs of shape (query, key); maxima and sums are final. */
    private void emit() {
        Context.reciprocals(scratch, at.sumAt, vectors, seen, at.factorsAt);
        for (int row = 0; row < p.keys; row += PanelLayout.KEYS) {
            p.cancellation.check();
            int keys = Math.min(PanelLayout.KEYS, p.keys - row);
            int key = row - bounds.keyRow;
            computeScores(row, keys, 0);
            emitScores(ScoreStage.RAW, row, keys);
            if (p.softcap != 0) {
                ScoreTransforms.softcap(scratch, at.scoresAt, keys * vectors, p.softcap);
            }
            emitScores(ScoreStage.SOFTCAPPED, row, keys);
            loadBias(key, keys);
            boolean all = see(key, keys);
            bias(key, keys);
            if (!all) {
                ScoreTransforms.hide(scratch, at.scoresAt, keys, vectors, visible.words);
            }
            emitScores(ScoreStage.BIASED, row, keys);
            if (p.weights.present()) {
                OnlineSoftmax.finalWeights(scratch, at.scoresAt, keys, vectors, at.maxAt, at.factorsAt, at.rowsAt);
                if (!all) {
                    ScoreTransforms.zeroHidden(scratch, at.scoresAt, keys, vectors, visible.words);
                }
                PanelStaging.store(scratch, at, at.scoresAt, keys, queries, vectors, p.weights,
                        output(p.weights, row));
            }
        }
    }

    private void emitScores(ScoreStage point, int row, int keys) {
        if (p.scores.present() && p.scoreStage == point) {
            PanelStaging.store(scratch, at, at.scoresAt, keys, queries, vectors, p.scores,
                    output(p.scores, row));
        }
    }

    private long output(Operand operand, int column) {
        return operand.at(bounds.batch, head, bounds.queryRow + (long) query) + column * operand.columnStride;
    }
}
