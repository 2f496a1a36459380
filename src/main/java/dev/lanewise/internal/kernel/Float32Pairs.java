package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.LaneSums.BIT_FAR;
import static dev.lanewise.internal.kernel.LaneSums.BIT_NEAR;
import static dev.lanewise.internal.kernel.LaneSums.XOR_FAR;
import static dev.lanewise.internal.kernel.LaneSums.XOR_NEAR;
import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.F;
import static dev.lanewise.internal.kernel.Lanes.FLOAT;
import static dev.lanewise.internal.kernel.Lanes.ORDER;
import static dev.lanewise.internal.kernel.Lanes.requireNative;
import static dev.lanewise.internal.kernel.Transpose.BIT1;
import static dev.lanewise.internal.kernel.Transpose.BIT2;
import static dev.lanewise.internal.kernel.Transpose.XOR1;
import static dev.lanewise.internal.kernel.Transpose.XOR2;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorShuffle;

/** Products of two queries, or two rows of weights, at once with rows of float32, lanes along the row. See {@link RowProducts} for the arguments. */
final class Float32Pairs {
    /** Where {@link #dot2x8} leaves the sums of eight keys in a half: the third bit of a key's number is the lowest of its lane's, the others one higher. */
    private static final VectorShuffle<Float> KEY_BY_KEY = VectorShuffle.fromOp(F,
            lane -> lane & 8 | (lane & 3) << 1 | lane >> 2 & 1);

    private Float32Pairs() {
    }

