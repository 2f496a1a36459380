package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.ScalarLoops.padded;

import dev.lanewise.ScoreStage;
import dev.lanewise.internal.memory.Elements;
import java.util.Arrays;

/**
 * Attention in float32 without vectors: the fallback, and what runs until the vector kernel is compiled. A block of queries at a time
 * meets one block of keys after another with an online softmax (Milakov and Gimelshein, 2018), so that scratch does not grow with
 * the lengths. The arithmetic is in {@link ScalarLoops}, on heap arrays, so that a first call is compiled within milliseconds.
 */
public final class ScalarAttention {
    /** A block's keys and values are read once for so many queries. */
    private static final int QUERY_BLOCK = 128;
    /** Transposed keys of 64 features, 16 KiB, stay in the first-level cache with a row of scores. */
    private static final int KEY_BLOCK = 64;

    private final AttentionProblem p;
    private final RowBounds bounds;
    private final HeapRows rows = new HeapRows();

    /** Queries, scaled. Like all that is summed over, padded with zeros to whole groups of {@link ScalarLoops#TERMS}. */
    private float[][] q = new float[0][];
    private float[][] k = new float[0][];
    /** The block's keys, feature by feature. */
    private float[][] kTransposed = new float[0][];
    /** The block's values, and a row of zeros. */
    private float[][] v = new float[0][];
    private float[][] context = new float[0][];
    private final float[] scores = new float[KEY_BLOCK];
    /** Weights of the keys that a query sees, without a gap. */
    private final float[] weights = new float[KEY_BLOCK];
    /** The values of those keys. */
    private final float[][] seen = new float[KEY_BLOCK][];
    private final float[] max = new float[QUERY_BLOCK];
    private final double[] sum = new double[QUERY_BLOCK];
    private final boolean[] any = new boolean[QUERY_BLOCK];
    /** Whether a score is that of the multiply, and every key in bounds is seen. */
    private boolean plain;

    /** The block at hand. */
    private int head;
    private int query;
    private int queries;

    ScalarAttention(AttentionProblem problem) {
        p = problem;
        bounds = problem.bounds;
    }

    /** Computes every output of the problem. */
    public void run() {
        begin();
        for (int b = 0; b < p.batch; b++) {
            bounds.resolve(p, b);
            for (head = 0; head < p.heads; head++) {
                for (query = 0; query < bounds.queries; query += QUERY_BLOCK) {
                    queries = Math.min(QUERY_BLOCK, bounds.queries - query);
                    queryBlock();
                }
            }
        }
    }

    private void begin() {
        int block = Math.min(QUERY_BLOCK, p.queries);
        q = HeapRows.matrix(q, block, padded(p.depth));
        k = HeapRows.matrix(k, KEY_BLOCK, p.depth);
        kTransposed = HeapRows.matrix(kTransposed, padded(p.depth), KEY_BLOCK);
        v = HeapRows.matrix(v, KEY_BLOCK + 1, p.valueDepth);
        context = HeapRows.matrix(context, block, p.valueDepth);
        for (int d = p.depth; d < padded(p.depth); d++) {
            Arrays.fill(kTransposed[d], 0);
        }
        Arrays.fill(v[KEY_BLOCK], 0);
        plain = !p.mask.present() && p.softcap == 0 && p.slopes == null && !p.positionBias.present();
    }

    private void queryBlock() {
        int row = bounds.queryRow + query;
        rows.load(p.q, p.q.at(bounds.batch, head, row), queries, p.depth, q);
        for (int i = 0; i < queries; i++) {
            ScalarLoops.scale(q[i], p.scale, p.depth);
            Arrays.fill(q[i], p.depth, padded(p.depth), 0);
            Arrays.fill(context[i], 0, p.valueDepth, 0);
        }
        Arrays.fill(max, p.sinks == null ? Float.NEGATIVE_INFINITY : p.sinks[head]);
        Arrays.fill(sum, p.sinks == null ? 0 : 1);
        Arrays.fill(any, false);
        int end = bounds.end(query + queries - 1L);
        for (int key = bounds.first(query); key < end; key += KEY_BLOCK) {
            p.cancellation.check();
            keyBlock(key, Math.min(KEY_BLOCK, end - key));
        }
        for (int i = 0; i < queries; i++) {
            finish(i, row + i);
        }
        if (p.scores.present() || p.weights.present()) {
            emit();
        }
    }

    /** Folds the keys of one block into the running maximum, sum and context of each query. */
    private void keyBlock(int key, int keys) {
        loadKeys(bounds.keyRow + key, keys);
        loadValues(bounds.keyRow + key, keys);
        for (int i = 0; i < queries; i++) {
            int from = Math.max(0, bounds.first(query + i) - key);
            int to = Math.min(keys, bounds.end(query + i) - key);
            if (from < to) {
                raw(i, keys);
                fold(i, gather(i, key, from, to));
            }
        }
    }

    private void loadKeys(int row, int keys) {
        if (p.fromCache) {
            for (int j = 0; j < keys; j++) {
                p.cached(bounds.batch).loadKey(head / p.group, row + j, k[j], 0, p.depth);
            }
        } else {
            rows.load(p.k, p.k.at(bounds.batch, head / p.group, row), keys, p.depth, k);
        }
        ScalarLoops.transpose(k, keys, p.depth, kTransposed);
    }

