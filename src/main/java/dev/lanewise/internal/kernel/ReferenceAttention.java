package dev.lanewise.internal.kernel;

import dev.lanewise.ScoreStage;
import dev.lanewise.internal.memory.Elements;
import dev.lanewise.internal.memory.Operand;

/**
 * The executable specification: attention in float64, one query row and its whole score row at a time, no blocking, no skipping
 * but what the meaning asks for. The order is: scale, softcap, bias and mask, softmax, weights·v.
 */
public final class ReferenceAttention {
    private ReferenceAttention() {
    }

    /** Computes every output of the problem. */
    public static void run(AttentionProblem p) {
        RowBounds bounds = p.bounds;
        double[] scores = new double[p.keys];
        boolean[] visible = new boolean[p.keys];
        float[] query = new float[p.depth];
        float[][] keys = new float[p.keys][p.depth];
        float[][] values = new float[p.keys][p.valueDepth];
        for (int b = 0; b < p.batch; b++) {
            bounds.resolve(p, b);
            for (int h = 0; h < p.heads; h++) {
                if (h % p.group == 0) {
                    loadKeysAndValues(p, bounds, h / p.group, keys, values);
                }
                for (int i = 0; i < bounds.queries; i++) {
                    p.cancellation.check();
                    load(p.q, bounds.batch, h, bounds.queryRow + i, query);
                    scoreRow(p, bounds, h, i, query, keys, scores, visible);
                    mixRow(p, bounds, h, i, values, scores, visible);
                }
            }
        }
    }

    /** Of one key/value head, which serves a group of query heads. */
    private static void loadKeysAndValues(AttentionProblem p, RowBounds bounds, int head, float[][] keys,
            float[][] values) {
        for (int j = 0; j < bounds.keyRows(p); j++) {
            if (p.fromCache) {
                for (int d = 0; d < p.depth; d++) {
                    keys[j][d] = p.cached(bounds.batch).key(head, j, d);
                }
                for (int d = 0; d < p.valueDepth; d++) {
                    values[j][d] = p.cached(bounds.batch).value(head, j, d);
                }
            } else {
                load(p.k, bounds.batch, head, j, keys[j]);
                load(p.v, bounds.batch, head, j, values[j]);
            }
        }
    }

    /** Fills in one row of biased scores and which keys are visible; j counts over all rows of k, packed sequences included. */
    private static void scoreRow(AttentionProblem p, RowBounds bounds, int h, int i, float[] query, float[][] keys,
            double[] scores, boolean[] visible) {
        int row = bounds.queryRow + i;
        int first = bounds.keyRow + bounds.first(i);
        int end = bounds.keyRow + bounds.end(i);
        for (int j = 0; j < bounds.keyRows(p); j++) {
            double score = 0;
            for (int d = 0; d < p.depth; d++) {
                score += query[d] * keys[j][d];
            }
            score *= p.scale;
            emitScore(p, ScoreStage.RAW, bounds.batch, h, row, j, score);
            if (p.softcap != 0) {
                score = p.softcap * Math.tanh(score / p.softcap);
            }
            emitScore(p, ScoreStage.SOFTCAPPED, bounds.batch, h, row, j, score);
            visible[j] = j >= first && j < end && p.maskShows(bounds.batch, h, row, j);
            score = visible[j] ? score + bias(p, bounds, h, i, j) : Double.NEGATIVE_INFINITY;
            emitScore(p, ScoreStage.BIASED, bounds.batch, h, row, j, score);
            scores[j] = score;
        }
    }

    private static double bias(AttentionProblem p, RowBounds bounds, int h, int i, int j) {
        long distance = i + bounds.offset - (j - bounds.keyRow);
        double bias = 0;
        if (p.slopes != null) {
            bias -= (double) p.slopes[h] * Math.abs(distance);
        }
        if (p.positionBias.present()) {
            bias += p.positionBias(h, distance);
        }
        if (p.additiveMask()) {
            bias += p.additive(bounds.batch, h, bounds.queryRow + i, j);
        }
        return bias;
    }

    /** The softmax of one row, its log-sum-exp, and the weighted sum of the values. A row that sees nothing gives 0 and −∞. */
    private static void mixRow(AttentionProblem p, RowBounds bounds, int h, int i, float[][] values, double[] scores,
            boolean[] visible) {
        int row = bounds.queryRow + i;
        boolean any = false;
        double max = p.sinks == null ? Double.NEGATIVE_INFINITY : p.sinks[h];
        for (int j = 0; j < bounds.keyRows(p); j++) {
            any |= visible[j];
            max = visible[j] && scores[j] > max ? scores[j] : max;
        }
        max = max == Double.NEGATIVE_INFINITY ? 0 : max;
        double sum = p.sinks == null ? 0 : Math.exp(p.sinks[h] - max);
        double[] context = new double[p.valueDepth];
        for (int j = 0; j < bounds.keyRows(p); j++) {
            if (visible[j]) {
                scores[j] = Math.exp(scores[j] - max);
                sum += scores[j];
                for (int d = 0; d < p.valueDepth; d++) {
                    context[d] += scores[j] * values[j][d];
                }
            }
        }
        for (int d = 0; d < p.valueDepth; d++) {
            store(p.context, bounds.batch, h, row, d, any ? context[d] / sum : 0);
        }
        if (p.weights.present()) {
            for (int j = 0; j < bounds.keyRows(p); j++) {
                store(p.weights, bounds.batch, h, row, j, visible[j] ? scores[j] / sum : 0);
            }
        }
        if (p.logSumExp.present()) {
            Elements.setDouble(p.logSumExp.segment, p.logSumExp.type, p.logSumExp.at(bounds.batch, h, row),
                    max + Math.log(sum));
        }
    }

    private static void emitScore(AttentionProblem p, ScoreStage point, int b, int h, int row, int j, double score) {
        if (p.scores.present() && p.scoreStage == point) {
            store(p.scores, b, h, row, j, score);
        }
    }

    private static void load(Operand operand, int b, int h, int row, float[] to) {
        for (int d = 0; d < to.length; d++) {
            to[d] = Elements.get(operand.segment, operand.type, operand.at(b, h, row) + d * operand.columnStride);
        }
    }

    private static void store(Operand operand, int b, int h, int row, int column, double value) {
        Elements.set(operand.segment, operand.type, operand.at(b, h, row) + column * operand.columnStride,
                (float) value);
    }
}
