package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.COUNT;

import dev.lanewise.ScoreStage;
import dev.lanewise.internal.memory.CachedRows;
import dev.lanewise.internal.memory.Elements;
import dev.lanewise.internal.memory.Operand;
import dev.lanewise.internal.memory.Scratch;
import dev.lanewise.internal.plan.KeyBlocks;
import dev.lanewise.internal.plan.QueryPanels;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * The prefill kernel: a panel of queries in lanes, transposed once, against one block of keys after another, with an online
 * softmax; some panels take a block together, each the keys of it that its queries see. Keys that no query of a panel sees are not read; blocks that all of them see know nothing of masks. k and v are read in
 * place if they are float32 in native memory, else a block at a time through scratch.
 */
final class VectorAttention implements UnitKernel {
    /** More heads at a time would push their keys and values out of the second-level cache. */
    private static final int HEADS_A_MASK = 2;

    private final RowBounds bounds = new RowBounds();
    private final QueryPanels cut = new QueryPanels();
    private AttentionProblem p;
    /** The batch row that bounds and panels are those of. */
    private long batchRow;
    private final VisibleBits visible = new VisibleBits();
    private final OperandBlock keyRows = new OperandBlock(false);
    private final OperandBlock valueRows = new OperandBlock(true);

    private final PanelLayout at = new PanelLayout();
    private MemorySegment scratch;

    /** The heads of the unit at hand, and the one being worked on. */
    private int firstHead;
    private int heads;
    private int head;
    /** The most panels that take a block together. */
    private int together;
    /** Those at hand. */
    private final QueryPanel[] panels = new QueryPanel[KeyBlocks.MOST_PANELS];
    private int count;
    /** The one being worked on. */
    private QueryPanel panel;
    /** Whether values that are not finite have to be kept from the queries that do not see them. */
    private boolean careful;
    /** Where the tile's additive mask lies, and how: one bias a key, or a tile. */
    private boolean biasPerKey;

    VectorAttention() {
        Arrays.setAll(panels, i -> new QueryPanel());
    }

    @Override
    public void rehearse(AttentionProblem problem, ChunkParts parts, Scratch<?> memory, long unit, int keys) {
        problem.depth = Math.min(problem.depth, Math.max(COUNT, keys));
        problem.valueDepth = Math.min(problem.valueDepth, Math.max(COUNT, keys));
        begin(problem, parts, memory);
        together = 1;
        if (problem.scores.present() || problem.weights.present()) {
            problem.keys = Math.min(problem.keys, keys);
        }
        run(unit);
        end();
    }

    /** One a batch row, group of heads and group of panels. */
    @Override
    public long units(AttentionProblem problem, ChunkParts parts, int threads) {
        return (long) problem.batch * headGroups(problem)
                * panelGroups(problem, KeyBlocks.panels(problem, headGroups(problem)));
    }

    private static int headGroups(AttentionProblem problem) {
        return Math.ceilDiv(problem.heads, headsTogether(problem));
    }

    /** Heads under one mask share the work that its tiles are. */
    private static int headsTogether(AttentionProblem problem) {
        boolean shared = problem.mask.present() && problem.mask.headStride == 0;
        return shared ? Math.clamp(problem.heads, 1, HEADS_A_MASK) : 1;
    }

    private static int panelGroups(AttentionProblem problem, int together) {
        return Math.ceilDiv(QueryPanels.most(problem.queries), together);
    }

    private void turnTo(int row) {
        bounds.resolve(p, row);
        cut.cut(bounds.queries, p.sameKeysForAll());
        batchRow = row;
        keyRows.forget();
        valueRows.forget();
    }

    @Override
    public void begin(AttentionProblem problem, ChunkParts parts, Scratch<?> memory) {
        p = problem;
        batchRow = -1;
        together = KeyBlocks.panels(problem, headGroups(problem));
        layOut(problem);
        scratch = memory.memory(at.bytes);
    }

    /** For as many panels as ever are together, as scratch does not depend on the number of queries. */
    private void layOut(AttentionProblem problem) {
        at.set(problem, headsTogether(problem) * KeyBlocks.mostPanels(problem));
    }

    /** The last panels of a head come first: in a causal call they are the longest. */
    @Override
    public void run(long unit) {
        int headGroups = headGroups(p);
        int panelGroups = panelGroups(p, together);
        long row = unit / panelGroups / headGroups;
        if (row != batchRow) {
            turnTo((int) row);
        }
        int headsTogether = headsTogether(p);
        firstHead = (int) (unit / panelGroups % headGroups) * headsTogether;
        heads = Math.min(headsTogether, p.heads - firstHead);
        int end = cut.count() - (int) (unit % panelGroups) * together;
        for (int first = Math.max(0, end - together); first < end; first += count) {
            count = sharing(first, end);
            for (int i = 0; i < count; i++) {
                panels[i].set(cut.first(first + i), cut.first(first + i + 1));
            }
            panels();
        }
    }

