package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.COUNT;
import static dev.lanewise.internal.kernel.Lanes.FLOAT;

import dev.lanewise.ScoreStage;
import dev.lanewise.internal.memory.Elements;
import dev.lanewise.internal.memory.Operand;
import dev.lanewise.internal.memory.Scratch;
import dev.lanewise.internal.plan.StartUp;
import dev.lanewise.internal.plan.VectorPaths;
import java.lang.foreign.MemorySegment;

/**
 * The kernel for few query rows over tensors: tiny calls, decoding without a cache. k and v are read in place, lanes along their rows, once for all
 * rows of a unit; in between keys lie in lanes, several rows in one vector if there are as few keys. Options are those of
 * {@link VectorAttention}: which of the two kernels runs depends on sizes and layouts alone.
 */
final class FewRowsAttention implements UnitKernel {
    /** Rows of a unit: 16 rows of scores with a block of keys are 16 KiB. */
    static final int ROWS = 16;
    /** Keys in a block. */
    private static final int KEYS = VectorPaths.ROW_BLOCK;
    private static final boolean MANY_REGISTERS = StartUp.CHOICE.manyRegisters();

    private final RowBounds bounds = new RowBounds();
    private final FewRowsScores scores = new FewRowsScores(bounds);
    private final BlockRows keyRows = new BlockRows(1);
    private AttentionProblem p;
    private MemorySegment scratch;
    private long scratchBytes;
    /** The batch row that the bounds are those of. */
    private long batchRow;

    private int depthVectors;
    private int valueVectors;
    /** Scaled queries (rows × D). */
    private long queriesAt;
    /** Products whose lanes are to be summed. */
    private long partialAt;
    private long scoresAt;
    private long biasAt;
    /** A vector a group of rows each: running maxima, those from before or factors, sums, one over the sums. */
    private long maxAt;
    private long beforeAt;
    private long sumAt;
    private long reciprocalsAt;
    /** Context (rows × Dv), where it cannot be written in place. */
    private long contextAt;
    /** A factor of 1. */
    private long oneAt;

    /** Bytes from one row to the next: of scores in the block at hand, of factors and their like. */
    private long scoreRow;
    private long factorRow;
    private int groups;
    /** Whether values that are not finite have to be kept from the rows that do not see them. */
    private boolean careful;
    /** Whether a row did not see all the keys that its unit meets. */
    private boolean partial;
    /** Whether all keys of the unit are in one block. */
    private boolean whole;
    /** Whether no sum is there before the first block. */
    private boolean fresh;
    private MemorySegment to;
    private long toAt;
    private long toStep;
    private long toRow;

    @Override
    public long units(AttentionProblem problem, ChunkParts parts, int threads) {
        return (long) problem.batch * problem.heads / problem.group * scores.blocks(problem);
    }

    @Override
    public long scratchBytes(AttentionProblem problem) {
        layOut(problem);
        return scratchBytes;
    }

    @Override
    public void begin(AttentionProblem problem, ChunkParts parts, Scratch<?> memory) {
        p = problem;
        batchRow = -1;
        layOut(problem);
        scratch = memory.memory(scratchBytes);
        scores.begin(problem, scratch);
    }

    @Override
    public void run(long unit) {
        int blocks = scores.blocks(p);
        int kvHeads = p.heads / p.group;
        long row = unit / blocks / kvHeads;
        if (row != batchRow) {
            bounds.resolve(p, (int) row);
            batchRow = row;
        }
        scores.select((int) (unit / blocks % kvHeads), (int) (unit % blocks));
        groups = (scores.rows * scores.width + COUNT - 1) / COUNT;
        attend();
    }

    @Override
    public void rehearse(AttentionProblem problem, ChunkParts parts, Scratch<?> memory, long unit, int keys) {
        begin(problem, parts, memory);
        long of = unit % units(problem, parts, 1);
        bounds.resolve(problem, 0);
        int first = bounds.first(0);
        problem.rangeStart = Math.max(problem.rangeStart, first);
        problem.rangeEnd = Math.min(problem.rangeEnd, first + (long) keys);
        if (problem.scores.present() || problem.weights.present()) {
            problem.keys = Math.min(problem.keys, Math.max(COUNT, keys));
        }
        run(of);
        end();
    }

    @Override
    public void finish() {
        // Units leave nothing to be merged.
    }

