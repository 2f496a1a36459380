package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.FLOAT;

import java.lang.foreign.MemorySegment;

/** What each row of {@link DecodeAttention} sees of a block of keys, and what happens to its scores before the softmax. */
final class DecodeScores {
    /** The first key of the block that each row sees, as the structure of the call has it, counted from the block's first. */
    final int[] first = new int[DecodeLayout.ROWS];
    /** One past the last. */
    final int[] end = new int[DecodeLayout.ROWS];
    /** The first row that sees any key of the block. */
    int fromRow;
    /** One past the last. */
    int toRow;

    private final RowBounds bounds;
    private final DecodeLayout at;
    private AttentionProblem p;
    private MemorySegment scratch;
    private int kvHead;
    private int firstRow;
    private int rows;

    DecodeScores(RowBounds bounds, DecodeLayout layout) {
        this.bounds = bounds;
        at = layout;
    }

    void begin(AttentionProblem problem, MemorySegment memory) {
        p = problem;
        scratch = memory;
    }

    void end() {
        p = null;
        scratch = null;
    }

    /** Takes a block of rows: those of a key/value head, query by query, and of each query head of the group in turn. */
    void select(int from, int count) {
        firstRow = from;
        rows = count;
    }

    /** Takes a key/value head. What rows see does not depend on it. */
    void turnTo(int head) {
        kvHead = head;
    }

    int rows() {
        return rows;
    }

    /** The query that a row belongs to. */
    int query(int row) {
        return (firstRow + row) / p.group;
    }

    /** The query head that a row belongs to. */
    int head(int row) {
        return kvHead * p.group + (firstRow + row) % p.group;
    }

    /** Finds what each row sees of a block, or of a part of one; tells whether any row sees anything. */
    boolean see(int key, int count) {
        fromRow = rows;
        toRow = 0;
        for (int r = 0; r < rows; r++) {
            first[r] = Math.clamp((long) bounds.first(query(r)) - key, 0, count);
            end[r] = Math.clamp((long) bounds.end(query(r)) - key, first[r], count);
            if (end[r] > first[r]) {
                fromRow = Math.min(fromRow, r);
                toRow = r + 1;
            }
        }
        return toRow > fromRow;
    }

    /** Whether rows from one to before another all see all keys of the block. */
    boolean allSee(int from, int to, int count) {
        for (int r = from; r < to; r++) {
            if (first[r] > 0 || end[r] < count) {
                return false;
            }
        }
        return true;
    }

    /** Turns raw scores into those of the softmax: softcap, biases, −∞ for what is hidden. */
    void transform(int key, int count) {
        for (int r = fromRow; r < toRow; r++) {
            long row = at.scoresAt + r * at.scoreRow;
            softcap(row, count);
            bias(r, row, key, count);
            hide(r, row, count);
        }
    }

    private void softcap(long row, int count) {
        if (p.softcap != 0) {
            ScoreTransforms.softcap(scratch, row, Transpose.padded(count) / Lanes.COUNT, p.softcap);
        }
    }

    private void bias(int r, long row, int key, int count) {
        int vectors = Transpose.padded(count) / Lanes.COUNT;
        long distance = query(r) + bounds.offset - key;
        if (p.slopes != null) {
            RowTransforms.alibi(scratch, row, vectors, p.slopes[head(r)], distance);
        }
        if (p.positionBias.present()) {
            for (int j = 0; j < count; j++) {
                boolean inside = Math.abs(distance - j) <= p.biasCentre;
                scratch.set(FLOAT, at.biasAt + j * 4L, inside ? p.positionBias(head(r), distance - j) : 0);
            }
            RowTransforms.add(scratch, row, vectors, at.biasAt);
        }
    }

    /** Applies the structure to one row; notes whether it saw a key. */
    private void hide(int r, long row, int count) {
        RowTransforms.fill(scratch, row, 0, first[r], Float.NEGATIVE_INFINITY);
        RowTransforms.fill(scratch, row, end[r], Transpose.padded(count), Float.NEGATIVE_INFINITY);
        if (end[r] > first[r]) {
            scratch.set(FLOAT, at.chunk.seenAt + r * 4L, 1);
        }
    }
}
