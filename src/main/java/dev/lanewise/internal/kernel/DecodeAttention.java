package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.COUNT;
import static dev.lanewise.internal.kernel.Lanes.FLOAT;
import static dev.lanewise.internal.kernel.Lanes.PANEL_VECTORS;

import dev.lanewise.ElementType;
import dev.lanewise.internal.memory.CachedRows;
import dev.lanewise.internal.memory.Scratch;
import dev.lanewise.internal.plan.VectorPaths;
import java.lang.foreign.MemorySegment;

/**
 * The kernel for few query rows over a cache: decoding, speculative decoding, short chunks of a prompt. All rows that share a key/value head, those of each
 * query head of the group and of each query, are served by one pass over its keys; lanes lie along the rows of k and v, and along the
 * keys in between. Keys come in chunks whose results are merged in their order, so that threads can share one long sequence.
 */
final class DecodeAttention implements UnitKernel {
    /** Keys in a chunk, counted from key 0, whatever the call: the same bits for any batch and any number of threads. */
    static final int CHUNK = 2048;
    /** Fewer units than this a thread, and the last thread to finish may be late by too much. */
    private static final int UNITS_A_THREAD = 4;
    /** Keys in a block of one row that goes through scratch: widened, 128 features of each stay in the first-level cache. */
    private static final int STAGED_KEYS = 64;

    private final RowBounds bounds = new RowBounds();
    private final DecodeLayout at = new DecodeLayout();
    private final BlockRows keys = new BlockRows(DecodeLayout.KEYS);
    private final BlockRows values = new BlockRows(DecodeLayout.KEYS);
    private final DecodeScores scores = new DecodeScores(bounds, at);
    private final DecodeOutputs outputs = new DecodeOutputs(bounds, at, scores);
    private AttentionProblem p;
    private MemorySegment scratch;
    /** The batch row that the bounds are those of. */
    private long batchRow;
    /** Whether the chunk at hand has met no key. */
    private boolean fresh;
    /** Whether a unit is one chunk of keys, and its state goes to {@link #parts}. */
    private boolean chunked;
    private MemorySegment parts;

    /** The rows at hand: those of one key/value head, from one on. */
    private CachedRows cache;
    private int kvHead;
    private int firstRow;
    private int rows;
    /** Whether rows are read in place. */
    private boolean keysDirect;
    private boolean valuesDirect;

    /** One a batch row, key/value head and block of rows, and if those are too few for the threads, one a chunk of keys. */
    @Override
    public long units(AttentionProblem problem, ChunkParts states, int threads) {
        long heads = heads(problem);
        long chunks = chunks(problem);
        states.used = threads > 1 && chunks > 1 && heads < UNITS_A_THREAD * (long) threads;
        if (states.used) {
            layOut(problem);
            states.reserve(heads * chunks * at.chunk.bytes());
        }
        return states.used ? heads * chunks : heads;
    }

    private static long heads(AttentionProblem problem) {
        return (long) problem.batch * problem.heads / problem.group * rowBlocks(problem);
    }

    private static long chunks(AttentionProblem problem) {
        return ((long) problem.keys + CHUNK - 1) / CHUNK;
    }

    private static int rowBlocks(AttentionProblem problem) {
        return (problem.queries * problem.group + DecodeLayout.ROWS - 1) / DecodeLayout.ROWS;
    }

    @Override
    public long scratchBytes(AttentionProblem problem) {
        layOut(problem);
        return at.bytes;
    }

    private void layOut(AttentionProblem problem) {
        int most = Math.min(DecodeLayout.ROWS, problem.queries * problem.group);
        at.set(problem, most, blockKeys(problem, most));
    }

    /**
     * One row streams; more rows read a block again and again, so that it has to stay in a cache. What single sequences of a batch hold does not
     * matter: blocks decide the bits.
     */
    private static int blockKeys(AttentionProblem problem, int rows) {
        if (rows > 1) {
            return rows <= 8 ? 256 : 128;
        }
        ElementType type = problem.cached(0).type;
        return RowOrder.parts(type, problem.depth) > 0 && RowOrder.parts(type, problem.valueDepth) > 0
                ? DecodeLayout.KEYS
                : STAGED_KEYS;
    }

    /** Whether rows of a cache are read in place: in whole vectors, and for one row only if they have to be widened. */
    private static boolean direct(CachedRows cache, int columns, int rows) {
        return RowOrder.parts(cache.type, columns) > 0
                && (cache.type == ElementType.FLOAT32 || rows == 1 && !cache.special);
    }

