package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.FourByFour.FOUR;
import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.COUNT;

import dev.lanewise.internal.memory.Scratch;
import java.lang.foreign.MemorySegment;

/**
 * The short cut of {@link FewRowsAttention} for a call without options whose keys are no more than a vector has lanes, to the same bits: as
 * {@link FourByFour} has it, some heads at a time. A unit is some heads of one batch row.
 */
final class FewKeysAttention implements UnitKernel {
    /** Rows of a unit: the queries, the products and what is read and written of 32 rows of 64 features stay in the first-level cache. */
    private static final int ROWS = 32;

    private AttentionProblem p;
    private MemorySegment scratch;
    private long scratchBytes;
    /** Heads of a unit. */
    private int together;
    /** Tiles that four queries have. */
    private int row;
    /** Scaled queries, if they do not lie one after another. */
    private long queriesAt;
    /** Products whose lanes are to be summed. */
    private long partialAt;
    private long tilesAt;
    private long reciprocalsAt;
    /** A tile of what is added to the last tile of scores. */
    private long padAt;

    @Override
    public long units(AttentionProblem problem, ChunkParts parts, int threads) {
        return (long) problem.batch * blocks(problem);
    }

    private static int heads(AttentionProblem problem) {
        return Math.clamp(ROWS / problem.queries, 1, problem.heads);
    }

    private static int blocks(AttentionProblem problem) {
        return Math.ceilDiv(problem.heads, heads(problem));
    }

    @Override
    public long scratchBytes(AttentionProblem problem) {
        together = heads(problem);
        row = Math.ceilDiv(problem.keys, FOUR);
        int fours = together * problem.queries / FOUR;
        scratchBytes = 0;
        queriesAt = reserve(fours * FOUR * FOUR);
        partialAt = reserve(fours * FOUR * row);
        tilesAt = reserve(fours * row);
        reciprocalsAt = reserve(fours);
        padAt = reserve(1);
        return scratchBytes;
    }

    private long reserve(int vectors) {
        long at = scratchBytes;
        scratchBytes += (long) vectors * BYTES;
        return at;
    }

    @Override
    public void begin(AttentionProblem problem, ChunkParts parts, Scratch<?> memory) {
        p = problem;
        scratch = memory.memory(scratchBytes(problem));
        for (int lane = 0; lane < COUNT; lane++) {
            boolean key = lane % FOUR + (row - 1) * FOUR < problem.keys;
            scratch.set(Lanes.FLOAT, padAt + lane * 4L, key ? 0 : Float.NEGATIVE_INFINITY);
        }
    }

    @Override
    public void rehearse(AttentionProblem problem, ChunkParts parts, Scratch<?> memory, long unit, int keys) {
        problem.keys = Math.min(problem.keys, keys);
        begin(problem, parts, memory);
        run(unit % units(problem, parts, 1));
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
    }

    @Override
    public void run(long unit) {
        p.cancellation.check();
        int blocks = blocks(p);
        int batch = (int) (unit / blocks);
        int first = (int) (unit % blocks) * together;
        int heads = Math.min(together, p.heads - first);
        int each = p.queries / FOUR;
        int fours = heads * each;
        boolean adjacent = p.q.rowStride == FOUR * (long) BYTES
                && (heads == 1 || p.q.headStride == p.queries * p.q.rowStride);
        if (!adjacent) {
            scaleQueries(batch, first, heads);
        }
        FourByFour.dot(p.k.segment, p.k.at(batch, first, 0), p.k.headStride, p.k.rowStride, p.keys, fours, each,
                adjacent ? p.q.segment : scratch, adjacent ? p.q.at(batch, first, 0) : queriesAt,
                adjacent ? p.scale : 1, scratch, partialAt);
        FourByFour.sum(scratch, partialAt, fours * row, tilesAt);
        FourByFour.softmax(scratch, tilesAt, fours, row, padAt, reciprocalsAt);
        for (int column = 0; column < p.valueDepth * Float.BYTES; column += FOUR * BYTES) {
            FourByFour.mix(p.v.segment, p.v.at(batch, first, 0) + column, p.v.headStride, p.v.rowStride, p.keys, fours,
                    each, scratch, tilesAt, reciprocalsAt, p.context.segment, p.context.at(batch, first, 0) + column,
                    p.context.headStride - p.queries * p.context.rowStride, p.context.rowStride);
        }
    }

    private void scaleQueries(int batch, int first, int heads) {
        for (int h = 0; h < heads; h++) {
            StridedRows.scale(p.q.segment, p.q.at(batch, first + h, 0), p.q.rowStride, p.queries, FOUR, p.scale,
                    scratch, queriesAt + (long) h * p.queries * FOUR * BYTES);
        }
    }
}
