package dev.lanewise.jmh;

import dev.lanewise.Execution;
import java.util.Arrays;

/** One softmax along each row of a row-major matrix. */
record SoftmaxCall(int rows, int columns) implements Call {
    /** Relative. The sum of 16384 float32 terms in one running sum is off by some 10⁻⁶, at worst a few times that. */
    private static final double BOUND = 2e-5;

    /** Reads rows x columns. */
    static SoftmaxCall parse(String text) {
        int[] n = Arrays.stream(text.split("x")).mapToInt(Integer::parseInt).toArray();
        return new SoftmaxCall(n[0], n[1]);
    }

    float[] input() {
        return Operands.normal(1, rows * columns);
    }

    /** What must be read and written at least: each element once. */
    @Override
    public double work() {
        return 2.0 * Float.BYTES * rows * columns;
    }

    @Override
    public Contender contender(String name) throws Exception {
        return switch (name) {
            case "lanewise" -> new LanewiseSoftmax(this, Execution.here());
            case "onnx" -> OnnxContender.softmax(this);
            case "pytorch" -> PyTorchContender.softmax(this);
            case "plain-java" -> new PlainSoftmax(this);
            default -> throw new IllegalArgumentException("contender: " + name);
        };
    }

    /** Fails unless every weight is within 2·10⁻⁵ of the float64 one, relative to it. */
    @Override
    public void check(float[] weights) {
        Operands.requireCount(weights, rows * columns);
        float[] input = input();
        for (int start = 0; start < input.length; start += columns) {
            double sum = 0;
            for (int j = start; j < start + columns; j++) {
                sum += Math.exp(input[j]);
            }
            for (int j = start; j < start + columns; j++) {
                double wanted = Math.exp(input[j]) / sum;
                Operands.requireClose(j, weights[j], wanted, BOUND * wanted);
            }
        }
    }
}
