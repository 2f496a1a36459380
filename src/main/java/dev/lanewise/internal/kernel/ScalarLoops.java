package dev.lanewise.internal.kernel;

/**
 * The arithmetic of the scalar kernel. Every loop is a short method of its own over whole heap arrays that share one index: the interpreter
 * hands it to C1 after 2,000 iterations, C1 keeps the bounds checks out of it, and C2, which cannot tell arrays with different offsets apart, turns
 * it into vector instructions.
 */
final class ScalarLoops {
    /** Rows that one pass over a sum adds up: as many multiply-adds for one load, store and branch. */
    static final int TERMS = 8;

    private ScalarLoops() {
    }

    /** Rounds up to whole groups of {@link #TERMS}. */
    static int padded(int count) {
        return (count + TERMS - 1) / TERMS * TERMS;
    }

    /** y[i] += Σ factors[t] · rows[t][i], t from {@code first}, where a group begins, to before {@code end}, rounded up to a whole group. */
    static void combine(float[] y, float[] factors, float[][] rows, int first, int end, int n) {
        for (int t = first; t < end; t += TERMS) {
            add(y, factors, rows, t, n);
        }
    }

    private static void add(float[] y, float[] factors, float[][] rows, int t, int n) {
        add(y, factors[t], factors[t + 1], factors[t + 2], factors[t + 3], factors[t + 4], factors[t + 5],
                factors[t + 6], factors[t + 7], rows[t], rows[t + 1], rows[t + 2], rows[t + 3], rows[t + 4],
                rows[t + 5], rows[t + 6], rows[t + 7], n);
    }

    private static void add(float[] y, float f0, float f1, float f2, float f3, float f4, float f5, float f6, float f7,
            float[] x0, float[] x1, float[] x2, float[] x3, float[] x4, float[] x5, float[] x6, float[] x7, int n) {
        for (int i = 0; i < n; i++) {
            y[i] += f0 * x0[i] + f1 * x1[i] + (f2 * x2[i] + f3 * x3[i])
                    + (f4 * x4[i] + f5 * x5[i] + (f6 * x6[i] + f7 * x7[i]));
        }
    }

    /** x[i] *= factor. */
    static void scale(float[] x, float factor, int n) {
        for (int i = 0; i < n; i++) {
            x[i] *= factor;
        }
    }

    /** x[i] = x[i] / divisor, rounded once. */
    static void divide(float[] x, double divisor, int n) {
        for (int i = 0; i < n; i++) {
            x[i] = (float) (x[i] / divisor);
        }
    }

    /** to[c][r] = from[r][c]. */
    static void transpose(float[][] from, int rows, int columns, float[][] to) {
        for (int r = 0; r < rows; r++) {
            column(from[r], columns, r, to);
        }
    }

    private static void column(float[] from, int columns, int r, float[][] to) {
        for (int c = 0; c < columns; c++) {
            to[c][r] = from[c];
        }
    }

    /** The largest of x and {@code start}; NaN is passed over. */
    static float max(float[] x, float start, int n) {
        float max = start;
        for (int i = 0; i < n; i++) {
            max = x[i] > max ? x[i] : max;
        }
        return max;
    }

    /** x[i] = e^(x[i] − shift); returns their sum. */
    static double exponentiate(float[] x, float shift, int n) {
        double sum = 0;
        for (int i = 0; i < n; i++) {
            x[i] = (float) Math.exp(x[i] - shift);
            sum += x[i];
        }
        return sum;
    }
}
