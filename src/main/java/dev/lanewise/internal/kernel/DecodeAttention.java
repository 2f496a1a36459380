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
 * keys in between. Keys come in chunks whose results are merged in their order, so that threads can share one long sequence. A cache of many
 * pages is read page by page, and in a page head by head: a page has the rows of all heads in one piece, and of one head too few for memory to
 * get up to speed.
 */
final class DecodeAttention implements UnitKernel {
    /** Keys in a chunk, counted from key 0, whatever the call: the same bits for any batch and any number of threads. */
    static final int CHUNK = 2048;
    /** Fewer units than this a thread, and the last thread to finish may be late by too much. */
    private static final int UNITS_A_THREAD = 4;
    /** Keys in a block of one row that goes through scratch: widened, 128 features of each stay in the first-level cache. */
    private static final int STAGED_KEYS = 64;
    /** What is read in one piece, at least: a plain loop reads pieces of 256 KiB in random order at 0.95 of a stream, of 64 KiB 0.80, of 8 KiB 0.54. */
    private static final long PIECE_BYTES = 1 << 18;
    /** Scratch that heads which are taken together may have: half of a second-level cache of 1 MiB. */
    private static final long TOGETHER_BYTES = 1 << 19;
    private static final int MOST_HEADS = 64;

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

    /** Key/value heads in a unit. */
    private int headsTogether;
    /** The rows at hand, from one on, of some key/value heads. */
    private CachedRows cache;
    private int firstHead;
    private int heads;
    private int firstRow;
    private int rows;
    /** Whether rows of keys are read in place, for each of the heads. */
    private final boolean[] keysDirect = new boolean[MOST_HEADS];
    private boolean valuesDirect;
    /** The head at hand: of the cache, and among the {@link #heads}. */
    private int kvHead;
    private int head;

    /** One a batch row, some key/value heads and block of rows, and if those are too few for the threads, one a chunk of keys. */
    @Override
    public long units(AttentionProblem problem, ChunkParts states, int threads) {
        states.heads = headsTogether(problem, PIECE_BYTES);
        long chunks = chunks(problem);
        long wanted = UNITS_A_THREAD * (long) threads;
        states.used = threads > 1 && chunks > 1 && blocks(problem, states.heads) < wanted;
        if (!states.used) {
            return blocks(problem, states.heads);
        }
        int fewest = headsTogether(problem, VectorPaths.SHARED_PIECE);
        while (states.heads > fewest && blocks(problem, states.heads) * chunks < wanted) {
            states.heads = Math.max(fewest, states.heads / 2);
        }
        layOut(problem);
        long units = blocks(problem, states.heads) * chunks;
        states.reserve(units * states.heads * at.chunk.bytes());
        return units;
    }

    /** Blocks of rows, each of so many heads. */
    private static long blocks(AttentionProblem problem, int headsTogether) {
        return (long) problem.batch * groups(problem, headsTogether) * rowBlocks(problem);
    }

    private static int groups(AttentionProblem problem, int headsTogether) {
        return Math.ceilDiv(kvHeads(problem), headsTogether);
    }

    private static int kvHeads(AttentionProblem problem) {
        return problem.heads / problem.group;
    }

    /** How many key/value heads are taken together to read so many bytes in one piece: one where keys lie in one. */
    private static int headsTogether(AttentionProblem problem, long pieceBytes) {
        if (!VectorPaths.sharedPages(problem)) {
            return 1;
        }
        int most = mostRows(problem);
        long floats = Math.max(1, most * (blockKeys(problem, most) + 2L * (problem.depth + problem.valueDepth)));
        long room = Math.clamp(TOGETHER_BYTES / (floats * Float.BYTES), 1, MOST_HEADS);
        long wanted = Math.ceilDiv(pieceBytes, Math.max(1, problem.cached(0).keyHeadStride));
        return (int) Math.min(Math.min(wanted, room), kvHeads(problem));
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
        int most = mostRows(problem);
        at.set(problem, headsTogether(problem, PIECE_BYTES), most, blockKeys(problem, most));
    }

    private static int mostRows(AttentionProblem problem) {
        return Math.min(DecodeLayout.ROWS, problem.queries * problem.group);
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
        headsTogether = states.heads;
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
            chunk(Math.max(from, firstKey()), (int) Math.min((long) from + CHUNK, endKey()));
            for (int h = 0; h < heads; h++) {
                turnTo(h);
                at.chunk.store(scratch, parts, (unit * headsTogether + h) * at.chunk.bytes());
            }
        }
    }

    @Override
    public void finish() {
        if (!chunked) {
            return;
        }
        long chunks = chunks(p);
        long blocks = blocks(p, headsTogether);
        for (long block = 0; block < blocks; block++) {
            for (int h = 0; select(block) && h < heads; h++) {
                turnTo(h);
                startTotal();
                for (long c = 0; c < chunks; c++) {
                    at.chunk.load(parts, ((block * chunks + c) * headsTogether + h) * at.chunk.bytes(), scratch);
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

    /** Takes one block of rows of some heads; tells whether there are any. */
    private boolean select(long unit) {
        int blocks = rowBlocks(p);
        int groups = groups(p, headsTogether);
        long row = unit / blocks / groups;
        if (row != batchRow) {
            bounds.resolve(p, (int) row);
            batchRow = row;
        }
        firstHead = (int) (unit / blocks % groups) * headsTogether;
        heads = Math.min(headsTogether, kvHeads(p) - firstHead);
        firstRow = (int) (unit % blocks) * DecodeLayout.ROWS;
        rows = Math.min(DecodeLayout.ROWS, bounds.queries * p.group - firstRow);
        if (rows <= 0) {
            return false;
        }
        cache = p.cached((int) row);
        valuesDirect = direct(cache, p.valueDepth, rows);
        at.valueParts = valuesDirect ? RowOrder.parts(cache.type, p.valueDepth) : 1;
        scores.select(firstRow, rows);
        return true;
    }

    /** Turns to one of the heads. */
    private void turnTo(int h) {
        head = h;
        kvHead = firstHead + h;
        at.turnTo(h);
        scores.turnTo(kvHead);
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
            chunk(first, end);
            store(at.chunk);
            return;
        }
        for (int h = 0; h < heads; h++) {
            turnTo(h);
            startTotal();
        }
        for (int from = first; from < end;) {
            int to = (int) Math.min(end, ((long) from / CHUNK + 1) * CHUNK);
            chunk(from, to);
            for (int h = 0; h < heads; h++) {
                turnTo(h);
                merge();
            }
            from = to;
        }
        store(at.total);
    }

    private void store(RowState state) {
        for (int h = 0; h < heads; h++) {
            turnTo(h);
            outputs.store(state);
        }
    }

    private void loadQueries() {
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
        return rows >= VectorPaths.TILED_ROWS;
    }

    private void chunk(int from, int to) {
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
        boolean keysByHeads = oneRow && keysDirect() && HeadProducts.fits(at.depthVectors);
        boolean valuesByHeads = oneRow && valuesDirect && HeadProducts.fits(at.valueVectors);
        for (int k = key; k < end;) {
            p.cancellation.check();
            int run = run(k, end);
            if (keysByHeads) {
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
            int run = run(k, end);
            if (scores.see(k, run)) {
                if (valuesByHeads) {
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

    /** How many keys are read before the next head's: those that lie in one page, or all for a single head. */
    private int run(int key, int end) {
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
        HeadProducts.dot(keys, run, cache.keyHeadStride, heads, at.depthVectors, scratch, at.queriesAt, at.queriesBytes,
                at.partialAt, at.scoresAt + from * 4L, at.scoresBytes);
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
