package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.F;
import static dev.lanewise.internal.kernel.Lanes.ORDER;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/**
 * The softmax down a tile of scores (keys × queries), folded into the running maximum and sum of each query (Milakov and
 * Gimelshein, "Online normalizer calculation for softmax", 2018). Queries lie in lanes, so there is no reduction across a vector.
 * Weights are e^(s − m).
 */
final class OnlineSoftmax {
    private OnlineSoftmax() {
    }

    /**
     * Replaces the scores by weights relative to the new maximum.
     *
     * @param scores the byte of the tile in scratch, rows without a gap
     * @param keys rows of the tile
     * @param vectors its width in vectors
     * @param max the byte of the running maxima, one a query; −∞ before the first visible score
     * @param sum the byte of the running sums of weights
     * @param factors the byte where what the earlier context has to be multiplied with is left, one a query
     */
    static void update(MemorySegment scratch, long scores, int keys, int vectors, long max, long sum, long factors) {
        long row = (long) vectors * BYTES;
        for (int v = 0; v < vectors; v++) {
            long lane = (long) v * BYTES;
            raiseMax(scratch, scores + lane, row, keys, max + lane, factors + lane);
            exponentiate(scratch, scores + lane, row, keys, max + lane, sum + lane, factors + lane);
        }
    }

    /** The larger one lane by lane, a for NaN in b: a third of the cost of {@code FloatVector.max}, which keeps Java's rules. */
    static FloatVector larger(FloatVector a, FloatVector b) {
        return a.blend(b, b.compare(VectorOperators.GT, a));
    }

    /** Four maxima that take turns, one call of each operation in the loop: see {@link #exponentiate}. */
    private static void raiseMax(MemorySegment scratch, long scores, long row, int keys, long max, long factor) {
        MemorySegment memory = Lanes.requireNative(scratch);
        FloatVector before = FloatVector.fromMemorySegment(F, memory, max, ORDER);
        FloatVector m0 = before;
        FloatVector m1 = before;
        FloatVector m2 = before;
        FloatVector m3 = before;
        long at = scores;
        for (int j = 0; j < keys; j++) {
            FloatVector m = larger(m3, FloatVector.fromMemorySegment(F, memory, at, ORDER));
            m3 = m2;
            m2 = m1;
            m1 = m0;
            m0 = m;
            at += row;
        }
        FloatVector top = larger(larger(m0, m1), larger(m2, m3));
        top.intoMemorySegment(memory, max, ORDER);
        weight(before, shift(top)).intoMemorySegment(memory, factor, ORDER);
    }

    /** Two sums that take turns: a loop that is unrolled by hand would need a tail, where {@link Exp} is not inlined. */
    private static void exponentiate(MemorySegment scratch, long scores, long row, int keys, long max, long sum,
            long factor) {
        MemorySegment memory = Lanes.requireNative(scratch);
        FloatVector shift = shift(FloatVector.fromMemorySegment(F, memory, max, ORDER));
        FloatVector t0 = FloatVector.fromMemorySegment(F, memory, sum, ORDER)
                .mul(FloatVector.fromMemorySegment(F, memory, factor, ORDER));
        FloatVector t1 = FloatVector.zero(F);
        long at = scores;
        for (int j = 0; j < keys; j++) {
            FloatVector weight = weight(FloatVector.fromMemorySegment(F, memory, at, ORDER), shift);
            weight.intoMemorySegment(memory, at, ORDER);
            FloatVector t = t1.add(weight);
            t1 = t0;
            t0 = t;
            at += row;
        }
        t0.add(t1).intoMemorySegment(memory, sum, ORDER);
    }

    /** Replaces biased scores by final weights, e^(s − m) times the reciprocal of each query's sum. */
    static void weigh(MemorySegment scratch, long scores, int keys, int vectors, long max, long reciprocals) {
        MemorySegment memory = Lanes.requireNative(scratch);
        for (int v = 0; v < vectors; v++) {
            long lane = (long) v * BYTES;
            FloatVector shift = shift(FloatVector.fromMemorySegment(F, memory, max + lane, ORDER));
            FloatVector reciprocal = FloatVector.fromMemorySegment(F, memory, reciprocals + lane, ORDER);
            long at = scores + lane;
            for (int j = 0; j < keys; j++) {
                weight(FloatVector.fromMemorySegment(F, memory, at, ORDER), shift).mul(reciprocal)
                        .intoMemorySegment(memory, at, ORDER);
                at += (long) vectors * BYTES;
            }
        }
    }

    /** The maximum; 0 while nothing is visible, so that the weight of a hidden score is e^−∞ = 0 and not NaN. */
    static FloatVector shift(FloatVector max) {
        return max.blend(0, max.compare(VectorOperators.EQ, Float.NEGATIVE_INFINITY));
    }

    /**
     * e^(score − shift). The difference comes first: folding log₂e into one fused multiply-add would round the product with the
     * shift but not that with the score, and at scores of 1e4 the weight of the maximum itself would be off by 3e-4.
     */
    static FloatVector weight(FloatVector score, FloatVector shift) {
        return Exp.of(score.sub(shift));
    }

    /** The log-sum-exp of a query. */
    static double logSumExp(float max, float sum) {
        return (max == Float.NEGATIVE_INFINITY ? 0 : max) + Math.log(sum);
    }
}
