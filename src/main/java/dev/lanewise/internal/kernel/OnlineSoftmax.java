package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.COUNT;
import static dev.lanewise.internal.kernel.Lanes.F;
import static dev.lanewise.internal.kernel.Lanes.I;
import static dev.lanewise.internal.kernel.Lanes.LANE_BIT;
import static dev.lanewise.internal.kernel.Lanes.ORDER;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
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
     * Raises the running maxima, one a query, to the scores of a tile.
     *
     * @param scores the byte of the tile in scratch, rows without a gap
     * @param keys rows of the tile
     * @param vectors its width in vectors
     * @param max the byte of the maxima; −∞ before the first visible score
     */
    static void raiseMax(MemorySegment scratch, long scores, int keys, int vectors, long max) {
        long row = (long) vectors * BYTES;
        for (int v = 0; v < vectors; v++) {
            long lane = (long) v * BYTES;
            raiseMax(scratch, scores + lane, row, keys, max + lane);
        }
    }

    /**
     * Replaces the scores of a tile by weights relative to the maxima.
     *
     * @param max the byte of the maxima, which the scores of the tile have raised
     * @param sum the byte of the running sums of weights
     * @param factors the byte of the maxima from before; replaced by what the earlier context has to be multiplied with, one a query
     */
    static void weigh(MemorySegment scratch, long scores, int keys, int vectors, long max, long sum, long factors) {
        long row = (long) vectors * BYTES;
        for (int v = 0; v < vectors; v++) {
            long lane = (long) v * BYTES;
            exponentiate(scratch, factors + lane, scores + lane, row, keys, max + lane, sum + lane);
        }
    }

    /** {@link #raiseMax(MemorySegment, long, int, int, long)} where scores whose query has no bit in the key's word become −∞ first. */
    static void raiseVisibleMax(MemorySegment scratch, long scores, int keys, int vectors, long max, long[] words,
            int firstWord) {
        long row = (long) vectors * BYTES;
        for (int v = 0; v < vectors; v++) {
            long lane = (long) v * BYTES;
            raiseVisibleMax(scratch, scores + lane, row, keys, max + lane, words, firstWord, v * COUNT);
        }
    }

    /** What {@link RowWeights#raise} explains, down a column. */
    private static void raiseMax(MemorySegment scratch, long scores, long row, int keys, long max) {
        MemorySegment memory = Lanes.requireNative(scratch);
        IntVector zero = IntVector.zero(I);
        IntVector largest = FloatVector.fromMemorySegment(F, memory, max, ORDER).reinterpretAsInts();
        IntVector least = largest;
        long at = scores;
        for (int j = 0; j < keys; j++) {
            IntVector x = FloatVector.fromMemorySegment(F, memory, at, ORDER).reinterpretAsInts();
            largest = x.max(largest);
            least = x.min(least);
            at += row;
        }
        zero.or(largest)
                .blend(least, zero.compare(VectorOperators.GT, largest))
                .reinterpretAsFloats()
                .intoMemorySegment(memory, max, ORDER);
    }

    private static void raiseVisibleMax(MemorySegment scratch, long scores, long row, int keys, long max, long[] words,
            int firstWord, int firstBit) {
        MemorySegment memory = Lanes.requireNative(scratch);
        IntVector zero = IntVector.zero(I);
        IntVector largest = FloatVector.fromMemorySegment(F, memory, max, ORDER).reinterpretAsInts();
        IntVector least = largest;
        long at = scores;
        for (int j = 0; j < keys; j++) {
            VectorMask<Float> hidden = IntVector.broadcast(I, (int) (words[firstWord + j] >>> firstBit))
                    .and(LANE_BIT)
                    .compare(VectorOperators.EQ, 0)
                    .cast(F);
            FloatVector s = FloatVector.fromMemorySegment(F, memory, at, ORDER)
                    .blend(Float.NEGATIVE_INFINITY, hidden);
            s.intoMemorySegment(memory, at, ORDER);
            IntVector x = s.reinterpretAsInts();
            largest = x.max(largest);
            least = x.min(least);
            at += row;
        }
        zero.or(largest)
                .blend(least, zero.compare(VectorOperators.GT, largest))
                .reinterpretAsFloats()
                .intoMemorySegment(memory, max, ORDER);
    }

    /**
     * e^(x − shift) of a first vector, then of {@code count} others, where the shift is the maximum, or 0 while that is −∞, so that the weight of
     * a hidden score is e^−∞ = 0 and not NaN. sum = sum·first + the others; the first is the factor for what was there before. The
     * difference comes before the exponential: folding log₂e into one fused multiply-add would round the product with the
     * shift but not that with the score, and at scores of 1e4 the weight of the maximum itself would be off by 3e-4. What {@link Exp}
     * explains is written out here.
     */
    private static void exponentiate(MemorySegment scratch, long first, long others, long row, int count, long max,
            long sum) {
        MemorySegment memory = Lanes.requireNative(scratch);
        FloatVector top = FloatVector.fromMemorySegment(F, memory, max, ORDER);
        FloatVector shift = top.blend(0, top.compare(VectorOperators.EQ, Float.NEGATIVE_INFINITY));
        FloatVector one = FloatVector.broadcast(F, 1);
        IntVector roots = IntVector.fromMemorySegment(I, Exp.TABLE, Exp.ROOTS, ORDER);
        FloatVector times = FloatVector.fromMemorySegment(F, memory, sum, ORDER);
        FloatVector total = FloatVector.zero(F);
        long at = first;
        long next = others;
        for (int j = 0; j <= count; j++) {
            FloatVector x = FloatVector.fromMemorySegment(F, memory, at, ORDER).sub(shift);
            FloatVector shifted = x.fma(FloatVector.broadcast(F, Exp.LOG2E), FloatVector.broadcast(F, Exp.SHIFTER));
            FloatVector f = shifted.sub(Exp.SHIFTER).fma(FloatVector.broadcast(F, Exp.MINUS_LN2), x);
            FloatVector c3 = FloatVector.broadcast(F, Exp.C3);
            FloatVector high = Exp.QUARTIC ? FloatVector.broadcast(F, Exp.C4).fma(f, c3) : c3;
            FloatVector t = high.fma(f, FloatVector.broadcast(F, Exp.C2)).fma(f, one).mul(f);
            IntVector steps = shifted.reinterpretAsInts();
            FloatVector scale = steps.lanewise(VectorOperators.LSHL, Exp.EXPONENT_SHIFT)
                    .add(steps.selectFrom(roots))
                    .reinterpretAsFloats();
            FloatVector weight = t.fma(scale, scale).blend(0, x.compare(VectorOperators.LT, Exp.LOWEST));
            weight.intoMemorySegment(memory, at, ORDER);
            total = weight.fma(times, total);
            times = one;
            at = next;
            next += row;
        }
        total.intoMemorySegment(memory, sum, ORDER);
    }

    /**
     * Replaces biased scores by final weights, e^(s − m) times the reciprocal of each query's sum.
     *
     * @param free the byte of one vector of scratch
     */
    static void finalWeights(MemorySegment scratch, long scores, int keys, int vectors, long max, long reciprocals,
            long free) {
        long row = (long) vectors * BYTES;
        for (int v = 0; v < vectors; v++) {
            long at = scores + (long) v * BYTES;
            exponentiate(scratch, at, at + row, row, keys - 1, max + (long) v * BYTES, free);
        }
        Context.scale(scratch, scores, keys, vectors, reciprocals);
    }

    /** The log-sum-exp of a query. */
    static double logSumExp(float max, float sum) {
        return (max == Float.NEGATIVE_INFINITY ? 0 : max) + Math.log(sum);
    }
}