    @Override
    public void end() {
        p = null;
        scratch = null;
        to = null;
        keyRows.clear();
        scores.end();
    }

    private void layOut(AttentionProblem problem) {
        depthVectors = problem.depth / COUNT;
        valueVectors = problem.valueDepth / COUNT;
        int keys = Transpose.padded(Math.min(KEYS, problem.keys));
        scratchBytes = 0;
        queriesAt = reserve(ROWS * depthVectors);
        partialAt = reserve(KEYS);
        scoresAt = reserve(ROWS * keys / COUNT);
        biasAt = reserve(keys / COUNT);
        maxAt = reserve(ROWS);
        beforeAt = reserve(ROWS);
        sumAt = reserve(ROWS);
        reciprocalsAt = reserve(ROWS);
        contextAt = reserve(ROWS * valueVectors);
        oneAt = reserve(1);
    }

    private long reserve(int vectors) {
        long at = scratchBytes;
        scratchBytes += (long) vectors * BYTES;
        return at;
    }

    private void attend() {
        loadQueries();
        careful = false;
        mix();
        if (partial && !finite()) {
            careful = true;
            mix();
        }
        if (to == scratch) {
            storeContext();
        }
        if (p.logSumExp.present()) {
            storeLogSumExp();
        }
        if (p.scores.present() || p.weights.present()) {
            emit();
        }
    }

    private void loadQueries() {
        boolean inPlace = p.q.inPlace();
        long step = inPlace ? scores.step(p.q) : 0;
        for (int first = 0; first < scores.rows; first += scores.inner) {
            long at = queriesAt + (long) first * depthVectors * BYTES;
            if (inPlace) {
                StridedRows.scale(p.q.segment, scores.at(p.q, first), step, scores.inner, depthVectors, p.scale,
                        scratch, at);
            } else {
                for (int r = first; r < first + scores.inner; r++) {
                    RowStaging.load(p.q, scores.at(p.q, r), 1, p.depth, scratch,
                            queriesAt + (long) r * depthVectors * BYTES, 0);
                }
                Context.multiply(scratch, at, scores.inner * depthVectors, p.scale);
            }
        }
    }

    /** One pass over all the keys that the unit sees, from the queries to the context. */
    private void mix() {
        int first = bounds.first(scores.firstQuery);
        int end = bounds.end(scores.firstQuery + scores.queries - 1L);
        whole = end - first <= KEYS && !careful;
        fresh = whole && p.sinks == null;
        partial = end <= first;
        factorRow = scores.width * 4L;
        scores.seen = 0;
        point();
        Context.fill(scratch, maxAt, groups, Float.NEGATIVE_INFINITY);
        if (!fresh) {
            start();
        }
        for (int key = first; key < end; key += KEYS) {
            p.cancellation.check();
            block(key, Math.min(KEYS, end - key));
        }
        if (end <= first) {
            RowTransforms.fill(scratch, reciprocalsAt, 0, groups * COUNT, 0);
            Context.fill(scratch, sumAt, fresh ? groups : 0, 0);
        }
        if (!whole || end <= first) {
            normalize(end <= first);
        }
    }

    /** Where the context goes: in place, if it can be written so. */
    private void point() {
        if (p.context.inPlace()) {
            to = p.context.segment;
            toAt = scores.at(p.context, 0);
            toRow = scores.step(p.context);
            toStep = p.context.headStride;
        } else {
            to = scratch;
            toAt = contextAt;
            toRow = (long) valueVectors * BYTES;
            toStep = scores.inner * toRow;
        }
    }

    /** Nothing is there before the first block but a sink. */
    private void start() {
        Context.fill(scratch, sumAt, groups, 0);
        for (int r = 0; r < scores.rows && p.sinks != null; r++) {
            RowTransforms.fill(scratch, maxAt + r * factorRow, 0, scores.width, p.sinks[scores.head(r)]);
            scratch.set(FLOAT, sumAt + r * factorRow, 1);
        }
        Context.fill(scratch, contextAt, whole ? 0 : scores.rows * valueVectors, 0);
        scratch.set(FLOAT, oneAt, 1);
    }

