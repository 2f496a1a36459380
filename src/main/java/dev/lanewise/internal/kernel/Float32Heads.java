package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.F;
import static dev.lanewise.internal.kernel.Lanes.FLOAT;
import static dev.lanewise.internal.kernel.Lanes.ORDER;
import static dev.lanewise.internal.kernel.Lanes.requireNative;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/**
 * Products with a few rows of float32 of one head after another. Rows go by two at a time: over 16 rows a head that lie in memory one after another a loop of
 * single rows reads 26 GB/s where one of pairs reads 33, for prefetching follows the distance from one load of an instruction to the next; with four rows
 * C2 mixes their loads, 15.
 */
final class Float32Heads {
    private Float32Heads() {
    }

    /**
     * Adds to eight vectors of the context of each head with one row of weights.
     *
     * @param weights the byte of the first head's weight of its first row
     * @param weightBytes bytes to the next head's
     * @param out the byte of the first head's eight vectors of context
     * @param outBytes bytes to the next head's
     */
    static void mix8(MemorySegment cache, long column, long rowBytes, int rows, long headBytes, int heads,
            MemorySegment scratch, long weights, long weightBytes, long out, long outBytes, int pair) {
        MemorySegment from = requireNative(cache);
        MemorySegment memory = requireNative(scratch);
        for (int h = 0; h < heads; h++) {
            long context = out + h * outBytes;
            FloatVector c0 = FloatVector.fromMemorySegment(F, memory, context, ORDER);
            FloatVector c1 = FloatVector.fromMemorySegment(F, memory, context + BYTES, ORDER);
            FloatVector c2 = FloatVector.fromMemorySegment(F, memory, context + 2 * BYTES, ORDER);
            FloatVector c3 = FloatVector.fromMemorySegment(F, memory, context + 3 * BYTES, ORDER);
            FloatVector c4 = FloatVector.fromMemorySegment(F, memory, context + 4 * BYTES, ORDER);
            FloatVector c5 = FloatVector.fromMemorySegment(F, memory, context + 5 * BYTES, ORDER);
            FloatVector c6 = FloatVector.fromMemorySegment(F, memory, context + 6 * BYTES, ORDER);
            FloatVector c7 = FloatVector.fromMemorySegment(F, memory, context + 7 * BYTES, ORDER);
            long weight = weights + h * weightBytes;
            long at = column + h * headBytes;
            long end = weight + rows * 4L;
            if ((rows & 1) != 0) {
                FloatVector w = FloatVector.broadcast(F, memory.get(FLOAT, weight));
                MemorySegment row = from.asSlice(at, 8 * BYTES);
                c0 = FloatVector.fromMemorySegment(F, row, 0, ORDER).fma(w, c0);
                c1 = FloatVector.fromMemorySegment(F, row, BYTES, ORDER).fma(w, c1);
                c2 = FloatVector.fromMemorySegment(F, row, 2 * BYTES, ORDER).fma(w, c2);
                c3 = FloatVector.fromMemorySegment(F, row, 3 * BYTES, ORDER).fma(w, c3);
                c4 = FloatVector.fromMemorySegment(F, row, 4 * BYTES, ORDER).fma(w, c4);
                c5 = FloatVector.fromMemorySegment(F, row, 5 * BYTES, ORDER).fma(w, c5);
                c6 = FloatVector.fromMemorySegment(F, row, 6 * BYTES, ORDER).fma(w, c6);
                c7 = FloatVector.fromMemorySegment(F, row, 7 * BYTES, ORDER).fma(w, c7);
                weight += Float.BYTES;
                at += rowBytes;
            }
            for (; weight < end; weight += pair * 4L) {
                FloatVector w = FloatVector.broadcast(F, memory.get(FLOAT, weight));
                MemorySegment row = from.asSlice(at, 8 * BYTES);
                c0 = FloatVector.fromMemorySegment(F, row, 0, ORDER).fma(w, c0);
                c1 = FloatVector.fromMemorySegment(F, row, BYTES, ORDER).fma(w, c1);
                c2 = FloatVector.fromMemorySegment(F, row, 2 * BYTES, ORDER).fma(w, c2);
                c3 = FloatVector.fromMemorySegment(F, row, 3 * BYTES, ORDER).fma(w, c3);
                c4 = FloatVector.fromMemorySegment(F, row, 4 * BYTES, ORDER).fma(w, c4);
                c5 = FloatVector.fromMemorySegment(F, row, 5 * BYTES, ORDER).fma(w, c5);
                c6 = FloatVector.fromMemorySegment(F, row, 6 * BYTES, ORDER).fma(w, c6);
                c7 = FloatVector.fromMemorySegment(F, row, 7 * BYTES, ORDER).fma(w, c7);
                FloatVector x = FloatVector.broadcast(F, memory.get(FLOAT, weight + Float.BYTES));
                MemorySegment next = from.asSlice(at + rowBytes, 8 * BYTES);
                c0 = FloatVector.fromMemorySegment(F, next, 0, ORDER).fma(x, c0);
                c1 = FloatVector.fromMemorySegment(F, next, BYTES, ORDER).fma(x, c1);
                c2 = FloatVector.fromMemorySegment(F, next, 2 * BYTES, ORDER).fma(x, c2);
                c3 = FloatVector.fromMemorySegment(F, next, 3 * BYTES, ORDER).fma(x, c3);
                c4 = FloatVector.fromMemorySegment(F, next, 4 * BYTES, ORDER).fma(x, c4);
                c5 = FloatVector.fromMemorySegment(F, next, 5 * BYTES, ORDER).fma(x, c5);
                c6 = FloatVector.fromMemorySegment(F, next, 6 * BYTES, ORDER).fma(x, c6);
                c7 = FloatVector.fromMemorySegment(F, next, 7 * BYTES, ORDER).fma(x, c7);
                at += 2 * rowBytes;
            }
            c0.intoMemorySegment(memory, context, ORDER);
            c1.intoMemorySegment(memory, context + BYTES, ORDER);
            c2.intoMemorySegment(memory, context + 2 * BYTES, ORDER);
            c3.intoMemorySegment(memory, context + 3 * BYTES, ORDER);
            c4.intoMemorySegment(memory, context + 4 * BYTES, ORDER);
            c5.intoMemorySegment(memory, context + 5 * BYTES, ORDER);
            c6.intoMemorySegment(memory, context + 6 * BYTES, ORDER);
            c7.intoMemorySegment(memory, context + 7 * BYTES, ORDER);
        }
    }
}