    /** How many panels from one on can go from block to block together: those whose first blocks begin at the same key. */
    private int sharing(int first, int end) {
        int key = bounds.first(cut.first(first));
        int sharing = 1;
        while (first + sharing < end && bounds.first(cut.first(first + sharing)) == key) {
            sharing++;
        }
        return sharing;
    }

    @Override
    public void finish() {
        // Units leave nothing to be merged.
    }

    @Override
    public void end() {
        p = null;
        scratch = null;
        keyRows.clear();
        valueRows.clear();
    }

    @Override
    public long scratchBytes(AttentionProblem problem) {
        layOut(problem);
        return at.bytes;
    }

    private void panels() {
        careful = false;
        mix(0, count, 0, heads);
        for (int i = 0; i < count; i++) {
            for (int h = 0; h < heads; h++) {
                select(i, h);
                normalize();
                if (panel.partial && !Context.finite(scratch, at.contextAt, p.valueDepth * panel.vectors)) {
                    careful = true;
                    mix(i, i + 1, h, h + 1);
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
    }

    /** Turns to one of the panels and heads of the unit. */
    private void select(int i, int h) {
        panel = panels[i];
        head = firstHead + h;
        at.turnTo(i * heads + h);
    }

    private void loadQueries() {
        long from = p.q.at(bounds.batch, head, bounds.queryRow + (long) panel.query);
        PanelStaging.load(p.q, from, panel.queries, panel.vectors, p.depth, scratch, at, at.panelAt);
        Context.multiply(scratch, at.panelAt, p.depth * panel.vectors, p.scale);
    }

    /**
     * One pass over all the keys that the panels from one to before another see: leaves their maxima, sums and transposed contexts, for some of the
     * heads.
     */
    private void mix(int first, int end, int from, int to) {
        for (int i = first; i < end; i++) {
            for (int h = from; h < to; h++) {
                select(i, h);
                loadQueries();
                Context.fill(scratch, at.maxAt, panel.vectors,
                        p.sinks == null ? Float.NEGATIVE_INFINITY : p.sinks[head]);
                Context.fill(scratch, at.sumAt, panel.vectors, p.sinks == null ? 0 : 1);
                if (careful) {
                    clearContext();
                }
            }
            panels[i].restart(careful);
        }
        int endKey = panels[end - 1].end(bounds);
        for (int key = bounds.first(panels[first].query); key < endKey; key += KeyBlocks.KEYS) {
            for (int i = first; i < end; i++) {
                int keys = Math.min(KeyBlocks.KEYS, panels[i].end(bounds) - key);
                if (keys > 0) {
                    p.cancellation.check();
                    keyBlock(i, from, to, key, keys, Math.min(KeyBlocks.KEYS, endKey - key));
                }
            }
        }
        for (int i = first; i < end; i++) {
            for (int h = from; h < to && !panels[i].started; h++) {
                select(i, h);
                clearContext();
            }
        }
    }

    private void clearContext() {
        Context.fill(scratch, at.contextAt, p.valueDepth * panel.vectors, 0);
    }

    /** One panel by the first {@code keys} of a block of {@code rows}. */
    private void keyBlock(int i, int from, int to, int key, int keys, int rows) {
        select(i, from);
        loadBias(key, keys);
        boolean all = see(key, keys);
        if (!all && visible.seen(keys) == 0) {
            return;
        }
        panel.seen |= all ? VisibleBits.all(panel.queries) : visible.seen(keys);
        panel.partial |= !all;
        for (int h = from; h < to; h++) {
            select(i, h);
            MemorySegment.copy(scratch, at.maxAt, scratch, at.factorsAt, panel.bytes());
            int plain = plainKeys(keys, all);
            computeScores(bounds.keyRow + key, keys, rows, plain);
            if (plain < keys) {
                transform(key, keys);
                long rest = at.scoresAt + plain * panel.bytes();
                if (all) {
                    OnlineSoftmax.raiseMax(scratch, rest, keys - plain, panel.vectors, at.maxAt);
                } else {
                    OnlineSoftmax.raiseVisibleMax(scratch, rest, keys - plain, panel.vectors, at.maxAt, visible.words,
                            plain);
                }
            }
            OnlineSoftmax.weigh(scratch, at.scoresAt, keys, panel.vectors, at.maxAt, at.sumAt, at.factorsAt);
            addValues(bounds.keyRow + key, keys, rows, all);
        }
        panel.started = true;
    }

    /** How many scores of a query, from the first on, are final as they leave the tile: no option changes them, and all queries see the keys. */
    private int plainKeys(int keys, boolean all) {
        if (!p.plainScores()) {
            return 0;
        }
        return all ? keys : visible.commonPrefix(panel.queries, keys);
    }

    /** Decides who sees what in a tile; true if everybody sees everything, otherwise {@link #visible} has the words. */
    private boolean see(int key, int keys) {
        boolean all = VisibleBits.structureShowsAll(bounds, panel.query, panel.queries, key, keys);
        if (all && !p.mask.present()) {
            return true;
        }
        boolean hides = p.booleanMask()
                || p.additiveMask()
                        && (biasPerKey || ScoreTransforms.anyInfinite(scratch, at.biasAt, keys * panel.vectors));
        if (all && !hides) {
            return true;
        }
        visible.structure(bounds, panel.query, panel.queries, key, keys);
        if (p.booleanMask()) {
            visible.applyMask(p, bounds, head, panel.query, panel.queries, key, keys);
        } else if (hides) {
            for (int j = 0; j < keys; j++) {
                visible.and(j,
                        biasPerKey
                                ? perKeyWord(j)
                                : ScoreTransforms.finite(scratch, at.biasAt + j * panel.bytes(), panel.vectors));
            }
        }
        return visible.showsAll(panel.queries, keys);
    }

    private long perKeyWord(int j) {
        return scratch.get(Lanes.FLOAT, at.biasAt + j * 4L) == Float.NEGATIVE_INFINITY ? 0 : -1;
    }

    private void loadBias(int key, int keys) {
        if (!p.additiveMask()) {
            return;
        }
        long from = p.mask.at(bounds.batch, head, bounds.queryRow + (long) panel.query)
                + (bounds.keyRow + (long) key) * p.mask.columnStride;
        biasPerKey = p.mask.rowStride == 0;
        if (biasPerKey) {
            RowStaging.load(p.mask, from, 1, keys, scratch, at.biasAt, 0);
        } else {
            PanelStaging.load(p.mask, from, panel.queries, panel.vectors, keys, scratch, at, at.biasAt);
        }
    }

    /** Raw scores of the first {@code keys} of a block of rows of k from {@code row} on; the first {@code plain} of them raise the maxima. */
    private void computeScores(int row, int keys, int rows, int plain) {
        keyRows.load(p, bounds.batch, head / p.group, row, rows, scratch, at.keysAt);
        long width = panel.bytes();
        Tile.multiply(keyRows.segment, keyRows.start, keyRows.rowStride, keyRows.columnStride, plain, p.depth, scratch,
                at.panelAt, width, panel.vectors, scratch, at.scoresAt, width, at.maxAt);
        Tile.multiply(keyRows.segment, keyRows.start + plain * keyRows.rowStride, keyRows.rowStride,
                keyRows.columnStride, keys - plain, p.depth, scratch, at.panelAt, width, panel.vectors, scratch,
                at.scoresAt + plain * width, width);
        scaleScores(keyRows, row, keys);
    }

    /** Applies the scales of keys to scores, or those of values to weights. */
    private void scaleScores(OperandBlock block, int row, int keys) {
        if (block.scaled) {
            block.loadScales(p, bounds.batch, row, keys, scratch, at.scalesAt);
            ScoreTransforms.multiplyRows(scratch, at.scoresAt, keys, panel.vectors, at.scalesAt);
        }
    }

    /** Softcap, then biases. */
    private void transform(int key, int keys) {
        if (p.softcap != 0) {
            ScoreTransforms.softcap(scratch, at.scoresAt, keys * panel.vectors, p.softcap);
        }
        bias(key, keys);
    }

    private void bias(int key, int keys) {
        long distance = panel.query + bounds.offset - key;
        if (p.slopes != null) {
            ScoreTransforms.alibi(scratch, at.scoresAt, keys, panel.vectors, p.slopes[head], distance);
        }
        if (p.additiveMask()) {
            if (biasPerKey) {
                ScoreTransforms.addToRows(scratch, at.scoresAt, keys, panel.vectors, at.biasAt);
            } else {
                ScoreTransforms.add(scratch, at.scoresAt, keys, panel.vectors, at.biasAt, panel.bytes());
            }
        }
        if (p.positionBias.present()) {
            long stretch = distance - (keys - 1);
            for (int i = 0; i < keys - 1 + panel.vectors * COUNT; i++) {
                boolean inside = Math.abs(stretch + i) <= p.biasCentre;
                scratch.set(Lanes.FLOAT, at.rowsAt + i * 4L, inside ? p.positionBias(head, stretch + i) : 0);
            }
            ScoreTransforms.add(scratch, at.scoresAt, keys, panel.vectors, at.rowsAt + (keys - 1) * 4L, -4);
        }
    }

    private void addValues(int row, int keys, int rows, boolean all) {
        valueRows.load(p, bounds.batch, head / p.group, row, rows, scratch, at.valuesAt);
        scaleScores(valueRows, row, keys);
        if (!panel.started) {
            multiplyValues(keys, at.contextAt);
        } else if (careful && !all) {
            Context.addVisible(valueRows.segment, valueRows.start, valueRows.rowStride, valueRows.columnStride,
                    p.valueDepth, keys, scratch, at.scoresAt, panel.vectors, at.contextAt, at.factorsAt, visible.words);
        } else {
            multiplyValues(keys, at.productAt);
            Context.accumulate(scratch, at.contextAt, p.valueDepth, panel.vectors, at.factorsAt, at.productAt);
        }
    }

    private void multiplyValues(int keys, long to) {
        long width = panel.bytes();
        Tile.multiply(valueRows.segment, valueRows.start, valueRows.columnStride, valueRows.rowStride, p.valueDepth,
                keys, scratch, at.scoresAt, width, panel.vectors, scratch, to, width);
    }

    /** Divides by the sums. */
    private void normalize() {
        Context.reciprocals(scratch, at.sumAt, panel.vectors, panel.seen, at.factorsAt);
        Context.scale(scratch, at.contextAt, p.valueDepth, panel.vectors, at.factorsAt);
    }

    private void storeContext() {
        long to = p.context.at(bounds.batch, head, bounds.queryRow + (long) panel.query);
        PanelStaging.store(scratch, at, at.contextAt, p.valueDepth, panel.queries, panel.vectors, p.context, to);
    }

    /** Scalar: it is one value a query. */
    private void storeLogSumExp() {
        long to = output(p.logSumExp, 0);
        for (int i = 0; i < panel.queries; i++) {
            double value = OnlineSoftmax.logSumExp(scratch.get(Lanes.FLOAT, at.maxAt + i * 4L),
                    scratch.get(Lanes.FLOAT, at.sumAt + i * 4L));
            Elements.setDouble(p.logSumExp.segment, p.logSumExp.type, to + i * p.logSumExp.rowStride, value);
        }
    }

    /** A second pass over all keys, for the outputs of shape (panel.query, key); maxima and sums are final. */
    private void emit() {
        Context.reciprocals(scratch, at.sumAt, panel.vectors, panel.seen, at.factorsAt);
        for (int row = 0; row < p.keys; row += KeyBlocks.KEYS) {
            p.cancellation.check();
            int keys = Math.min(KeyBlocks.KEYS, p.keys - row);
            int key = row - bounds.keyRow;
            computeScores(row, keys, keys, 0);
            emitScores(ScoreStage.RAW, row, keys);
            if (p.softcap != 0) {
                ScoreTransforms.softcap(scratch, at.scoresAt, keys * panel.vectors, p.softcap);
            }
            emitScores(ScoreStage.SOFTCAPPED, row, keys);
            loadBias(key, keys);
            boolean all = see(key, keys);
            bias(key, keys);
            if (!all) {
                ScoreTransforms.hide(scratch, at.scoresAt, keys, panel.vectors, visible.words);
            }
            emitScores(ScoreStage.BIASED, row, keys);
            if (p.weights.present()) {
                OnlineSoftmax.finalWeights(scratch, at.scoresAt, keys, panel.vectors, at.maxAt, at.factorsAt,
                        at.rowsAt);
                if (!all) {
                    ScoreTransforms.zeroHidden(scratch, at.scoresAt, keys, panel.vectors, visible.words);
                }
                PanelStaging.store(scratch, at, at.scoresAt, keys, panel.queries, panel.vectors, p.weights,
                        output(p.weights, row));
            }
        }
    }

    private void emitScores(ScoreStage point, int row, int keys) {
        if (p.scores.present() && p.scoreStage == point) {
            PanelStaging.store(scratch, at, at.scoresAt, keys, panel.queries, panel.vectors, p.scores,
                    output(p.scores, row));
        }
    }

    private long output(Operand operand, int column) {
        return operand.at(bounds.batch, head, bounds.queryRow + (long) panel.query) + column * operand.columnStride;
    }
}
