package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.COUNT;
import static dev.lanewise.internal.kernel.Lanes.F;
import static dev.lanewise.internal.kernel.Lanes.FLOAT;
import static dev.lanewise.internal.kernel.Lanes.ORDER;
import static dev.lanewise.internal.kernel.Lanes.requireNative;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/** Products with rows of int8, lanes along the row. See {@link RowProducts} for the arguments. */
final class Int8Rows {
    /** Bytes that fill a vector. */
    private static final int STEP = COUNT * Byte.BYTES;

    private Int8Rows() {
    }

    private static FloatVector load(MemorySegment from, long at) {
        return Widening.int8(from, at);
    }

    /** One query row. */
    static void dot1(MemorySegment rows, long[] at, int count, int depth, MemorySegment scratch, long query, long out) {
        MemorySegment from = requireNative(rows);
        MemorySegment memory = requireNative(scratch);
        for (int j = 0; j < count; j += LaneSums.GROUP) {
            long k0 = at[j];
            long k1 = at[j + 1];
            long k2 = at[j + 2];
            long k3 = at[j + 3];
            long k4 = at[j + 4];
            long k5 = at[j + 5];
            long k6 = at[j + 6];
            long k7 = at[j + 7];
            FloatVector a0 = FloatVector.zero(F);
            FloatVector a1 = FloatVector.zero(F);
            FloatVector a2 = FloatVector.zero(F);
            FloatVector a3 = FloatVector.zero(F);
            FloatVector a4 = FloatVector.zero(F);
            FloatVector a5 = FloatVector.zero(F);
            FloatVector a6 = FloatVector.zero(F);
            FloatVector a7 = FloatVector.zero(F);
            for (int d = 0; d < depth; d++) {
                FloatVector x = FloatVector.fromMemorySegment(F, memory, query + (long) d * BYTES, ORDER);
                long step = (long) d * STEP;
                a0 = load(from, k0 + step).fma(x, a0);
                a1 = load(from, k1 + step).fma(x, a1);
                a2 = load(from, k2 + step).fma(x, a2);
                a3 = load(from, k3 + step).fma(x, a3);
                a4 = load(from, k4 + step).fma(x, a4);
                a5 = load(from, k5 + step).fma(x, a5);
                a6 = load(from, k6 + step).fma(x, a6);
                a7 = load(from, k7 + step).fma(x, a7);
            }
            LaneSums.store(a0, a1, a2, a3, a4, a5, a6, a7, memory, out + j * 4L);
        }
    }

    /** One row of weights, one vector of the context. */
    static void mix1x1(MemorySegment rows, long[] at, int first, int end, long column, MemorySegment scratch,
            long weights, long out) {
        MemorySegment from = requireNative(rows);
        MemorySegment memory = requireNative(scratch);
        FloatVector c0 = FloatVector.zero(F);
        for (int j = first; j < end; j++) {
            long row = at[j] + column;
            FloatVector w = FloatVector.broadcast(F, memory.get(FLOAT, weights + j * 4L));
            c0 = load(from, row).fma(w, c0);
        }
        c0.intoMemorySegment(memory, out, ORDER);
    }

    /** One row of weights, four vectors of the context. */
    static void mix1x4(MemorySegment rows, long[] at, int first, int end, long column, MemorySegment scratch,
            long weights, long out) {
        MemorySegment from = requireNative(rows);
        MemorySegment memory = requireNative(scratch);
        FloatVector c0 = FloatVector.zero(F);
        FloatVector c1 = FloatVector.zero(F);
        FloatVector c2 = FloatVector.zero(F);
        FloatVector c3 = FloatVector.zero(F);
        for (int j = first; j < end; j++) {
            long row = at[j] + column;
            FloatVector w = FloatVector.broadcast(F, memory.get(FLOAT, weights + j * 4L));
            c0 = load(from, row).fma(w, c0);
            c1 = load(from, row + STEP).fma(w, c1);
            c2 = load(from, row + 2 * STEP).fma(w, c2);
            c3 = load(from, row + 3 * STEP).fma(w, c3);
        }
        c0.intoMemorySegment(memory, out, ORDER);
        c1.intoMemorySegment(memory, out + BYTES, ORDER);
        c2.intoMemorySegment(memory, out + 2 * BYTES, ORDER);
        c3.intoMemorySegment(memory, out + 3 * BYTES, ORDER);
    }

    /** One row of weights, eight vectors of the context. */
    static void mix1x8(MemorySegment rows, long[] at, int first, int end, long column, MemorySegment scratch,
            long weights, long out) {
        MemorySegment from = requireNative(rows);
        MemorySegment memory = requireNative(scratch);
        FloatVector c0 = FloatVector.zero(F);
        FloatVector c1 = FloatVector.zero(F);
        FloatVector c2 = FloatVector.zero(F);
        FloatVector c3 = FloatVector.zero(F);
        FloatVector c4 = FloatVector.zero(F);
        FloatVector c5 = FloatVector.zero(F);
        FloatVector c6 = FloatVector.zero(F);
        FloatVector c7 = FloatVector.zero(F);
        for (int j = first; j < end; j++) {
            long row = at[j] + column;
            FloatVector w = FloatVector.broadcast(F, memory.get(FLOAT, weights + j * 4L));
            c0 = load(from, row).fma(w, c0);
            c1 = load(from, row + STEP).fma(w, c1);
            c2 = load(from, row + 2 * STEP).fma(w, c2);
            c3 = load(from, row + 3 * STEP).fma(w, c3);
            c4 = load(from, row + 4 * STEP).fma(w, c4);
            c5 = load(from, row + 5 * STEP).fma(w, c5);
            c6 = load(from, row + 6 * STEP).fma(w, c6);
            c7 = load(from, row + 7 * STEP).fma(w, c7);
        }
        c0.intoMemorySegment(memory, out, ORDER);
        c1.intoMemorySegment(memory, out + BYTES, ORDER);
        c2.intoMemorySegment(memory, out + 2 * BYTES, ORDER);
        c3.intoMemorySegment(memory, out + 3 * BYTES, ORDER);
        c4.intoMemorySegment(memory, out + 4 * BYTES, ORDER);
        c5.intoMemorySegment(memory, out + 5 * BYTES, ORDER);
        c6.intoMemorySegment(memory, out + 6 * BYTES, ORDER);
        c7.intoMemorySegment(memory, out + 7 * BYTES, ORDER);
    }
}
