package dev.lanewise.jmh;

import java.util.Random;

/** The numbers that every contender gets, and the comparison of what it makes of them. */
final class Operands {
    private Operands() {
    }

    /** Standard normal numbers; the same seed gives the same ones in every fork. */
    static float[] normal(long seed, int count) {
        Random random = new Random(seed);
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }

    /** From (outer, middle, rest) to (middle, outer, rest). */
    static float[] swapAxes(float[] values, int outer, int middle) {
        int rest = values.length / outer / middle;
        float[] swapped = new float[values.length];
        for (int i = 0; i < outer; i++) {
            for (int j = 0; j < middle; j++) {
                System.arraycopy(values, (i * middle + j) * rest, swapped, (j * outer + i) * rest, rest);
            }
        }
        return swapped;
    }

    /**
     * Which rows of an answer to check: every step-th and the last. The reference takes about a second for 2^29 multiply-adds. The
     * step is odd, hence prime to every tile's and vector's size, so that each place in a tile is among the rows checked.
     */
    static int rowStep(double multiplyAdds) {
        int step = (int) Math.ceil(multiplyAdds / (1 << 28));
        return step | 1;
    }

    /** The first row to check, so that steps from there end on the last. */
    static int firstRow(int rows, int step) {
        return (rows - 1) % step;
    }

    /** Fails unless the value is within the bound of what was wanted; NaN never is. */
    static void requireClose(int index, float value, double wanted, double bound) {
        if (!(Math.abs(value - wanted) <= bound)) {
            throw new AssertionError(
                    "wrong answer: element " + index + " is " + value + ", wanted " + wanted + " ± " + bound);
        }
    }

    /** Fails unless there are as many elements as wanted. */
    static void requireCount(float[] answer, int wanted) {
        if (answer.length != wanted) {
            throw new AssertionError("wrong answer: " + answer.length + " elements, wanted " + wanted);
        }
    }
}
