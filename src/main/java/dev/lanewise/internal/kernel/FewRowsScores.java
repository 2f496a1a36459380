package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.COUNT;
import static dev.lanewise.internal.kernel.Lanes.FLOAT;

import dev.lanewise.internal.memory.Operand;
import java.lang.foreign.MemorySegment;

/** Which rows a unit of {@link FewRowsAttention} has, what each sees, and what happens to its scores before the softmax. */
final class FewRowsScores {
    /** The key/value head. */
    int kvHead;
    /** The first query, and how many; each with as many query heads. */
    int firstQuery;
    int queries;
    /** Rows of the unit: query head by query head, and query by query in each. */
    int rows;
    /** Rows that lie at one distance in the operands: those of one query head, or of one query if that is all. */
    int inner;
    /** Floats that the scores of a row take: whole vectors, or a part of one if there are as few keys. */
    int width;
    /** The rows that saw a key, one bit each. */
    int seen;

    private final RowBounds bounds;
    private AttentionProblem p;
    private MemorySegment scratch;
    private int firstHead;
    private int heads;

    FewRowsScores(RowBounds bounds) {
        this.bounds = bounds;
    }

    void begin(AttentionProblem problem, MemorySegment memory) {
        p = problem;
        scratch = memory;
        width = COUNT;
        while (width > 4 && width / 2 >= p.keys) {
            width /= 2;
        }
    }

    void end() {
        p = null;
        scratch = null;
    }

    /** Units that a key/value head has. */
    int blocks(AttentionProblem problem) {
        int together = headsTogether(problem);
        return (problem.group + together - 1) / together * queryBlocks(problem);
    }

    private static int headsTogether(AttentionProblem problem) {
        return Math.clamp(FewRowsAttention.ROWS / Math.max(1, problem.queries), 1, problem.group);
    }

    private static int queryBlocks(AttentionProblem problem) {
        return (problem.queries + FewRowsAttention.ROWS - 1) / FewRowsAttention.ROWS;
    }

    /** Takes a block of rows of one key/value head. */
    void select(int head, int block) {
        int together = headsTogether(p);
        int queryBlocks = queryBlocks(p);
        kvHead = head;
        int from = block / queryBlocks * together;
        firstHead = head * p.group + from;
        heads = Math.min(together, p.group - from);
        firstQuery = block % queryBlocks * FewRowsAttention.ROWS;
        queries = Math.min(FewRowsAttention.ROWS, p.queries - firstQuery);
        rows = heads * queries;
        inner = queries == 1 ? heads : queries;
    }

    /** The query head of a row. */
    int head(int row) {
        return firstHead + row / queries;
    }

    /** The query of a row. */
    int query(int row) {
        return firstQuery + row % queries;
    }

    /** Where a row begins in an operand. */
    long at(Operand operand, int row) {
        return operand.at(bounds.batch, head(row), query(row));
    }

    /** Bytes between inner rows of an operand. */
    long step(Operand operand) {
        return queries == 1 ? operand.headStride : operand.rowStride;
    }

    /** The first key of a block that a row sees, as the structure of the call has it, counted from the block's first. */
    private int first(int row, int key, int count) {
        return Math.clamp((long) bounds.first(query(row)) - key, 0, count);
    }

    /** One past the last. */
    private int end(int row, int key, int count) {
        return Math.clamp((long) bounds.end(query(row)) - key, 0, count);
    }

    /** Turns softcapped scores of a block into those of the softmax: biases, −∞ for what is hidden; whether anything is. */
    boolean transform(int key, int count, long scores, long rowBytes, long bias) {
        boolean structure = !(key >= bounds.first(firstQuery + queries - 1L)
                && key + count <= bounds.end(firstQuery));
        if (structure || p.mask.present() || p.slopes != null || p.positionBias.present()) {
            boolean hidden = false;
            for (int r = 0; r < rows; r++) {
                hidden |= transformRow(r, key, count, scores + r * rowBytes, bias);
                pad(scores + r * rowBytes, count, rowBytes);
            }
            return hidden;
        }
        seen = -1;
        for (int r = 0; r < rows && count * 4L < rowBytes; r++) {
            pad(scores + r * rowBytes, count, rowBytes);
        }
        return false;
    }

    private void pad(long row, int count, long rowBytes) {
        RowTransforms.fill(scratch, row, count, (int) (rowBytes / 4), Float.NEGATIVE_INFINITY);
    }

    private boolean transformRow(int r, int key, int count, long row, long bias) {
        bias(r, key, count, row, bias);
        int first = first(r, key, count);
        int end = Math.max(first, end(r, key, count));
        RowTransforms.fill(scratch, row, 0, first, Float.NEGATIVE_INFINITY);
        RowTransforms.fill(scratch, row, end, count, Float.NEGATIVE_INFINITY);
        int visible = end - first;
        if (p.mask.present()) {
            for (int j = first; j < end; j++) {
                if (!maskShows(r, key + j)) {
                    scratch.set(FLOAT, row + j * 4L, Float.NEGATIVE_INFINITY);
                    visible--;
                }
            }
        }
        seen |= visible > 0 ? 1 << r : 0;
        return visible < count;
    }

    private void bias(int r, int key, int count, long row, long bias) {
        long distance = query(r) + bounds.offset - key;
        if (p.slopes != null) {
            if (width == COUNT) {
                RowTransforms.alibi(scratch, row, vectors(count), p.slopes[head(r)], distance);
            } else {
                for (int j = 0; j < count; j++) {
                    float s = scratch.get(FLOAT, row + j * 4L);
                    scratch.set(FLOAT, row + j * 4L,
                            Math.fma(Math.abs((float) (distance - j)), -p.slopes[head(r)], s));
                }
            }
        }
        if (p.additiveMask()) {
            long from = p.mask.at(bounds.batch, head(r), bounds.queryRow + (long) query(r))
                    + (bounds.keyRow + (long) key) * p.mask.columnStride;
            RowStaging.load(p.mask, from, 1, count, scratch, bias, 0);
            addBiases(row, count, bias);
        }
        if (p.positionBias.present()) {
            for (int j = 0; j < count; j++) {
                boolean inside = Math.abs(distance - j) <= p.biasCentre;
                scratch.set(FLOAT, bias + j * 4L, inside ? p.positionBias(head(r), distance - j) : 0);
            }
            addBiases(row, count, bias);
        }
    }

    private void addBiases(long row, int count, long bias) {
        if (width == COUNT) {
            RowTransforms.add(scratch, row, vectors(count), bias);
            return;
        }
        for (int j = 0; j < count; j++) {
            scratch.set(FLOAT, row + j * 4L,
                    scratch.get(FLOAT, row + j * 4L) + scratch.get(FLOAT, bias + j * 4L));
        }
    }

    private static int vectors(int count) {
        return Transpose.padded(count) / COUNT;
    }

    private boolean maskShows(int row, int key) {
        return p.maskShows(bounds.batch, head(row), bounds.queryRow + (long) query(row), bounds.keyRow + (long) key);
    }

    /** Whether a row sees a key. */
    boolean shows(int row, int key) {
        return key >= bounds.first(query(row)) && key < bounds.end(query(row))
                && (!p.mask.present() || maskShows(row, key));
    }

    /** One past the last of the keys from {@code j} of a block on that a row sees, or does not see, as it does that one. */
    int run(int row, int key, int j, int count) {
        boolean shown = shows(row, key + j);
        int end = j + 1;
        while (end < count && shows(row, key + end) == shown) {
            end++;
        }
        return end;
    }
}
