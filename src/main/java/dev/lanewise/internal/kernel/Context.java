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

/** The transposed context (features × queries) in scratch: its start, its end, and the careful way to add to it. */
final class Context {
    private static final int INFINITY = Float.floatToRawIntBits(Float.POSITIVE_INFINITY);

    private Context() {
    }

    /** Sets {@code count} vectors to one value. */
    static void fill(MemorySegment scratch, long at, int count, float value) {
        MemorySegment memory = Lanes.requireNative(scratch);
        FloatVector filled = FloatVector.broadcast(F, value);
        for (int i = 0; i < count; i++) {
            filled.intoMemorySegment(memory, at + (long) i * BYTES, ORDER);
        }
    }

    /** Multiplies {@code count} vectors by one value. */
    static void multiply(MemorySegment segment, long at, int count, float factor) {
        MemorySegment memory = Lanes.requireNative(segment);
        for (int i = 0; i < count; i++) {
            long lane = at + (long) i * BYTES;
            FloatVector.fromMemorySegment(F, memory, lane, ORDER).mul(factor).intoMemorySegment(memory, lane, ORDER);
        }
    }

    /**
     * The factors that end the softmax: 1 over the sum of weights, and 0 for queries that saw no key. A query that saw keys but has
     * a sum of 0 (all its scores −∞) gets ∞, and so NaN, as 0/0 is.
     */
    static void reciprocals(MemorySegment scratch, long sums, int vectors, long seen, long to) {
        MemorySegment memory = Lanes.requireNative(scratch);
        for (int v = 0; v < vectors; v++) {
            long lane = (long) v * BYTES;
            VectorMask<Float> unseen = IntVector.broadcast(I, (int) (seen >>> v * COUNT))
                    .and(LANE_BIT)
                    .compare(VectorOperators.EQ, 0)
                    .cast(F);
            FloatVector one = FloatVector.broadcast(F, 1);
            one.div(FloatVector.fromMemorySegment(F, memory, sums + lane, ORDER))
                    .blend(0, unseen)
                    .intoMemorySegment(memory, to + lane, ORDER);
        }
    }

    /** context[d, query] *= factors[query]. */
    static void scale(MemorySegment scratch, long context, int features, int vectors, long factors) {
        MemorySegment memory = Lanes.requireNative(scratch);
        long row = (long) vectors * BYTES;
        for (int v = 0; v < vectors; v++) {
            FloatVector factor = FloatVector.fromMemorySegment(F, memory, factors + (long) v * BYTES, ORDER);
            long at = context + (long) v * BYTES;
            for (int d = 0; d < features; d++) {
                FloatVector.fromMemorySegment(F, memory, at, ORDER).mul(factor).intoMemorySegment(memory, at, ORDER);
                at += row;
            }
        }
    }

    /** Whether {@code count} vectors are all finite: as integers without their signs, all are less than ∞. */
    static boolean finite(MemorySegment scratch, long at, int count) {
        MemorySegment memory = Lanes.requireNative(scratch);
        IntVector largest = IntVector.zero(I);
        for (int i = 0; i < count; i++) {
            largest = FloatVector.fromMemorySegment(F, memory, at + (long) i * BYTES, ORDER)
                    .reinterpretAsInts()
                    .and(Integer.MAX_VALUE)
                    .max(largest);
        }
        return largest.compare(VectorOperators.LT, INFINITY).allTrue();
    }

    /** context[d, query] = context[d, query]·factors[query] + product[d, query]. */
    static void accumulate(MemorySegment scratch, long context, int features, int vectors, long factors, long product) {
        MemorySegment memory = Lanes.requireNative(scratch);
        long row = (long) vectors * BYTES;
        for (int v = 0; v < vectors; v++) {
            FloatVector factor = FloatVector.fromMemorySegment(F, memory, factors + (long) v * BYTES, ORDER);
            long lane = (long) v * BYTES;
            for (int d = 0; d < features; d++) {
                FloatVector sum = FloatVector.fromMemorySegment(F, memory, context + lane, ORDER)
                        .fma(factor,
                                FloatVector.fromMemorySegment(F, memory, product + lane, ORDER));
                sum.intoMemorySegment(memory, context + lane, ORDER);
                lane += row;
            }
        }
    }

    /**
     * context = context·factors + values·weights, where a value counts only for the queries that see its key, whatever it holds. A
     * hidden key has weight 0, but 0·∞ and 0·NaN are NaN: this is what a tile with hidden keys needs when a value is not finite.
     */
    static void addVisible(MemorySegment values, long first, long keyStride, long featureStride, int features, int keys,
            MemorySegment scratch, long weights, int vectors, long context, long factors, long[] words) {
        MemorySegment from = Lanes.requireNative(values);
        MemorySegment memory = Lanes.requireNative(scratch);
        long row = (long) vectors * BYTES;
        for (int d = 0; d < features; d++) {
            for (int v = 0; v < vectors; v++) {
                long lane = (long) v * BYTES;
                long at = context + d * row + lane;
                FloatVector sum = FloatVector.fromMemorySegment(F, memory, at, ORDER)
                        .mul(FloatVector.fromMemorySegment(F, memory, factors + lane, ORDER));
                for (int j = 0; j < keys; j++) {
                    FloatVector value = FloatVector.broadcast(F,
                            from.get(FLOAT, first + j * keyStride + d * featureStride));
                    FloatVector weight = FloatVector.fromMemorySegment(F, memory, weights + j * row + lane, ORDER);
                    VectorMask<Float> hidden = IntVector.broadcast(I, (int) (words[j] >>> v * COUNT))
                            .and(LANE_BIT)
                            .compare(VectorOperators.EQ, 0)
                            .cast(F);
                    sum = value.fma(weight, sum).blend(sum, hidden);
                }
                sum.intoMemorySegment(memory, at, ORDER);
            }
        }
    }
}
