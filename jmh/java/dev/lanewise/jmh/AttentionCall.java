package dev.lanewise.jmh;

import java.util.Arrays;

/**
 * One attention: q, k, v and the context are (heads, length, depth), batch and heads folded into one; scale 1/√D; causal means that
 * query i sees key j iff j ≤ i.
 */
record AttentionCall(int heads, int queries, int keys, int depth, boolean causal) implements Call {
    /** The context is a mean of standard normal values, weighted by float32 scores of a few units: errors are some 10⁻⁶. */
    private static final double BOUND = 1e-5;

    /** Reads B·HxLxD, or B·HxLqxLkxD. */
    static AttentionCall parse(String text, boolean causal) {
        int[] n = Arrays.stream(text.split("x")).mapToInt(Integer::parseInt).toArray();
        return n.length == 3
                ? new AttentionCall(n[0], n[1], n[1], n[2], causal)
                : new AttentionCall(n[0], n[1], n[2], n[3], causal);
    }

    float[] q() {
        return Operands.normal(1, heads * queries * depth);
    }

    float[] k() {
        return Operands.normal(2, heads * keys * depth);
    }

    float[] v() {
        return Operands.normal(3, heads * keys * depth);
    }

    /** Useful work: two multiply-adds for every score that is visible and every depth, each of two operations. */
    @Override
    public double work() {
        double visible = causal ? queries * (queries + 1.0) / 2 : (double) queries * keys;
        return 4 * heads * visible * depth;
    }

    @Override
    public Contender contender(String name) throws Exception {
        return switch (name) {
            case "lanewise", "lanewise-1" -> LanewiseAttention.of(this, 1);
            case "lanewise-2" -> LanewiseAttention.of(this, 2);
            case "onnx-mha" -> OnnxContender.multiHeadAttention(this);
            case "onnx-mha-batch" -> OnnxContender.multiHeadAttentionByBatch(this);
            case "onnx-attention" -> OnnxContender.attention(this);
            case "pytorch" -> PyTorchContender.attention(this);
            case "plain-java" -> new PlainAttention(this);
            default -> throw new IllegalArgumentException("contender: " + name);
        };
    }

    /** Fails unless the context is within 10⁻⁵ of the same in float64, by plain loops. */
    @Override
    public void check(float[] context) {
        Operands.requireCount(context, heads * queries * depth);
        float[] q = q();
        float[] k = k();
        float[] v = v();
        double[] wanted = new double[depth];
        int rows = heads * queries;
        int step = Operands.rowStep(work() / 2);
        for (int row = Operands.firstRow(rows, step); row < rows; row += step) {
            attend(q, k, v, row, row / queries, wanted);
            for (int d = 0; d < depth; d++) {
                Operands.requireClose(row * depth + d, context[row * depth + d], wanted[d], BOUND);
            }
        }
    }

    /** The context of a row of q over a key/value head, in float64. */
    void attend(float[] q, float[] k, float[] v, int row, int kvHead, double[] context) {
        int firstKey = kvHead * keys;
        int visible = causal ? row % queries + 1 : keys;
        double[] weights = new double[visible];
        double maximum = Double.NEGATIVE_INFINITY;
        for (int j = 0; j < visible; j++) {
            for (int d = 0; d < depth; d++) {
                weights[j] += (double) q[row * depth + d] * k[(firstKey + j) * depth + d];
            }
            weights[j] /= Math.sqrt(depth);
            maximum = Math.max(maximum, weights[j]);
        }
        double sum = 0;
        Arrays.fill(context, 0);
        for (int j = 0; j < visible; j++) {
            double weight = Math.exp(weights[j] - maximum);
            sum += weight;
            for (int d = 0; d < depth; d++) {
                context[d] += weight * v[(firstKey + j) * depth + d];
            }
        }
        for (int d = 0; d < depth; d++) {
            context[d] /= sum;
        }
    }
}
