package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.COUNT;
import static dev.lanewise.internal.kernel.Lanes.F;
import static dev.lanewise.internal.kernel.Lanes.FLOAT;
import static dev.lanewise.internal.kernel.Lanes.ORDER;
import static dev.lanewise.internal.kernel.Lanes.requireNative;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/** Products with rows of float32, lanes along the row. See {@link RowProducts} for the arguments. */
final class Float32Rows {
    /** Bytes that fill a vector. */
    private static final int STEP = COUNT * Float.BYTES;

    private Float32Rows() {
    }

    private static FloatVector load(MemorySegment from, long at) {
        return FloatVector.fromMemorySegment(F, from, at, ORDER);
    }

    /** One query row. */
    static void dot1(MemorySegment rows, long[] at, int count, int depth, MemorySegment scratch, long query,
            long partial, long out) {
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
            a0.intoMemorySegment(memory, partial, ORDER);
            a1.intoMemorySegment(memory, partial + BYTES, ORDER);
            a2.intoMemorySegment(memory, partial + 2 * BYTES, ORDER);
            a3.intoMemorySegment(memory, partial + 3 * BYTES, ORDER);
            a4.intoMemorySegment(memory, partial + 4 * BYTES, ORDER);
            a5.intoMemorySegment(memory, partial + 5 * BYTES, ORDER);
            a6.intoMemorySegment(memory, partial + 6 * BYTES, ORDER);
            a7.intoMemorySegment(memory, partial + 7 * BYTES, ORDER);
            LaneSums.sum(memory, partial, out + j * 4L);
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

    /** Four rows of weights, four vectors of the context. */
    static void mix4x4(MemorySegment rows, long[] at, int first, int end, long column, MemorySegment scratch,
            long weights, long weightRow, long out, long outRow) {
        MemorySegment from = requireNative(rows);
        MemorySegment memory = requireNative(scratch);
        FloatVector c00 = FloatVector.zero(F);
        FloatVector c01 = FloatVector.zero(F);
        FloatVector c02 = FloatVector.zero(F);
        FloatVector c03 = FloatVector.zero(F);
        FloatVector c10 = FloatVector.zero(F);
        FloatVector c11 = FloatVector.zero(F);
        FloatVector c12 = FloatVector.zero(F);
        FloatVector c13 = FloatVector.zero(F);
        FloatVector c20 = FloatVector.zero(F);
        FloatVector c21 = FloatVector.zero(F);
        FloatVector c22 = FloatVector.zero(F);
        FloatVector c23 = FloatVector.zero(F);
        FloatVector c30 = FloatVector.zero(F);
        FloatVector c31 = FloatVector.zero(F);
        FloatVector c32 = FloatVector.zero(F);
        FloatVector c33 = FloatVector.zero(F);
        for (int j = first; j < end; j++) {
            long row = at[j] + column;
            FloatVector v0 = load(from, row);
            FloatVector v1 = load(from, row + STEP);
            FloatVector v2 = load(from, row + 2 * STEP);
            FloatVector v3 = load(from, row + 3 * STEP);
            FloatVector w0 = FloatVector.broadcast(F, memory.get(FLOAT, weights + j * 4L));
            c00 = v0.fma(w0, c00);
            c01 = v1.fma(w0, c01);
            c02 = v2.fma(w0, c02);
            c03 = v3.fma(w0, c03);
            FloatVector w1 = FloatVector.broadcast(F, memory.get(FLOAT, weights + weightRow + j * 4L));
            c10 = v0.fma(w1, c10);
            c11 = v1.fma(w1, c11);
            c12 = v2.fma(w1, c12);
            c13 = v3.fma(w1, c13);
            FloatVector w2 = FloatVector.broadcast(F, memory.get(FLOAT, weights + 2 * weightRow + j * 4L));
            c20 = v0.fma(w2, c20);
            c21 = v1.fma(w2, c21);
            c22 = v2.fma(w2, c22);
            c23 = v3.fma(w2, c23);
            FloatVector w3 = FloatVector.broadcast(F, memory.get(FLOAT, weights + 3 * weightRow + j * 4L));
            c30 = v0.fma(w3, c30);
            c31 = v1.fma(w3, c31);
            c32 = v2.fma(w3, c32);
            c33 = v3.fma(w3, c33);
        }
        c00.intoMemorySegment(memory, out, ORDER);
        c01.intoMemorySegment(memory, out + BYTES, ORDER);
        c02.intoMemorySegment(memory, out + 2 * BYTES, ORDER);
        c03.intoMemorySegment(memory, out + 3 * BYTES, ORDER);
        c10.intoMemorySegment(memory, out + outRow, ORDER);
        c11.intoMemorySegment(memory, out + outRow + BYTES, ORDER);
        c12.intoMemorySegment(memory, out + outRow + 2 * BYTES, ORDER);
        c13.intoMemorySegment(memory, out + outRow + 3 * BYTES, ORDER);
        c20.intoMemorySegment(memory, out + 2 * outRow, ORDER);
        c21.intoMemorySegment(memory, out + 2 * outRow + BYTES, ORDER);
        c22.intoMemorySegment(memory, out + 2 * outRow + 2 * BYTES, ORDER);
        c23.intoMemorySegment(memory, out + 2 * outRow + 3 * BYTES, ORDER);
        c30.intoMemorySegment(memory, out + 3 * outRow, ORDER);
        c31.intoMemorySegment(memory, out + 3 * outRow + BYTES, ORDER);
        c32.intoMemorySegment(memory, out + 3 * outRow + 2 * BYTES, ORDER);
        c33.intoMemorySegment(memory, out + 3 * outRow + 3 * BYTES, ORDER);
    }
}
