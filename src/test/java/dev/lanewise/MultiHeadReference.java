package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertEquals;

/**
 * Multi-head attention in plain float64 loops, with a running error analysis: beside each value how far float32 may be
 * from it. u = 2⁻²⁴; a sum of n products in any order is within n·u·Σ|terms| of exact (Higham, Accuracy and Stability
 * of Numerical Algorithms, 2002, 3.1), and what its terms were off by comes on top.
 */
final class MultiHeadReference {
    private static final double U = 0x1p-24;
    /** Rounding of exp and of its argument, of the correction factors, of the division. */
    private static final double WEIGHT_ROUNDINGS = 8;

    private MultiHeadReference() {
    }

    /** Rows of features: each value and its error. */
    record Rows(double[][] value, double[][] error) {
        static Rows zeros(int rows, int columns) {
            return new Rows(new double[rows][columns], new double[rows][columns]);
        }

        /** (L, E), taken as exact. */
        static Rows of(Tensor tensor) {
            Rows rows = zeros((int) tensor.size(0), (int) tensor.size(1));
            for (int i = 0; i < rows.value.length; i++) {
                for (int j = 0; j < rows.value[i].length; j++) {
                    rows.value[i][j] = tensor.getFloat(i, j);
                }
            }
            return rows;
        }

        /** Fails where an element of a result is further from the value than the error allows; a NaN always is. */
        void check(Tensor result) {
            for (int i = 0; i < value.length; i++) {
                for (int j = 0; j < value[i].length; j++) {
                    assertEquals(value[i][j], result.getFloat(i, j), error[i][j] + Float.MIN_NORMAL,
                            "[" + i + ", " + j + "]");
                }
            }
        }
    }

    /** x·W + b. */
    static Rows project(Rows x, MultiHeadCase.Linear linear) {
        Tensor weight = linear.weight();
        Tensor bias = linear.bias();
        int columns = (int) weight.size(1);
        Rows y = Rows.zeros(x.value.length, columns);
        float[] w = weight.toFloats();
        for (int i = 0; i < x.value.length; i++) {
            for (int j = 0; j < columns; j++) {
                double sum = bias == null ? 0 : bias.getFloat(j);
                double magnitude = Math.abs(sum);
                double inherited = 0;
                for (int e = 0; e < x.value[i].length; e++) {
                    double factor = w[e * columns + j];
                    sum += x.value[i][e] * factor;
                    magnitude += (Math.abs(x.value[i][e]) + x.error[i][e]) * Math.abs(factor);
                    inherited += x.error[i][e] * Math.abs(factor);
                }
                y.value[i][j] = sum;
                y.error[i][j] = inherited + (x.value[i].length + 2) * U * magnitude;
            }
        }
        return y;
    }

    /** The contexts of all heads, side by side in each row; the mask is (Lq, Lk), true where a query sees a key. */
    static Rows attend(Rows q, Rows k, Rows v, MultiHeadCase.Heads heads, Tensor mask) {
        int depth = heads.depth();
        int valueDepth = heads.valueDepth();
        Rows context = Rows.zeros(q.value.length, heads.count() * valueDepth);
        for (int h = 0; h < heads.count(); h++) {
            int kvHead = h / heads.group();
            for (int i = 0; i < q.value.length; i++) {
                double[] weights = new double[k.value.length];
                double relative = weigh(q, i, h * depth, k, kvHead * depth, depth, mask, weights);
                for (int d = 0; d < valueDepth; d++) {
                    mix(weights, relative, v, kvHead * valueDepth + d, context, i, h * valueDepth + d);
                }
            }
        }
        return context;
    }

    /** Fills in the weights of one query; returns their relative error. */
    private static double weigh(Rows q, int i, int qFrom, Rows k, int kFrom, int depth, Tensor mask,
            double[] weights) {
        double max = Double.NEGATIVE_INFINITY;
        double largest = 0;
        double error = 0;
        for (int j = 0; j < weights.length; j++) {
            weights[j] = Double.NEGATIVE_INFINITY;
            if (mask.getFloat(i, j) != 0) {
                double sum = 0;
                double magnitude = 0;
                double inherited = 0;
                for (int d = 0; d < depth; d++) {
                    double a = q.value[i][qFrom + d];
                    double b = k.value[j][kFrom + d];
                    double errorA = q.error[i][qFrom + d];
                    double errorB = k.error[j][kFrom + d];
                    sum += a * b;
                    magnitude += (Math.abs(a) + errorA) * (Math.abs(b) + errorB);
                    inherited += errorA * (Math.abs(b) + errorB) + Math.abs(a) * errorB;
                }
                weights[j] = sum / Math.sqrt(depth);
                error = Math.max(error, (inherited + (depth + 3) * U * magnitude) / Math.sqrt(depth));
                largest = Math.max(largest, magnitude / Math.sqrt(depth));
                max = Math.max(max, weights[j]);
            }
        }
        double sum = 0;
        for (int j = 0; j < weights.length; j++) {
            weights[j] = weights[j] == Double.NEGATIVE_INFINITY ? 0 : Math.exp(weights[j] - max);
            sum += weights[j];
        }
        for (int j = 0; j < weights.length && sum > 0; j++) {
            weights[j] /= sum;
        }
        // Scores that are off by ε change a quotient of exponentials by a factor of at most exp(2ε).
        return Math.expm1(2 * (error + 2 * U * largest)) + (WEIGHT_ROUNDINGS + weights.length) * U;
    }

    private static void mix(double[] weights, double relative, Rows v, int column, Rows context, int i, int at) {
        double inherited = 0;
        double magnitude = 0;
        for (int j = 0; j < weights.length; j++) {
            double value = v.value[j][column];
            double error = v.error[j][column];
            context.value[i][at] += weights[j] * value;
            inherited += weights[j] * (error + relative * (Math.abs(value) + error));
            magnitude += weights[j] * (1 + relative) * (Math.abs(value) + error);
        }
        context.error[i][at] = inherited + (weights.length + 4) * U * magnitude + Float.MIN_NORMAL;
    }
}
