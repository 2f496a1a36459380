package dev.lanewise.internal.kernel;

import dev.lanewise.ScoreStage;
import dev.lanewise.internal.memory.Elements;
import dev.lanewise.internal.memory.Operand;

/**
 * Attention in float32 without vectors: the fallback. One query row at a time with an online softmax (Milakov and Gimelshein,
 * 2018), a block of keys at a time, so that scratch does not grow with the number of keys.
 */
public final class ScalarAttention {
    private static final int KEY_BLOCK = 64;

    private final AttentionProblem p;
    private final RowBounds bounds;
    /** One query row, one context row, one block of scores, one row of k or v: in this order. Only grows. */
    private float[] work = new float[0];
    private int contextAt;
    private int scoresAt;
    private int loadedAt;
    private float max;
    private double sum;

    ScalarAttention(AttentionProblem problem) {
        p = problem;
        bounds = problem.bounds;
    }

    /** Computes every output of the problem. */
    public void run() {
        contextAt = p.depth;
        scoresAt = contextAt + p.valueDepth;
        loadedAt = scoresAt + KEY_BLOCK;
        int size = loadedAt + Math.max(p.depth, p.valueDepth);
        if (work.length < size) {
            work = new float[size];
        }
        for (int b = 0; b < p.batch; b++) {
            bounds.resolve(p, b);
            for (int h = 0; h < p.heads; h++) {
                for (int i = 0; i < bounds.queries; i++) {
                    row(h, i);
                }
            }
        }
    }

    private void row(int h, int i) {
        int row = bounds.queryRow + i;
        for (int d = 0; d < p.depth; d++) {
            work[d] = Elements.get(p.q.segment, p.q.type, p.q.at(bounds.batch, h, row) + d * p.q.columnStride)
                    * p.scale;
        }
        for (int d = 0; d < p.valueDepth; d++) {
            work[contextAt + d] = 0;
        }
        max = p.sinks == null ? Float.NEGATIVE_INFINITY : p.sinks[h];
        sum = p.sinks == null ? 0 : 1;
        boolean any = false;
        int end = bounds.end(i);
        for (int from = bounds.first(i); from < end; from += KEY_BLOCK) {
            any |= block(h, i, from, Math.min(end, from + KEY_BLOCK));
        }
        for (int d = 0; d < p.valueDepth; d++) {
            store(p.context, h, row, d, any ? (float) (work[contextAt + d] / sum) : 0);
        }
        float finite = max == Float.NEGATIVE_INFINITY ? 0 : max;
        if (p.logSumExp.present()) {
            Elements.setDouble(p.logSumExp.segment, p.logSumExp.type, p.logSumExp.at(bounds.batch, h, row),
                    finite + Math.log(sum));
        }
        if (p.scores.present() || p.weights.present()) {
            emit(h, i, finite);
        }
    }

    /** Folds the keys of one block into the running maximum, sum and context; tells whether any is visible. */
    private boolean block(int h, int i, int from, int to) {
        long visible = 0;
        float before = max;
        for (int j = from; j < to; j++) {
            if (p.maskShows(bounds.batch, h, bounds.queryRow + i, bounds.keyRow + j)) {
                visible |= 1L << j - from;
                float score = biased(h, i, j, softcapped(raw(h, bounds.keyRow + j)));
                work[scoresAt + j - from] = score;
                max = score > max ? score : max;
            }
        }
        if (max == Float.NEGATIVE_INFINITY) {
            before = 0;
        }
        float finite = max == Float.NEGATIVE_INFINITY ? 0 : max;
        float correction = (float) Math.exp(before - finite);
        sum *= correction;
        for (int d = 0; d < p.valueDepth; d++) {
            work[contextAt + d] *= correction;
        }
        for (int j = from; j < to; j++) {
            if ((visible & 1L << j - from) != 0) {
                float weight = (float) Math.exp(work[scoresAt + j - from] - finite);
                sum += weight;
                loadValue(h, bounds.keyRow + j);
                for (int d = 0; d < p.valueDepth; d++) {
                    work[contextAt + d] += weight * work[loadedAt + d];
                }
            }
        }
        return visible != 0;
    }

    /** The second pass over the whole row that the outputs of shape (query, key) need, when maximum and sum are known. */
    private void emit(int h, int i, float finite) {
        int row = bounds.queryRow + i;
        int first = bounds.keyRow + bounds.first(i);
        int end = bounds.keyRow + bounds.end(i);
        for (int column = 0; column < p.keys; column++) {
            float raw = raw(h, column);
            float capped = softcapped(raw);
            boolean visible = column >= first && column < end && p.maskShows(bounds.batch, h, row, column);
            float biased = visible ? biased(h, i, column - bounds.keyRow, capped) : Float.NEGATIVE_INFINITY;
            if (p.scores.present()) {
                store(p.scores, h, row, column,
                        p.scoreStage == ScoreStage.RAW ? raw : p.scoreStage == ScoreStage.SOFTCAPPED ? capped : biased);
            }
            if (p.weights.present()) {
                store(p.weights, h, row, column, visible ? (float) (Math.exp(biased - finite) / sum) : 0);
            }
        }
    }

    /** Scaled query row times key; four sums, for the adds of one would wait for each other. */
    private float raw(int h, int keyRow) {
        loadKey(h, keyRow);
        float s0 = 0;
        float s1 = 0;
        float s2 = 0;
        float s3 = 0;
        int d = 0;
        for (; d + 3 < p.depth; d += 4) {
            s0 += work[d] * work[loadedAt + d];
            s1 += work[d + 1] * work[loadedAt + d + 1];
            s2 += work[d + 2] * work[loadedAt + d + 2];
            s3 += work[d + 3] * work[loadedAt + d + 3];
        }
        for (; d < p.depth; d++) {
            s0 += work[d] * work[loadedAt + d];
        }
        return s0 + s1 + (s2 + s3);
    }

    private float softcapped(float score) {
        return p.softcap == 0 ? score : (float) (p.softcap * Math.tanh(score / p.softcap));
    }

    private float biased(int h, int i, int j, float score) {
        long distance = i + bounds.offset - j;
        float biased = score;
        if (p.slopes != null) {
            biased -= p.slopes[h] * Math.abs(distance);
        }
        if (p.positionBias.present()) {
            biased += p.positionBias(h, distance);
        }
        if (p.additiveMask()) {
            biased += p.additive(bounds.batch, h, bounds.queryRow + i, bounds.keyRow + j);
        }
        return biased;
    }

    private void loadKey(int h, int row) {
        if (p.fromCache) {
            p.cached(bounds.batch).loadKey(h / p.group, row, work, loadedAt, p.depth);
        } else {
            load(p.k, h, row, p.depth);
        }
    }

    private void loadValue(int h, int row) {
        if (p.fromCache) {
            p.cached(bounds.batch).loadValue(h / p.group, row, work, loadedAt, p.valueDepth);
        } else {
            load(p.v, h, row, p.valueDepth);
        }
    }

    private void load(Operand operand, int h, int row, int count) {
        long at = operand.at(bounds.batch, h / p.group, row);
        for (int d = 0; d < count; d++) {
            work[loadedAt + d] = Elements.get(operand.segment, operand.type, at + d * operand.columnStride);
        }
    }

    private void store(Operand operand, int h, int row, int column, float value) {
        Elements.set(operand.segment, operand.type, operand.at(bounds.batch, h, row) + column * operand.columnStride,
                value);
    }
}