    @Override
    public void begin(AttentionProblem problem, ChunkParts states, Scratch<?> memory) {
        p = problem;
        batchRow = -1;
        layOut(problem);
        scratch = memory.memory(at.bytes);
        chunked = states.used;
        parts = states.memory();
        scores.begin(problem, scratch);
        outputs.begin(problem, scratch);
    }

    @Override
    public void end() {
        p = null;
        scratch = null;
        parts = null;
        cache = null;
        keys.clear();
        values.clear();
        scores.end();
        outputs.end();
    }

    @Override
    public void run(long unit) {
        long chunks = chunks(p);
        if (!chunked) {
            if (select(unit)) {
                attend();
            }
        } else if (select(unit / chunks)) {
            int from = (int) (unit % chunks) * CHUNK;
            loadQueries();
            at.chunk.clear(scratch);
            chunk(Math.max(from, firstKey()), (int) Math.min((long) from + CHUNK, endKey()));
            at.chunk.store(scratch, parts, unit * at.chunk.bytes());
        }
    }

    @Override
    public void finish() {
        if (!chunked) {
            return;
        }
        long chunks = chunks(p);
        long heads = heads(p);
        for (long head = 0; head < heads; head++) {
            if (select(head)) {
                startTotal();
                for (long c = 0; c < chunks; c++) {
                    at.chunk.load(parts, (head * chunks + c) * at.chunk.bytes(), scratch);
                    merge();
                }
                outputs.store(at.total);
            }
        }
    }

    @Override
    public void rehearse(AttentionProblem problem, ChunkParts states, Scratch<?> memory, long unit, int count) {
        long of = unit % units(problem, states, 1);
        begin(problem, states, memory);
        if (select(of)) {
            problem.rangeStart = firstKey();
            problem.rangeEnd = Math.min(endKey(), firstKey() + (long) count);
            batchRow = -1;
            run(of);
        }
        end();
    }

    /** Takes one block of rows of one head; tells whether there are any. */
    private boolean select(long unit) {
        int blocks = rowBlocks(p);
        int kvHeads = p.heads / p.group;
        long row = unit / blocks / kvHeads;
        if (row != batchRow) {
            bounds.resolve(p, (int) row);
            batchRow = row;
        }
        kvHead = (int) (unit / blocks % kvHeads);
        firstRow = (int) (unit % blocks) * DecodeLayout.ROWS;
        rows = Math.min(DecodeLayout.ROWS, bounds.queries * p.group - firstRow);
        if (rows <= 0) {
            return false;
        }
        cache = p.cached((int) row);
        keysDirect = direct(cache, p.depth, rows);
        valuesDirect = direct(cache, p.valueDepth, rows);
        at.valueParts = valuesDirect ? RowOrder.parts(cache.type, p.valueDepth) : 1;
        scores.select(kvHead, firstRow, rows);
        return true;
    }

    private int firstKey() {
        return bounds.first(scores.query(0));
    }

    private int endKey() {
        return bounds.end(scores.query(rows - 1));
    }

    /** A chunk that is all there is needs no total: joining one that is empty would change no bit. */
    private void attend() {
        loadQueries();
        int end = endKey();
        int first = firstKey();
        if (p.sinks == null && end <= (first / CHUNK + 1L) * CHUNK) {
            at.chunk.clear(scratch);
            chunk(first, end);
            outputs.store(at.chunk);
            return;
        }
        startTotal();
        for (int from = first; from < end;) {
            int to = (int) Math.min(end, ((long) from / CHUNK + 1) * CHUNK);
            at.chunk.clear(scratch);
            chunk(from, to);
            merge();
            from = to;
        }
        outputs.store(at.total);
    }

