package dev.lanewise.examples;

/** Attention as its formula says, in float64, over (B, H, L, D) arrays: what the program's answers are checked by. */
final class DoubleLoops {
    /** What is added to a score; −∞ hides it. */
    interface Bias {
        double at(int batch, int head, int query, int key);
    }

    final double[] scores;
    final double[] weights;
    final double[] context;

    DoubleLoops(Sizes sizes, float[] q, float[] k, float[] v, double scale, Bias bias) {
        scores = new double[sizes.batch * sizes.heads * sizes.queries * sizes.keys];
        weights = new double[scores.length];
        context = new double[sizes.batch * sizes.heads * sizes.queries * sizes.valueDepth];
        for (int b = 0; b < sizes.batch; b++) {
            for (int h = 0; h < sizes.heads; h++) {
                int kv = b * sizes.kvHeads + h / (sizes.heads / sizes.kvHeads);
                for (int i = 0; i < sizes.queries; i++) {
                    int row = (b * sizes.heads + h) * sizes.queries + i;
                    for (int j = 0; j < sizes.keys; j++) {
                        double sum = 0;
                        for (int d = 0; d < sizes.depth; d++) {
                            sum += (double) q[row * sizes.depth + d] * k[(kv * sizes.keys + j) * sizes.depth + d];
                        }
                        scores[row * sizes.keys + j] = sum * scale;
                        weights[row * sizes.keys + j] = sum * scale + bias.at(b, h, i, j);
                    }
                    softmax(weights, row * sizes.keys, sizes.keys);
                    for (int j = 0; j < sizes.keys; j++) {
                        for (int d = 0; d < sizes.valueDepth; d++) {
                            context[row * sizes.valueDepth + d] += weights[row * sizes.keys + j]
                                    * v[(kv * sizes.keys + j) * sizes.valueDepth + d];
                        }
                    }
                }
            }
        }
    }

    /** A row that sees nothing becomes zeros. */
    private static void softmax(double[] values, int from, int count) {
        double largest = Double.NEGATIVE_INFINITY;
        for (int j = 0; j < count; j++) {
            largest = Math.max(largest, values[from + j]);
        }
        double sum = 0;
        for (int j = 0; j < count; j++) {
            values[from + j] = largest == Double.NEGATIVE_INFINITY ? 0 : Math.exp(values[from + j] - largest);
            sum += values[from + j];
        }
        for (int j = 0; j < count && sum > 0; j++) {
            values[from + j] /= sum;
        }
    }

    /** B, H, Hkv, Lq, Lk, D, Dv. */
    record Sizes(int batch, int heads, int kvHeads, int queries, int keys, int depth, int valueDepth) {
    }
}