    private void block(int key, int keys) {
        computeScores(bounds.keyRow + key, keys);
        int vectors = (int) (scoreRow / BYTES);
        if (p.softcap != 0) {
            ScoreTransforms.softcap(scratch, scoresAt, groups * Math.max(1, vectors), p.softcap);
        }
        partial |= scores.transform(key, keys, scoresAt, scoreRow, biasAt);
        RowGroups.raiseMax(scratch, scoresAt, groups, Math.max(1, vectors), scores.width, maxAt, beforeAt);
        RowGroups.exponentiate(scratch, scoresAt, groups, Math.max(1, vectors), scores.width, fresh, maxAt, beforeAt,
                sumAt, reciprocalsAt);
        if (partial && whole) {
            forgetUnseen();
        }
        addValues(key, keys);
    }

    /** Raw scores of the rows of k from {@code row} on. */
    private void computeScores(int row, int keys) {
        scoreRow = scores.width < COUNT ? scores.width * 4L : Transpose.padded(keys) * 4L;
        long queryRow = (long) depthVectors * BYTES;
        keyRows.point(p.k.segment, p.k.at(bounds.batch, scores.kvHead, row), p.k.rowStride, keys);
        int done = StridedRows.dotFours(keyRows, keys, scratch, queriesAt, scores.rows, depthVectors, partialAt,
                scoresAt, scoreRow);
        int rest = scores.rows - done;
        long query = queriesAt + done * queryRow;
        long out = scoresAt + done * scoreRow;
        if (scores.width == COUNT) {
            RowProducts.dot(keyRows, keys, depthVectors, scratch, query, queryRow, rest, out, scoreRow);
        } else {
            Context.fill(scratch, out, (int) ((rest * scoreRow + BYTES - 1) / BYTES), 0);
            StridedRows.dot(keyRows, keys, scratch, query, rest, depthVectors, scores.width, partialAt, out, scoreRow);
        }
    }

    /** Rows that saw no key get a factor of 0. */
    private void forgetUnseen() {
        for (int r = 0; r < scores.rows; r++) {
            if ((scores.seen >>> r & 1) == 0) {
                scratch.set(FLOAT, reciprocalsAt + r * factorRow, 0);
            }
        }
    }

    private void addValues(int key, int keys) {
        long from = p.v.at(bounds.batch, scores.kvHead, bounds.keyRow + (long) key);
        if (careful) {
            addVisible(from, key, keys);
        } else if (whole) {
            for (int r = 0; r < scores.rows; r += scores.inner) {
                add(from, keys, r, scores.inner, reciprocalsAt, to, toAt + r / scores.inner * toStep, toRow);
            }
        } else {
            add(from, keys, 0, scores.rows, beforeAt, scratch, contextAt, (long) valueVectors * BYTES);
        }
    }

    /** Some rows, from {@code first} on. */
    private void add(long from, int keys, int first, int rows, long times, MemorySegment target, long at, long row) {
        MemorySegment values = p.v.segment;
        long stride = p.v.rowStride;
        for (int r = 0; r < rows;) {
            int together = MANY_REGISTERS && r + StridedRows.ROWS <= rows ? StridedRows.ROWS : 1;
            long weights = scoresAt + (first + r) * scoreRow;
            long factor = times + (first + r) * factorRow;
            int v = 0;
            for (; v + StridedRows.SOME <= valueVectors; v += StridedRows.SOME) {
                long column = (long) v * BYTES;
                if (together > 1) {
                    StridedRows.mix4x4(values, from + column, stride, keys, scratch, weights, scoreRow, factor,
                            factorRow, whole, target, at + r * row + column, row);
                } else {
                    StridedRows.mix1x4(values, from + column, stride, keys, scratch, weights, factor, whole, target,
                            at + r * row + column);
                }
            }
            for (; v < valueVectors; v++) {
                long column = (long) v * BYTES;
                for (int i = 0; i < together; i++) {
                    StridedRows.mix1x1(values, from + column, stride, keys, scratch, weights + i * scoreRow,
                            factor + i * factorRow, whole, target, at + (r + i) * row + column);
                }
            }
            r += together;
        }
    }

