package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.COUNT;
import static dev.lanewise.internal.kernel.Lanes.F;
import static dev.lanewise.internal.kernel.Lanes.FLOAT;
import static dev.lanewise.internal.kernel.Lanes.I;
import static dev.lanewise.internal.kernel.Lanes.ORDER;
import static dev.lanewise.internal.kernel.Lanes.requireNative;
import static jdk.incubator.vector.VectorOperators.ASHR;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.OR;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/**
 * Products with rows of finite float16, two of them in a lane: the even elements of a row are the lower halves of its ints, the odd ones the upper
 * halves. A float16 has 5 bits of exponent and 10 of fraction: moved down by 3 bits in its half of the lane, the sign extended, and rid of the
 * copies of the sign, it is a float32 that is 2⁻¹¹² times the number, subnormals included. The query, or the weight, is 2¹¹² times itself instead,
 * for which it has to be below {@link #QUERY_LIMIT}. A query and a context that meet such rows are in the {@link RowOrder} of pairs. See
 * {@link RowProducts} for the arguments.
 */
final class Float16Rows {
    /** What the products would otherwise be too small by. */
    static final float REBIAS = 0x1p112f;
    /** The magnitude that an element of a query has to stay below. */
    static final float QUERY_LIMIT = 0x1p15f;
    private static final int SIGN_EXPONENT_FRACTION = 0x8FFFE000;
    private static final int EXPONENTS = 0x7C007C00;
    private static final int LOWEST_BITS = 0x04000400;
    private static final int CARRIES = 0x80008000;

    private Float16Rows() {
    }

    private static IntVector load(MemorySegment from, long at) {
        return IntVector.fromMemorySegment(I, from, at, ORDER);
    }

    /** Adds the products of one query and all of each row. */
    static void dot(MemorySegment rows, long[] at, int first, int end, int vectors, MemorySegment scratch, long query,
            long partial, long out) {
        MemorySegment from = requireNative(rows);
        MemorySegment memory = requireNative(scratch);
        for (int j = first; j < end; j += COUNT) {
            for (int i = 0; i < COUNT; i += 2) {
                long row = at[j + i];
                long row1 = at[j + i + 1] - row;
                long q = query;
                FloatVector s00 = FloatVector.zero(F);
                FloatVector s01 = FloatVector.zero(F);
                FloatVector s10 = FloatVector.zero(F);
                FloatVector s11 = FloatVector.zero(F);
                for (int d = 0; d < vectors; d += 2) {
                    FloatVector q0 = FloatVector.fromMemorySegment(F, memory, q, ORDER);
                    FloatVector q1 = FloatVector.fromMemorySegment(F, memory, q + BYTES, ORDER);
                    IntVector x0 = load(from, row);
                    s00 = x0.lanewise(LSHL, 16)
                            .lanewise(ASHR, 3)
                            .and(SIGN_EXPONENT_FRACTION)
                            .reinterpretAsFloats()
                            .fma(q0, s00);
                    s01 = x0.lanewise(ASHR, 3).and(SIGN_EXPONENT_FRACTION).reinterpretAsFloats().fma(q1, s01);
                    IntVector x1 = load(from, row + row1);
                    s10 = x1.lanewise(LSHL, 16)
                            .lanewise(ASHR, 3)
                            .and(SIGN_EXPONENT_FRACTION)
                            .reinterpretAsFloats()
                            .fma(q0, s10);
                    s11 = x1.lanewise(ASHR, 3).and(SIGN_EXPONENT_FRACTION).reinterpretAsFloats().fma(q1, s11);
                    row += BYTES;
                    q += 2 * BYTES;
                }
                s00.add(s01).intoMemorySegment(memory, partial + (long) i * BYTES, ORDER);
                s10.add(s11).intoMemorySegment(memory, partial + (long) (i + 1) * BYTES, ORDER);
            }
            LaneSums.add(memory, partial, out + j * 4L);
        }
    }

