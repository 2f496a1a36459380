package dev.lanewise;

/**
 * How far a float32 kernel may be from float64, derived from the operations it does. u = 2⁻²⁴ is the unit roundoff. A sum of n products in
 * any order is within n·u·Σ|terms| of exact (Higham, Accuracy and Stability of Numerical Algorithms, 2002, 3.1).
 */
final class ErrorBound {
    private static final double U = 0x1p-24;
    /** Rounding of exp (2.7u at most, see ExpTest), of its argument, of a weight's further factors. */
    private static final double WEIGHT_ROUNDINGS = 8;
    /** tanh: exp, one addition, one division and their propagation, relative to the cap. */
    private static final double TANH_ROUNDINGS = 8;

    /** A weight whose exponent is below the vector kernel's least, −87.336, comes out as 0. */
    static final double VANISHED = Math.exp(-87.336);

    /** Of a score that is finite. */
    final double score;
    /** Of a weight, relative to it. */
    final double weight;
    /** Of an element of the context. */
    final double context;
    /** Of the log-sum-exp. */
    final double logSumExp;

    ErrorBound(AttentionCase c, AttentionInputs inputs) {
        double scale = c.scores().scale() == 0 ? 1 / Math.sqrt(c.sizes().depth()) : Math.abs(c.scores().scale());
        // Cauchy and Schwarz: Σ|q||k| is at most the product of the norms.
        double products = scale * norm(inputs.q) * norm(inputs.k);
        double raw = (c.sizes().depth() + 2) * U * products;
        double largest = products;
        if (c.scores().softcap() != 0) {
            raw += TANH_ROUNDINGS * U * c.scores().softcap();
            largest = Math.min(largest, c.scores().softcap());
        }
        double bias = 0;
        if (c.scores().alibi()) {
            // Slopes are normal with deviation 0.1, distances at most 800.
            bias += 0.1 * 6 * 800;
        }
        if (c.scores().positionBias()) {
            bias += 6;
        }
        if (inputs.mask != null && inputs.mask.type() != ElementType.BOOL) {
            bias += 12;
        }
        largest += bias;
        score = raw + 4 * U * largest;
        int keys = c.sizes().keys();
        // s − m, rounded; and ln 2, whose error of 2e-9 counts once for each halving of the weight.
        double exponent = score + 2 * U * largest;
        weight = 2 * exponent + (WEIGHT_ROUNDINGS + keys) * U;
        context = (2 * weight + (keys + 4) * U) * max(inputs.v) + Float.MIN_NORMAL;
        logSumExp = exponent + (keys + WEIGHT_ROUNDINGS) * U + 4 * U * (largest + 10);
    }

    private static double norm(Tensor t) {
        float[] values = t.toFloats();
        int depth = (int) t.size(3);
        double largest = 0;
        for (int row = 0; row < values.length; row += depth) {
            double sum = 0;
            for (int d = row; d < row + depth; d++) {
                sum += (double) values[d] * values[d];
            }
            largest = Math.max(largest, sum);
        }
        return Math.sqrt(largest);
    }

    private static double max(Tensor t) {
        double largest = 0;
        for (float value : t.toFloats()) {
            largest = Math.max(largest, Math.abs(value));
        }
        return largest;
    }

    /** The rounding of a result to the type it is stored in: half an ulp, which is that of the least normal number below it. */
    static double storage(ElementType type, double value) {
        return switch (type) {
            case BFLOAT16 -> 0x1p-8 * Math.abs(value) + 0x1p-134;
            case FLOAT16 -> 0x1p-11 * Math.abs(value) + 0x1p-24;
            default -> 2 * U * Math.abs(value);
        };
    }
}