    /** A hidden key has weight 0, but 0·∞ and 0·NaN are NaN: so each row meets the keys that it sees, one run of them after another. */
    private void addVisible(long from, int key, int keys) {
        for (int r = 0; r < scores.rows; r++) {
            long context = contextAt + (long) r * valueVectors * BYTES;
            Context.multiply(scratch, context, valueVectors, scratch.get(FLOAT, beforeAt + r * factorRow));
            for (int j = 0; j < keys;) {
                int run = scores.run(r, key, j, keys);
                if (run > j && scores.shows(r, key + j)) {
                    for (int v = 0; v < valueVectors; v++) {
                        StridedRows.mix1x1(p.v.segment, from + j * p.v.rowStride + (long) v * BYTES, p.v.rowStride,
                                run - j, scratch, scoresAt + r * scoreRow + j * 4L, oneAt, false, scratch,
                                context + (long) v * BYTES);
                    }
                }
                j = run;
            }
        }
    }

    /** Divides by the sums. */
    private void normalize(boolean empty) {
        forgetUnseen();
        for (int r = 0; r < scores.rows; r++) {
            long row = toAt + r / scores.inner * toStep + r % scores.inner * toRow;
            long context = contextAt + (long) r * valueVectors * BYTES;
            if (empty) {
                Context.fill(to, row, valueVectors, 0);
            } else {
                StridedRows.scale(scratch, context, 0, 1, valueVectors,
                        scratch.get(FLOAT, reciprocalsAt + r * factorRow),
                        to, row);
            }
        }
    }

    private boolean finite() {
        boolean finite = true;
        for (int r = 0; r < scores.rows; r += scores.inner) {
            finite &= StridedRows.finite(to, toAt + r / scores.inner * toStep, toRow, scores.inner, valueVectors);
        }
        return finite;
    }

    private void storeContext() {
        for (int r = 0; r < scores.rows; r++) {
            RowStaging.store(scratch, contextAt + (long) r * valueVectors * BYTES, 0, 1, p.valueDepth, p.context,
                    scores.at(p.context, r));
        }
    }

    private void storeLogSumExp() {
        for (int r = 0; r < scores.rows; r++) {
            double sum = 0;
            for (int lane = 0; lane < scores.width; lane++) {
                sum += scratch.get(FLOAT, sumAt + r * factorRow + lane * 4L);
            }
            double value = OnlineSoftmax.logSumExp(scratch.get(FLOAT, maxAt + r * factorRow), (float) sum);
            Elements.setDouble(p.logSumExp.segment, p.logSumExp.type, scores.at(p.logSumExp, r), value);
        }
    }

    /** A second pass over all keys, for the outputs of shape (query, key); maxima and sums are final. */
    private void emit() {
        forgetUnseen();
        for (int row = 0; row < p.keys; row += KEYS) {
            p.cancellation.check();
            int keys = Math.min(KEYS, p.keys - row);
            int vectors = groups * Math.max(1, Transpose.padded(keys) / COUNT);
            computeScores(row, keys);
            emitScores(ScoreStage.RAW, row, keys);
            if (p.softcap != 0) {
                ScoreTransforms.softcap(scratch, scoresAt, vectors, p.softcap);
            }
            emitScores(ScoreStage.SOFTCAPPED, row, keys);
            scores.transform(row, keys, scoresAt, scoreRow, biasAt);
            emitScores(ScoreStage.BIASED, row, keys);
            if (p.weights.present()) {
                emitWeights(row, keys);
            }
        }
    }

    private void emitScores(ScoreStage stage, int row, int keys) {
        if (p.scores.present() && p.scoreStage == stage) {
            store(p.scores, row, keys);
        }
    }

    private void emitWeights(int row, int keys) {
        RowGroups.exponentiate(scratch, scoresAt, groups, Math.max(1, (int) (scoreRow / BYTES)), scores.width, true,
                maxAt, beforeAt, partialAt, partialAt);
        for (int r = 0; r < scores.rows; r++) {
            long weights = scoresAt + r * scoreRow;
            float reciprocal = scratch.get(FLOAT, reciprocalsAt + r * factorRow);
            for (int j = 0; j < keys; j++) {
                float weight = scores.shows(r, row + j) ? scratch.get(FLOAT, weights + j * 4L) * reciprocal : 0;
                scratch.set(FLOAT, weights + j * 4L, weight);
            }
        }
        store(p.weights, row, keys);
    }

    private void store(Operand operand, int row, int keys) {
        for (int r = 0; r < scores.rows; r++) {
            RowStaging.store(scratch, scoresAt + r * scoreRow, 0, 1, keys, operand,
                    scores.at(operand, r) + row * operand.columnStride);
        }
    }
}