    private void loadValues(int row, int keys) {
        if (p.fromCache) {
            for (int j = 0; j < keys; j++) {
                p.cached(bounds.batch).loadValue(head / p.group, row + j, v[j], 0, p.valueDepth);
            }
        } else {
            rows.load(p.v, p.v.at(bounds.batch, head / p.group, row), keys, p.valueDepth, v);
        }
    }

    /** The raw scores of a query against the block. */
    private void raw(int i, int keys) {
        Arrays.fill(scores, 0, keys, 0);
        ScalarLoops.combine(scores, q[i], kTransposed, 0, p.depth, keys);
    }

    /** Leaves the final scores of the keys that query i sees in {@link #weights}; returns how many there are. */
    private int gather(int i, int key, int from, int to) {
        if (plain) {
            System.arraycopy(scores, from, weights, 0, to - from);
            System.arraycopy(v, from, seen, 0, to - from);
            return to - from;
        }
        int count = 0;
        for (int j = from; j < to; j++) {
            if (p.maskShows(bounds.batch, head, bounds.queryRow + query + i, bounds.keyRow + (long) key + j)) {
                weights[count] = biased(i, key + j, softcapped(scores[j]));
                seen[count++] = v[j];
            }
        }
        return count;
    }

    private void fold(int i, int count) {
        if (count == 0) {
            return;
        }
        any[i] = true;
        float before = max[i];
        float now = ScalarLoops.max(weights, before, count);
        float shift = now == Float.NEGATIVE_INFINITY ? 0 : now;
        if (now != before) {
            float correction = (float) Math.exp(before - shift);
            max[i] = now;
            sum[i] *= correction;
            ScalarLoops.scale(context[i], correction, p.valueDepth);
        }
        sum[i] += ScalarLoops.exponentiate(weights, shift, count);
        for (int t = count; t < padded(count); t++) {
            weights[t] = 0;
            seen[t] = v[KEY_BLOCK];
        }
        ScalarLoops.combine(context[i], weights, seen, 0, count, p.valueDepth);
    }

    private void finish(int i, int row) {
        if (any[i]) {
            ScalarLoops.divide(context[i], sum[i], p.valueDepth);
        }
        rows.store(context[i], p.valueDepth, p.context, p.context.at(bounds.batch, head, row));
        if (p.logSumExp.present()) {
            Elements.setDouble(p.logSumExp.segment, p.logSumExp.type, p.logSumExp.at(bounds.batch, head, row),
                    finite(max[i]) + Math.log(sum[i]));
        }
    }

    private static float finite(float max) {
        return max == Float.NEGATIVE_INFINITY ? 0 : max;
    }

    /** The second pass over all keys that the outputs of shape (query, key) need, when maxima and sums are known. */
    private void emit() {
        for (int column = 0; column < p.keys; column += KEY_BLOCK) {
            p.cancellation.check();
            int keys = Math.min(KEY_BLOCK, p.keys - column);
            loadKeys(column, keys);
            for (int i = 0; i < queries; i++) {
                raw(i, keys);
                for (int j = 0; j < keys; j++) {
                    emit(i, column + j, scores[j], j);
                }
                store(i, column, keys);
            }
        }
    }

    /** Leaves a score of the stage that is asked for, and a weight. */
    private void emit(int i, int column, float raw, int j) {
        int key = column - bounds.keyRow;
        float capped = softcapped(raw);
        boolean visible = key >= bounds.first(query + i) && key < bounds.end(query + i)
                && p.maskShows(bounds.batch, head, bounds.queryRow + query + i, column);
        float biased = visible ? biased(i, key, capped) : Float.NEGATIVE_INFINITY;
        weights[j] = visible ? (float) (Math.exp(biased - finite(max[i])) / sum[i]) : 0;
        scores[j] = p.scoreStage == ScoreStage.RAW ? raw : p.scoreStage == ScoreStage.SOFTCAPPED ? capped : biased;
    }

    private void store(int i, int column, int keys) {
        long row = bounds.queryRow + query + i;
        if (p.scores.present()) {
            rows.store(scores, keys, p.scores,
                    p.scores.at(bounds.batch, head, row) + column * p.scores.columnStride);
        }
        if (p.weights.present()) {
            rows.store(weights, keys, p.weights,
                    p.weights.at(bounds.batch, head, row) + column * p.weights.columnStride);
        }
    }

    private float softcapped(float score) {
        return p.softcap == 0 ? score : (float) (p.softcap * Math.tanh(score / p.softcap));
    }

    private float biased(int i, int key, float score) {
        if (plain) {
            return score;
        }
        long distance = query + i + bounds.offset - key;
        float biased = score;
        if (p.slopes != null) {
            biased -= p.slopes[head] * Math.abs(distance);
        }
        if (p.positionBias.present()) {
            biased += p.positionBias(head, distance);
        }
        if (p.additiveMask()) {
            biased += p.additive(bounds.batch, head, bounds.queryRow + query + i, bounds.keyRow + (long) key);
        }
        return biased;
    }
}
