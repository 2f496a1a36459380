package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.COUNT;
import static dev.lanewise.internal.kernel.Lanes.FLOAT;

import dev.lanewise.ElementType;
import dev.lanewise.internal.memory.Scratch;
import dev.lanewise.internal.plan.StartUp;
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
    /**
     * Keys in a block that a few rows read slice by slice, where there are 16 registers: memory begins anew after the softmax of each block. With 256
     * 8 key/value heads of 32 took 1.01 to 1.19 times as long on Zen 3, with 2,048 as long.
     */
    private static final int SLICED_KEYS = 1024;
    /** Scratch that heads which are taken together may have: half of a second-level cache of 1 MiB. */
    private static final long TOGETHER_BYTES = 1 << 19;
    /** Bytes of the keys of heads that are taken together though each head's lie in one piece. */
    private static final long NARROW_BYTES = 1 << 19;

    private final RowBounds bounds = new RowBounds();
    private final DecodeLayout at = new DecodeLayout();
    private final DecodeScores scores = new DecodeScores(bounds, at);
    private final DecodeChunk chunk = new DecodeChunk(bounds, at, scores);
    private final DecodeOutputs outputs = new DecodeOutputs(bounds, at, scores);
    private AttentionProblem p;
    private MemorySegment scratch;
    /** The batch row that the bounds are those of. */
    private long batchRow;
    /** Whether a unit is one chunk of keys, and its state goes to {@link #parts}. */
    private boolean chunked;
    private MemorySegment parts;

    /** Key/value heads in a unit. */
    private int headsTogether;
    /** The rows at hand: of so many heads, and how many each has. */
    private int heads;
    private int rows;

    /** One a batch row, some key/value heads and block of rows, and if those are too few for the threads, one a chunk of keys. */
    @Override
    public long units(AttentionProblem problem, ChunkParts states, int threads) {
        boolean alone = threads > 1 && !VectorPaths.sharedPages(problem);
        states.heads = alone ? 1 : headsTogether(problem, VectorPaths.LONG_PIECE);
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

    /**
     * How many key/value heads are taken together to read so many bytes in one piece: where a head's keys lie in one, one, or, where going through several
     * costs less than through one at a time, those of {@link #NARROW_BYTES} of keys.
     */
    private static int headsTogether(AttentionProblem problem, long pieceBytes) {
        boolean shared = VectorPaths.sharedPages(problem);
        if (!shared && !VectorPaths.narrowHeads(problem)) {
            return 1;
        }
        int most = mostRows(problem);
        long floats = Math.max(1, most * (blockKeys(problem, most) + 2L * (problem.depth + problem.valueDepth)));
        long room = Math.clamp(TOGETHER_BYTES / (floats * Float.BYTES), 1, DecodeChunk.MOST_HEADS);
        long wanted = shared
                ? Math.ceilDiv(pieceBytes, Math.max(1, problem.cached(0).keyHeadStride))
                : Math.max(1, NARROW_BYTES / Math.max(1, problem.keys * problem.cached(0).keyRowBytes));
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
        at.set(problem, headsTogether(problem, VectorPaths.LONG_PIECE), most, blockKeys(problem, most));
    }

    private static int mostRows(AttentionProblem problem) {
        return Math.min(DecodeLayout.ROWS, problem.queries * problem.group);
    }

    /**
     * One row streams; more rows read a block again and again, so that it has to stay in a cache, or a slice of it where it is read in place. What single
     * sequences of a batch hold does not matter: blocks decide the bits.
     */
    private static int blockKeys(AttentionProblem problem, int rows) {
        ElementType type = problem.cached(0).type;
        boolean inPlace = RowOrder.parts(type, problem.depth) > 0 && RowOrder.parts(type, problem.valueDepth) > 0;
        if (rows == 1) {
            return inPlace ? DecodeLayout.KEYS : STAGED_KEYS;
        }
        boolean sliced = inPlace && type == ElementType.FLOAT32 && !StartUp.CHOICE.manyRegisters();
        return rows > 8 ? 128 : sliced ? SLICED_KEYS : 256;
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
        chunk.begin(problem, scratch);
        outputs.begin(problem, scratch);
    }

    @Override
    public void end() {
        p = null;
        scratch = null;
        parts = null;
        scores.end();
        chunk.end();
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
            chunk.loadQueries();
            chunk.run(Math.max(from, firstKey()), (int) Math.min((long) from + CHUNK, endKey()));
            for (int h = 0; h < heads; h++) {
                chunk.turnTo(h);
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
            int selected = select(block) ? heads : 0;
            for (int h = 0; h < selected; h++) {
                chunk.turnTo(h);
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
        int firstHead = (int) (unit / blocks % groups) * headsTogether;
        heads = Math.min(headsTogether, kvHeads(p) - firstHead);
        int firstRow = (int) (unit % blocks) * DecodeLayout.ROWS;
        rows = Math.min(DecodeLayout.ROWS, bounds.queries * p.group - firstRow);
        if (rows <= 0) {
            return false;
        }
        scores.select(firstRow, rows);
        chunk.select(p.cached((int) row), firstHead, heads, rows);
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
        chunk.loadQueries();
        int end = endKey();
        int first = firstKey();
        if (p.sinks == null && end <= (first / CHUNK + 1L) * CHUNK) {
            chunk.run(first, end);
            store(at.chunk);
            return;
        }
        for (int h = 0; h < heads; h++) {
            chunk.turnTo(h);
            startTotal();
        }
        for (int from = first; from < end;) {
            int to = (int) Math.min(end, ((long) from / CHUNK + 1) * CHUNK);
            chunk.run(from, to);
            for (int h = 0; h < heads; h++) {
                chunk.turnTo(h);
                merge();
            }
            from = to;
        }
        store(at.total);
    }

    private void store(RowState state) {
        for (int h = 0; h < heads; h++) {
            chunk.turnTo(h);
            outputs.store(state);
        }
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
        RowState part = at.chunk;
        int rowVectors = Transpose.padded(rows) / COUNT;
        MemorySegment.copy(scratch, total.maxAt, scratch, at.beforeAt, (long) rowVectors * BYTES);
        for (int r = 0; r < rows; r++) {
            float max = scratch.get(FLOAT, part.maxAt + r * 4L);
            if (max > scratch.get(FLOAT, total.maxAt + r * 4L)) {
                scratch.set(FLOAT, total.maxAt + r * 4L, max);
            }
            if (scratch.get(FLOAT, part.seenAt + r * 4L) != 0) {
                scratch.set(FLOAT, total.seenAt + r * 4L, 1);
            }
        }
        RowSoftmax.factors(scratch, at.beforeAt, total.maxAt, at.factorsAt, rows);
        RowSoftmax.factors(scratch, part.maxAt, total.maxAt, at.chunkFactorsAt, rows);
        for (int r = 0; r < rows; r++) {
            float a = scratch.get(FLOAT, at.factorsAt + r * 4L);
            float b = scratch.get(FLOAT, at.chunkFactorsAt + r * 4L);
            for (int i = 0; i < 2; i++) {
                RowSoftmax.combine(scratch, i == 0 ? total.sums(r) : total.context(r), a,
                        i == 0 ? part.sums(r) : part.context(r), b, i == 0 ? 1 : at.valueVectors);
            }
        }
    }
}