    /**
     * The products of two queries and eight vectors of each row, with 16 lanes: a vector a key, of which each query has a half, and a vector for each query
     * of 16 keys. Two sums a query, so that additions do not wait for each other.
     */
    static void dot2x8(BlockRows rows, int first, int end, long column, MemorySegment scratch, long query,
            long queryRow, long out, long outRow) {
        MemorySegment from = requireNative(rows.segment);
        MemorySegment memory = requireNative(scratch);
        MemorySegment one = memory.asSlice(query, 8 * BYTES);
        MemorySegment other = memory.asSlice(query + queryRow, 8 * BYTES);
        FloatVector q0 = FloatVector.fromMemorySegment(F, one, 0, ORDER);
        FloatVector q1 = FloatVector.fromMemorySegment(F, one, BYTES, ORDER);
        FloatVector q2 = FloatVector.fromMemorySegment(F, one, 2 * BYTES, ORDER);
        FloatVector q3 = FloatVector.fromMemorySegment(F, one, 3 * BYTES, ORDER);
        FloatVector q4 = FloatVector.fromMemorySegment(F, one, 4 * BYTES, ORDER);
        FloatVector q5 = FloatVector.fromMemorySegment(F, one, 5 * BYTES, ORDER);
        FloatVector q6 = FloatVector.fromMemorySegment(F, one, 6 * BYTES, ORDER);
        FloatVector q7 = FloatVector.fromMemorySegment(F, one, 7 * BYTES, ORDER);
        FloatVector r0 = FloatVector.fromMemorySegment(F, other, 0, ORDER);
        FloatVector r1 = FloatVector.fromMemorySegment(F, other, BYTES, ORDER);
        FloatVector r2 = FloatVector.fromMemorySegment(F, other, 2 * BYTES, ORDER);
        FloatVector r3 = FloatVector.fromMemorySegment(F, other, 3 * BYTES, ORDER);
        FloatVector r4 = FloatVector.fromMemorySegment(F, other, 4 * BYTES, ORDER);
        FloatVector r5 = FloatVector.fromMemorySegment(F, other, 5 * BYTES, ORDER);
        FloatVector r6 = FloatVector.fromMemorySegment(F, other, 6 * BYTES, ORDER);
        FloatVector r7 = FloatVector.fromMemorySegment(F, other, 7 * BYTES, ORDER);
        long stride = rows.stride;
        int run = rows.run(first);
        int stop = Math.min(end, rows.end(run));
        long at = rows.at(run, first) + column;
        int last = Transpose.padded(end);
        FloatVector a0 = q0;
        FloatVector a1 = q0;
        FloatVector a2 = q0;
        FloatVector a3 = q0;
        FloatVector s0 = q0;
        FloatVector s1 = q0;
        FloatVector h0 = q0;
        FloatVector h1 = q0;
        for (int j = first; j < last;) {
            MemorySegment row = from.asSlice(at, 8 * BYTES);
            FloatVector v0 = FloatVector.fromMemorySegment(F, row, 0, ORDER);
            FloatVector v1 = FloatVector.fromMemorySegment(F, row, BYTES, ORDER);
            FloatVector v2 = FloatVector.fromMemorySegment(F, row, 2 * BYTES, ORDER);
            FloatVector v3 = FloatVector.fromMemorySegment(F, row, 3 * BYTES, ORDER);
            FloatVector v4 = FloatVector.fromMemorySegment(F, row, 4 * BYTES, ORDER);
            FloatVector v5 = FloatVector.fromMemorySegment(F, row, 5 * BYTES, ORDER);
            FloatVector v6 = FloatVector.fromMemorySegment(F, row, 6 * BYTES, ORDER);
            FloatVector v7 = FloatVector.fromMemorySegment(F, row, 7 * BYTES, ORDER);
            FloatVector a = v0.mul(q0);
            FloatVector b = v0.mul(r0);
            FloatVector c = v1.mul(q1);
            FloatVector d = v1.mul(r1);
            a = v2.fma(q2, a);
            b = v2.fma(r2, b);
            c = v3.fma(q3, c);
            d = v3.fma(r3, d);
            a = v4.fma(q4, a);
            b = v4.fma(r4, b);
            c = v5.fma(q5, c);
            d = v5.fma(r5, d);
            a = v6.fma(q6, a);
            b = v6.fma(r6, b);
            c = v7.fma(q7, c);
            d = v7.fma(r7, d);
            a = a.add(c);
            b = b.add(d);
            a0 = a1;
            a1 = a2;
            a2 = a3;
            a3 = a.blend(b, BIT_FAR).add(b.blend(a, BIT_FAR).rearrange(XOR_FAR));
            if (++j < stop) {
                at += stride;
            } else if (j < end) {
                run++;
                at = rows.start(run) + column;
                stop = Math.min(end, rows.end(run));
            }
            if ((j & 3) == 0) {
                FloatVector b0 = a0.blend(a2, BIT_NEAR).add(a2.blend(a0, BIT_NEAR).rearrange(XOR_NEAR));
                FloatVector b1 = a1.blend(a3, BIT_NEAR).add(a3.blend(a1, BIT_NEAR).rearrange(XOR_NEAR));
                s0 = s1;
                s1 = b0.blend(b1, BIT2).add(b1.blend(b0, BIT2).rearrange(XOR2));
                if ((j & 7) == 0) {
                    h0 = h1;
                    h1 = s0.blend(s1, BIT1).add(s1.blend(s0, BIT1).rearrange(XOR1)).rearrange(KEY_BY_KEY);
                    if ((j & 15) == 0) {
                        h0.blend(h1.rearrange(XOR_FAR), BIT_FAR)
                                .add(FloatVector.fromMemorySegment(F, memory, out, ORDER))
                                .intoMemorySegment(memory, out, ORDER);
                        h0.rearrange(XOR_FAR)
                                .blend(h1, BIT_FAR)
                                .add(FloatVector.fromMemorySegment(F, memory, out + outRow, ORDER))
                                .intoMemorySegment(memory, out + outRow, ORDER);
                        out += BYTES;
                    }
                }
            }
        }
    }

