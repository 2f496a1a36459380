package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.COUNT;
import static dev.lanewise.internal.kernel.Lanes.F;
import static dev.lanewise.internal.kernel.Lanes.FLOAT;
import static dev.lanewise.internal.kernel.Lanes.ORDER;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/** What happens to one query's row of scores, keys in lanes, between q·kᵀ and the softmax. */
final class RowTransforms {
    private RowTransforms() {
    }

    /** s *= factor, one a key. */
    static void multiply(MemorySegment scratch, long scores, int vectors, long factors) {
        MemorySegment memory = Lanes.requireNative(scratch);
        for (int v = 0; v < vectors; v++) {
            long lane = (long) v * BYTES;
            FloatVector.fromMemorySegment(F, memory, scores + lane, ORDER)
                    .mul(FloatVector.fromMemorySegment(F, memory, factors + lane, ORDER))
                    .intoMemorySegment(memory, scores + lane, ORDER);
        }
    }

    /** s *= factor, one a key, for so many heads, where factors lie in a cache. */
    static void multiply(MemorySegment scratch, long scores, long scoresBytes, int heads, int vectors,
            MemorySegment cache, long factors, long factorsBytes) {
        MemorySegment memory = Lanes.requireNative(scratch);
        MemorySegment from = Lanes.requireNative(cache);
        for (int h = 0; h < heads; h++) {
            long row = scores + h * scoresBytes;
            long head = factors + h * factorsBytes;
            for (int v = 0; v < vectors; v++) {
                long lane = (long) v * BYTES;
                FloatVector.fromMemorySegment(F, memory, row + lane, ORDER)
                        .mul(FloatVector.fromMemorySegment(F, from, head + lane, ORDER))
                        .intoMemorySegment(memory, row + lane, ORDER);
            }
        }
    }

    /** s += bias, one a key. */
    static void add(MemorySegment scratch, long scores, int vectors, long biases) {
        MemorySegment memory = Lanes.requireNative(scratch);
        for (int v = 0; v < vectors; v++) {
            long lane = (long) v * BYTES;
            FloatVector.fromMemorySegment(F, memory, scores + lane, ORDER)
                    .add(FloatVector.fromMemorySegment(F, memory, biases + lane, ORDER))
                    .intoMemorySegment(memory, scores + lane, ORDER);
        }
    }

    /** s −= slope·|distance|, where the query stands {@code distance} after the first key. */
    static void alibi(MemorySegment scratch, long scores, int vectors, float slope, long distance) {
        MemorySegment memory = Lanes.requireNative(scratch);
        FloatVector minusSlope = FloatVector.broadcast(F, -slope);
        for (int v = 0; v < vectors; v++) {
            long lane = (long) v * BYTES;
            FloatVector distances = FloatVector.broadcast(F, (float) (distance - (long) v * COUNT))
                    .sub(Lanes.IOTA)
                    .abs();
            FloatVector s = FloatVector.fromMemorySegment(F, memory, scores + lane, ORDER);
            distances.fma(minusSlope, s).intoMemorySegment(memory, scores + lane, ORDER);
        }
    }

    /** Sets elements from one to before another. */
    static void fill(MemorySegment scratch, long at, int from, int end, float value) {
        MemorySegment memory = Lanes.requireNative(scratch);
        for (int j = from; j < end; j++) {
            memory.set(FLOAT, at + j * 4L, value);
        }
    }
}
