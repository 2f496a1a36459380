package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.COUNT;
import static dev.lanewise.internal.kernel.Lanes.F;
import static dev.lanewise.internal.kernel.Lanes.FLOAT;
import static dev.lanewise.internal.kernel.Lanes.I;
import static dev.lanewise.internal.kernel.Lanes.LANE_BIT;
import static dev.lanewise.internal.kernel.Lanes.ORDER;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/** What happens to a tile of scores (keys × queries) between q·kᵀ and the softmax, one pass an option, in place in scratch. */
final class ScoreTransforms {
    private ScoreTransforms() {
    }

    /**
     * s = cap·tanh(s/cap), where tanh is (1 − e)/(1 + e) with e = exp(−2|x|), whose relative error grows as x nears 0; below 0.625 the
     * polynomial of Cephes' tanhf. What {@link Exp} explains is written out here.
     */
    static void softcap(MemorySegment scratch, long scores, int count, float cap) {
        MemorySegment memory = Lanes.requireNative(scratch);
        FloatVector one = FloatVector.broadcast(F, 1);
        IntVector roots = IntVector.fromMemorySegment(I, Exp.TABLE, Exp.ROOTS, ORDER);
        for (int i = 0; i < count; i++) {
            long at = scores + (long) i * BYTES;
            FloatVector x = FloatVector.fromMemorySegment(F, memory, at, ORDER).mul(1 / cap);
            FloatVector magnitude = x.abs();
            FloatVector y = magnitude.mul(-2);
            FloatVector shifted = y.fma(FloatVector.broadcast(F, Exp.LOG2E), FloatVector.broadcast(F, Exp.SHIFTER));
            FloatVector f = shifted.sub(Exp.SHIFTER).fma(FloatVector.broadcast(F, Exp.MINUS_LN2), y);
            FloatVector c3 = FloatVector.broadcast(F, Exp.C3);
            FloatVector high = Exp.QUARTIC ? FloatVector.broadcast(F, Exp.C4).fma(f, c3) : c3;
            FloatVector t = high.fma(f, FloatVector.broadcast(F, Exp.C2)).fma(f, one).mul(f);
            IntVector steps = shifted.reinterpretAsInts();
            FloatVector scale = steps.lanewise(VectorOperators.LSHL, Exp.EXPONENT_SHIFT)
                    .add(steps.selectFrom(roots))
                    .reinterpretAsFloats();
            FloatVector e = t.fma(scale, scale).blend(0, y.compare(VectorOperators.LT, Exp.LOWEST));
            FloatVector big = one.sub(e).div(one.add(e));
            FloatVector z = x.mul(x);
            FloatVector q = FloatVector.broadcast(F, -5.70498872745e-3f)
                    .fma(z, FloatVector.broadcast(F, 2.06390887954e-2f));
            q = q.fma(z, FloatVector.broadcast(F, -5.37397155531e-2f));
            q = q.fma(z, FloatVector.broadcast(F, 1.33314422036e-1f));
            q = q.fma(z, FloatVector.broadcast(F, -3.33332819422e-1f));
            FloatVector small = q.mul(z).fma(x, x);
            FloatVector signed = big.blend(big.neg(), x.compare(VectorOperators.LT, 0));
            signed.blend(small, magnitude.compare(VectorOperators.LT, 0.625f))
                    .mul(cap)
                    .intoMemorySegment(memory, at, ORDER);
        }
    }

    /** s −= slope·|distance|, where the first query of the panel stands {@code distance} after the first key of the tile. */
    static void alibi(MemorySegment scratch, long scores, int keys, int vectors, float slope, long distance) {
        MemorySegment memory = Lanes.requireNative(scratch);
        FloatVector minusSlope = FloatVector.broadcast(F, -slope);
        for (int v = 0; v < vectors; v++) {
            long at = scores + (long) v * BYTES;
            for (int j = 0; j < keys; j++) {
                FloatVector distances = Lanes.IOTA.add(distance - j + v * COUNT).abs();
                FloatVector s = FloatVector.fromMemorySegment(F, memory, at, ORDER);
                distances.fma(minusSlope, s).intoMemorySegment(memory, at, ORDER);
                at += (long) vectors * BYTES;
            }
        }
    }