    /**
     * Adds to two rows of the context, eight vectors each and one behind the other, with two rows of weights, from rows as wide with nothing between them: with a
     * constant distance C2 loads most of a row forwards, and memory is faster by a sixth than in the order of {@link Float32Rows#mix2x8}.
     */
    static void mixAdjacent2x8(BlockRows rows, int first, int end, MemorySegment scratch, long weights, long weightRow,
            long out) {
        MemorySegment from = requireNative(rows.segment);
        MemorySegment memory = requireNative(scratch);
        FloatVector c00 = FloatVector.fromMemorySegment(F, memory, out, ORDER);
        FloatVector c01 = FloatVector.fromMemorySegment(F, memory, out + BYTES, ORDER);
        FloatVector c02 = FloatVector.fromMemorySegment(F, memory, out + 2 * BYTES, ORDER);
        FloatVector c03 = FloatVector.fromMemorySegment(F, memory, out + 3 * BYTES, ORDER);
        FloatVector c04 = FloatVector.fromMemorySegment(F, memory, out + 4 * BYTES, ORDER);
        FloatVector c05 = FloatVector.fromMemorySegment(F, memory, out + 5 * BYTES, ORDER);
        FloatVector c06 = FloatVector.fromMemorySegment(F, memory, out + 6 * BYTES, ORDER);
        FloatVector c07 = FloatVector.fromMemorySegment(F, memory, out + 7 * BYTES, ORDER);
        FloatVector c10 = FloatVector.fromMemorySegment(F, memory, out + 8 * BYTES, ORDER);
        FloatVector c11 = FloatVector.fromMemorySegment(F, memory, out + 9 * BYTES, ORDER);
        FloatVector c12 = FloatVector.fromMemorySegment(F, memory, out + 10 * BYTES, ORDER);
        FloatVector c13 = FloatVector.fromMemorySegment(F, memory, out + 11 * BYTES, ORDER);
        FloatVector c14 = FloatVector.fromMemorySegment(F, memory, out + 12 * BYTES, ORDER);
        FloatVector c15 = FloatVector.fromMemorySegment(F, memory, out + 13 * BYTES, ORDER);
        FloatVector c16 = FloatVector.fromMemorySegment(F, memory, out + 14 * BYTES, ORDER);
        FloatVector c17 = FloatVector.fromMemorySegment(F, memory, out + 15 * BYTES, ORDER);
        int run = rows.run(first);
        for (int j = first; j < end; run++) {
            int count = Math.min(end, rows.end(run)) - j;
            MemorySegment together = from.asSlice(rows.at(run, j), count * (8L * BYTES));
            MemorySegment one = memory.asSlice(weights + j * 4L, count * 4L);
            MemorySegment other = memory.asSlice(weights + weightRow + j * 4L, count * 4L);
            for (int i = 0; i < count; i++) {
                FloatVector w0 = FloatVector.broadcast(F, one.get(FLOAT, i * 4L));
                FloatVector w1 = FloatVector.broadcast(F, other.get(FLOAT, i * 4L));
                MemorySegment row = together.asSlice(i * (8L * BYTES), 8 * BYTES);
                FloatVector v0 = FloatVector.fromMemorySegment(F, row, 0, ORDER);
                c00 = v0.fma(w0, c00);
                c10 = v0.fma(w1, c10);
                FloatVector v1 = FloatVector.fromMemorySegment(F, row, BYTES, ORDER);
                c01 = v1.fma(w0, c01);
                c11 = v1.fma(w1, c11);
                FloatVector v2 = FloatVector.fromMemorySegment(F, row, 2 * BYTES, ORDER);
                c02 = v2.fma(w0, c02);
                c12 = v2.fma(w1, c12);
                FloatVector v3 = FloatVector.fromMemorySegment(F, row, 3 * BYTES, ORDER);
                c03 = v3.fma(w0, c03);
                c13 = v3.fma(w1, c13);
                FloatVector v4 = FloatVector.fromMemorySegment(F, row, 4 * BYTES, ORDER);
                c04 = v4.fma(w0, c04);
                c14 = v4.fma(w1, c14);
                FloatVector v5 = FloatVector.fromMemorySegment(F, row, 5 * BYTES, ORDER);
                c05 = v5.fma(w0, c05);
                c15 = v5.fma(w1, c15);
                FloatVector v6 = FloatVector.fromMemorySegment(F, row, 6 * BYTES, ORDER);
                c06 = v6.fma(w0, c06);
                c16 = v6.fma(w1, c16);
                FloatVector v7 = FloatVector.fromMemorySegment(F, row, 7 * BYTES, ORDER);
                c07 = v7.fma(w0, c07);
                c17 = v7.fma(w1, c17);
            }
            j += count;
        }
        for (long to = out, last = out + 16 * BYTES; to < last; to += 8 * BYTES) {
            c00.intoMemorySegment(memory, to, ORDER);
            c00 = c10;
            c01.intoMemorySegment(memory, to + BYTES, ORDER);
            c01 = c11;
            c02.intoMemorySegment(memory, to + 2 * BYTES, ORDER);
            c02 = c12;
            c03.intoMemorySegment(memory, to + 3 * BYTES, ORDER);
            c03 = c13;
            c04.intoMemorySegment(memory, to + 4 * BYTES, ORDER);
            c04 = c14;
            c05.intoMemorySegment(memory, to + 5 * BYTES, ORDER);
            c05 = c15;
            c06.intoMemorySegment(memory, to + 6 * BYTES, ORDER);
            c06 = c16;
            c07.intoMemorySegment(memory, to + 7 * BYTES, ORDER);
            c07 = c17;
        }
    }
}