    private void loadQueries() {
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
        keysDirect = keysDirect && (cache.type != ElementType.FLOAT16 || modest());
        if (keysDirect && cache.type != ElementType.FLOAT32) {
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
        return rows >= VectorPaths.TILED_ROWS;
    }

    private void chunk(int from, int to) {
        fresh = true;
        for (int key = from; key < to; key += at.keys) {
            p.cancellation.check();
            block(key, Math.min(at.keys, to - key));
        }
    }

    private void block(int key, int count) {
        if (!scores.see(key, count)) {
            return;
        }
        int from = scores.fromRow;
        int to = scores.toRow;
        dot(key, count, from, to);
        scores.transform(key, count);
        softmax(count, from, to);
        weighValues(key, count, from, to);
        fresh = false;
    }

    /** Raw scores of rows from one to before another. */
    private void dot(int key, int count, int from, int to) {
        loadKeys(key, count);
        if (tiled()) {
            multiply(count);
        } else {
            RowProducts.dot(keys, count, at.depthVectors, scratch,
                    at.queriesAt + (long) from * at.depthVectors * BYTES, (long) at.depthVectors * BYTES, to - from,
                    at.scoresAt + from * at.scoreRow, at.scoreRow);
        }
        if (keys.scaled) {
            loadScales(false, key, count);
            for (int r = from; r < to; r++) {
                RowTransforms.multiply(scratch, at.scoresAt + r * at.scoreRow, vectors(count), at.scalesAt);
            }
        }
    }

    private void loadScales(boolean ofValues, int key, int count) {
        BlockRows.loadScales(cache, ofValues, kvHead, key, count, scratch, at.scalesAt);
    }

    /** All rows by tiles, rows in lanes, then transposed. */
    private void multiply(int count) {
        int padded = Transpose.padded(rows);
        int wide = PANEL_VECTORS * COUNT;
        for (int r = 0; r < padded; r += wide) {
            int width = Math.min(wide, padded - r);
            Tile.multiply(keys.segment, keys.start(0), keys.stride, Float.BYTES, count,
                    p.depth, scratch, at.panelAt + (long) r * at.depthVectors * BYTES, width * 4L, width / COUNT,
                    scratch, at.tileAt, width * 4L);
            Transpose.run(scratch, at.tileAt, width * 4L, Transpose.padded(count), width, scratch,
                    at.scoresAt + r * at.scoreRow, at.scoreRow, scratch, at.blockAt);
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
        if (!keysDirect) {
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
        }
    }

    /** context = context·factor + weights·v. */
    private void weighValues(int key, int count, int from, int to) {
        loadValues(key, count);
        if (values.scaled) {
            loadScales(true, key, count);
            for (int r = from; r < to; r++) {
                RowTransforms.multiply(scratch, at.scoresAt + r * at.scoreRow, vectors(count), at.scalesAt);
            }
        }
        for (int r = from; r < to && !fresh; r++) {
            Context.multiply(scratch, at.chunk.context(r), at.valueVectors, scratch.get(FLOAT, at.factorsAt + r * 4L));
        }
        RowProducts.mix(values, count, scores, from, to, at.valueVectors, scratch, at.scoresAt, at.scoreRow,
                at.chunk.context(0));
    }

    private void startTotal() {
        at.total.clear(scratch);
        for (int r = 0; r < rows && p.sinks != null; r++) {
            scratch.set(FLOAT, at.total.maxAt + r * 4L, p.sinks[scores.head(r)]);
            scratch.set(FLOAT, at.total.sums(r), 1);
        }
    }

    /** Folds the chunk into the total. */
    private void merge() {
        RowState total = at.total;
        RowState chunk = at.chunk;
        int rowVectors = Transpose.padded(rows) / COUNT;
        MemorySegment.copy(scratch, total.maxAt, scratch, at.beforeAt, (long) rowVectors * BYTES);
        for (int r = 0; r < rows; r++) {
            float max = scratch.get(FLOAT, chunk.maxAt + r * 4L);
            if (max > scratch.get(FLOAT, total.maxAt + r * 4L)) {
                scratch.set(FLOAT, total.maxAt + r * 4L, max);
            }
            if (scratch.get(FLOAT, chunk.seenAt + r * 4L) != 0) {
                scratch.set(FLOAT, total.seenAt + r * 4L, 1);
            }
        }
        RowSoftmax.factors(scratch, at.beforeAt, total.maxAt, at.factorsAt, rows);
        RowSoftmax.factors(scratch, chunk.maxAt, total.maxAt, at.chunkFactorsAt, rows);
        for (int r = 0; r < rows; r++) {
            float a = scratch.get(FLOAT, at.factorsAt + r * 4L);
            float b = scratch.get(FLOAT, at.chunkFactorsAt + r * 4L);
            for (int part = 0; part < 2; part++) {
                RowSoftmax.combine(scratch, part == 0 ? total.sums(r) : total.context(r), a,
                        part == 0 ? chunk.sums(r) : chunk.context(r), b, part == 0 ? 1 : at.valueVectors);
            }
        }
    }
}