    /** Adds to four vectors of the context with one row of weights. */
    static void mix4(MemorySegment rows, long[] at, int first, int end, long column, MemorySegment scratch,
            long weights, long out) {
        MemorySegment from = requireNative(rows);
        MemorySegment memory = requireNative(scratch);
        FloatVector c0 = FloatVector.fromMemorySegment(F, memory, out, ORDER);
        FloatVector c1 = FloatVector.fromMemorySegment(F, memory, out + BYTES, ORDER);
        FloatVector c2 = FloatVector.fromMemorySegment(F, memory, out + 2 * BYTES, ORDER);
        FloatVector c3 = FloatVector.fromMemorySegment(F, memory, out + 3 * BYTES, ORDER);
        for (int j = first; j < end; j++) {
            long row = at[j] + column;
            FloatVector w = FloatVector.broadcast(F, memory.get(FLOAT, weights + j * 4L) * REBIAS);
            IntVector x0 = load(from, row);
            c0 = x0.lanewise(LSHL, 16).lanewise(ASHR, 3).and(SIGN_EXPONENT_FRACTION).reinterpretAsFloats().fma(w, c0);
            c1 = x0.lanewise(ASHR, 3).and(SIGN_EXPONENT_FRACTION).reinterpretAsFloats().fma(w, c1);
            IntVector x1 = load(from, row + BYTES);
            c2 = x1.lanewise(LSHL, 16).lanewise(ASHR, 3).and(SIGN_EXPONENT_FRACTION).reinterpretAsFloats().fma(w, c2);
            c3 = x1.lanewise(ASHR, 3).and(SIGN_EXPONENT_FRACTION).reinterpretAsFloats().fma(w, c3);
        }
        c0.intoMemorySegment(memory, out, ORDER);
        c1.intoMemorySegment(memory, out + BYTES, ORDER);
        c2.intoMemorySegment(memory, out + 2 * BYTES, ORDER);
        c3.intoMemorySegment(memory, out + 3 * BYTES, ORDER);
    }

    /** Adds to two vectors of the context with one row of weights. */
    static void mix2(MemorySegment rows, long[] at, int first, int end, long column, MemorySegment scratch,
            long weights, long out) {
        MemorySegment from = requireNative(rows);
        MemorySegment memory = requireNative(scratch);
        FloatVector c0 = FloatVector.fromMemorySegment(F, memory, out, ORDER);
        FloatVector c1 = FloatVector.fromMemorySegment(F, memory, out + BYTES, ORDER);
        for (int j = first; j < end; j++) {
            long row = at[j] + column;
            FloatVector w = FloatVector.broadcast(F, memory.get(FLOAT, weights + j * 4L) * REBIAS);
            IntVector x0 = load(from, row);
            c0 = x0.lanewise(LSHL, 16).lanewise(ASHR, 3).and(SIGN_EXPONENT_FRACTION).reinterpretAsFloats().fma(w, c0);
            c1 = x0.lanewise(ASHR, 3).and(SIGN_EXPONENT_FRACTION).reinterpretAsFloats().fma(w, c1);
        }
        c0.intoMemorySegment(memory, out, ORDER);
        c1.intoMemorySegment(memory, out + BYTES, ORDER);
    }

    /** Whether there is a NaN or an ∞ among consecutive elements: adding 1 to an exponent of all ones carries out of it. */
    static boolean special(MemorySegment rows, long at, long elements) {
        MemorySegment from = requireNative(rows);
        IntVector sums = IntVector.zero(I);
        long c = 0;
        for (; c + 2 * COUNT <= elements; c += 2 * COUNT) {
            sums = load(from, at + c * 2).and(EXPONENTS).add(LOWEST_BITS).or(sums);
        }
        int carries = sums.reduceLanes(OR) & CARRIES;
        for (; c < elements; c++) {
            carries |= (from.get(ValueLayout.JAVA_SHORT_UNALIGNED, at + c * 2) & EXPONENTS) + LOWEST_BITS & 0x8000;
        }
        return carries != 0;
    }
}
