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

    /** Takes a block of rows: those of one key/value head, query by query, and of each query head of the group in turn. */
    void select(int head, int from, int count) {
        kvHead = head;
        firstRow = from;
        rows = count;
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

    /** Finds what each row sees of a block; tells whether any row sees anything. */
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

    /** Whether {@link #transform} looks at more than single scores: which keys they are. */
    boolean transforms() {
        return p.slopes != null || p.positionBias.present() || p.mask.present();
    }

    /** Turns raw scores into those of the softmax: softcap, biases, −∞ for what is hidden. */
    void transform(int key, int count) {
        for (int r = fromRow; r < toRow; r++) {
            long row = at.scoresAt + r * at.scoreRow;
            softcap(row, count);
            bias(r, row, key, count);
            hide(r, row, key, count);
        }
    }

    void softcap(long row, int count) {
        if (p.softcap != 0) {
            ScoreTransforms.softcap(scratch, row, Transpose.padded(count) / Lanes.COUNT, p.softcap);
        }
    }

    /** Adds the biases but that of the mask. */
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

    /** Applies the mask and the structure to one row; notes whether it saw a key, and whether a mask hid one. */
    private void hide(int r, long row, int key, int count) {
        int padded = Transpose.padded(count);
        int shown = end[r] - first[r];
        if (p.mask.present() && shown > 0) {
            long from = p.mask.at(bounds.batch, head(r), bounds.queryRow + (long) query(r))
                    + (bounds.keyRow + (long) key) * p.mask.columnStride;
            RowStaging.load(p.mask, from, 1, count, scratch, at.biasAt, 0);
            float hiding = p.booleanMask() ? 0 : Float.NEGATIVE_INFINITY;
            RowTransforms.fill(scratch, at.biasAt, 0, first[r], hiding);
            RowTransforms.fill(scratch, at.biasAt, end[r], padded, hiding);
            if (!p.booleanMask()) {
                RowTransforms.add(scratch, row, padded / Lanes.COUNT, at.biasAt);
            }
            shown = RowTransforms.hide(scratch, row, padded / Lanes.COUNT, at.biasAt, hiding);
            if (shown < end[r] - first[r]) {
                scratch.set(FLOAT, at.chunk.hidesAt, 1);
            }
            if (shown == 0) {
                end[r] = first[r];
            }
        } else {
            RowTransforms.fill(scratch, row, 0, first[r], Float.NEGATIVE_INFINITY);
            RowTransforms.fill(scratch, row, end[r], padded, Float.NEGATIVE_INFINITY);
        }
        if (shown > 0) {
            scratch.set(FLOAT, at.chunk.seenAt + r * 4L, 1);
        }
    }

    /** Turns softcapped scores into biased ones, for output. */
    void biasAndHide(int key, int count) {
        for (int r = 0; r < rows; r++) {
            bias(r, at.scoresAt + r * at.scoreRow, key, count);
            hide(r, at.scoresAt + r * at.scoreRow, key, count);
        }
    }

    /** How many keys from j on, of those that the structure shows the row, the mask shows as well. */
    int visibleRun(int r, int key, int j) {
        int run = 0;
        while (j + run < end[r] && shows(r, key + j + run)) {
            run++;
        }
        return run;
    }

    /** Whether the mask shows a key to a row. */
    boolean shows(int r, int key) {
        return p.maskShows(bounds.batch, head(r), bounds.queryRow + (long) query(r), bounds.keyRow + (long) key);
    }
}