    /**
     * s += bias, from biases whose rows lie {@code biasRow} bytes apart, each as wide as the tile: a tile of its own, or a row read
     * at one float less for each key, as the position bias is.
     */
    static void add(MemorySegment scratch, long scores, int keys, int vectors, long bias, long biasRow) {
        MemorySegment memory = Lanes.requireNative(scratch);
        for (int j = 0; j < keys; j++) {
            long from = bias + j * biasRow;
            for (int v = 0; v < vectors; v++) {
                long lane = (long) v * BYTES;
                FloatVector.fromMemorySegment(F, memory, scores + lane, ORDER)
                        .add(FloatVector.fromMemorySegment(F, memory, from + lane, ORDER))
                        .intoMemorySegment(memory, scores + lane, ORDER);
            }
            scores += (long) vectors * BYTES;
        }
    }

    /** s += bias, one bias a key. */
    static void addToRows(MemorySegment scratch, long scores, int keys, int vectors, long bias) {
        MemorySegment memory = Lanes.requireNative(scratch);
        for (int j = 0; j < keys; j++) {
            FloatVector b = FloatVector.broadcast(F, memory.get(FLOAT, bias + j * 4L));
            for (int v = 0; v < vectors; v++) {
                FloatVector.fromMemorySegment(F, memory, scores, ORDER).add(b).intoMemorySegment(memory, scores, ORDER);
                scores += BYTES;
            }
        }
    }

    /** s *= factor, one factor a key. */
    static void multiplyRows(MemorySegment scratch, long scores, int keys, int vectors, long factors) {
        MemorySegment memory = Lanes.requireNative(scratch);
        for (int j = 0; j < keys; j++) {
            float factor = memory.get(FLOAT, factors + j * 4L);
            for (int v = 0; v < vectors; v++) {
                FloatVector.fromMemorySegment(F, memory, scores, ORDER)
                        .mul(factor)
                        .intoMemorySegment(memory, scores, ORDER);
                scores += BYTES;
            }
        }
    }

    /** s = −∞ where a word has no bit for the query. */
    static void hide(MemorySegment scratch, long scores, int keys, int vectors, long[] words) {
        replaceHidden(scratch, scores, keys, vectors, words, Float.NEGATIVE_INFINITY);
    }

    /** w = 0 where a word has no bit for the query: the reciprocal of a sum may be ∞, and 0·∞ is NaN. */
    static void zeroHidden(MemorySegment scratch, long weights, int keys, int vectors, long[] words) {
        replaceHidden(scratch, weights, keys, vectors, words, 0);
    }

    /** The mask is made here and wherever else one is needed: a helper for it, once compiled by itself, was not inlined any more, and boxed each. */
    private static void replaceHidden(MemorySegment scratch, long scores, int keys, int vectors, long[] words,
            float value) {
        MemorySegment memory = Lanes.requireNative(scratch);
        for (int j = 0; j < keys; j++) {
            long word = words[j];
            for (int v = 0; v < vectors; v++) {
                VectorMask<Float> hidden = IntVector.broadcast(I, (int) (word >>> v * COUNT))
                        .and(LANE_BIT)
                        .compare(VectorOperators.EQ, 0)
                        .cast(F);
                FloatVector.fromMemorySegment(F, memory, scores, ORDER)
                        .blend(value, hidden)
                        .intoMemorySegment(memory, scores, ORDER);
                scores += BYTES;
            }
        }
    }

    /** Whether any of so many vectors of biases has a −∞. */
    static boolean anyInfinite(MemorySegment scratch, long bias, int count) {
        MemorySegment memory = Lanes.requireNative(scratch);
        VectorMask<Float> any = F.maskAll(false);
        for (int i = 0; i < count; i++) {
            any = FloatVector.fromMemorySegment(F, memory, bias + (long) i * BYTES, ORDER)
                    .compare(VectorOperators.EQ, Float.NEGATIVE_INFINITY)
                    .or(any);
        }
        return any.anyTrue();
    }

    /** The queries that an additive bias does not hide: those whose bias for the key is not −∞. */
    static long finite(MemorySegment scratch, long biasRow, int vectors) {
        MemorySegment memory = Lanes.requireNative(scratch);
        long word = 0;
        for (int v = 0; v < vectors; v++) {
            long visible = FloatVector.fromMemorySegment(F, memory, biasRow + (long) v * BYTES, ORDER)
                    .compare(VectorOperators.NE, Float.NEGATIVE_INFINITY)
                    .toLong();
            word |= visible << v * COUNT;
        }
        return word;
    }
}
