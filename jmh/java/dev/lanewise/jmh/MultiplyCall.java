package dev.lanewise.jmh;

import dev.lanewise.Execution;
import java.util.Arrays;

/** One matrix multiply: (rows, inner) by (inner, columns), all row-major. */
record MultiplyCall(int rows, int inner, int columns) implements Call {
    /** Reads MxKxN. */
    static MultiplyCall parse(String text) {
        int[] n = Arrays.stream(text.split("x")).mapToInt(Integer::parseInt).toArray();
        return new MultiplyCall(n[0], n[1], n[2]);
    }

    float[] a() {
        return Operands.normal(1, rows * inner);
    }

    float[] b() {
        return Operands.normal(2, inner * columns);
    }

    @Override
    public double work() {
        return 2.0 * rows * inner * columns;
    }

    @Override
    public Contender contender(String name) throws Exception {
        return switch (name) {
            case "lanewise" -> new LanewiseMultiply(this, false, Execution.here());
            case "lanewise-packed" -> new LanewiseMultiply(this, true, Execution.here());
            case "onnx" -> OnnxContender.multiply(this, false);
            case "onnx-packed" -> OnnxContender.multiply(this, true);
            case "pytorch" -> PyTorchContender.multiply(this);
            case "openblas" -> new OpenBlasMultiply(this);
            case "jlama" -> new JlamaMultiply(this);
            case "plain-java" -> new PlainMultiply(this);
            default -> throw new IllegalArgumentException("contender: " + name);
        };
    }

    /**
     * Fails unless every element is within inner·2⁻²⁴·Σ|a·b| of the float64 one: what float32 promises in any order of summation
     * (Higham, "Accuracy and Stability of Numerical Algorithms", equation 3.5).
     */
    @Override
    public void check(float[] product) {
        Operands.requireCount(product, rows * columns);
        float[] a = a();
        float[] b = b();
        int step = Operands.rowStep(work() / 2);
        for (int i = Operands.firstRow(rows, step); i < rows; i += step) {
            double[] wanted = new double[columns];
            double[] magnitude = new double[columns];
            for (int p = 0; p < inner; p++) {
                for (int j = 0; j < columns; j++) {
                    double term = (double) a[i * inner + p] * b[p * columns + j];
                    wanted[j] += term;
                    magnitude[j] += Math.abs(term);
                }
            }
            for (int j = 0; j < columns; j++) {
                double bound = (inner + 1) * 0x1p-24 * magnitude[j];
                Operands.requireClose(i * columns + j, product[i * columns + j], wanted[j], bound);
            }
        }
    }
}
