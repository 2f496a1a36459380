package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.LaneSums.BIT_FAR;
import static dev.lanewise.internal.kernel.LaneSums.BIT_NEAR;
import static dev.lanewise.internal.kernel.LaneSums.LANE_BY_LANE;
import static dev.lanewise.internal.kernel.LaneSums.XOR_FAR;
import static dev.lanewise.internal.kernel.LaneSums.XOR_NEAR;
import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.COUNT;
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

/**
 * Products with a few rows of float32 of one head after another. Rows go by two at a time: over 16 rows a head that lie in memory one after
 * another a loop of single rows reads 26 GB/s where one of pairs reads 33, and 42 with a row's loads in the order of memory; with four rows C2
 * mixes their loads, 15.
 */
final class Float32Heads {
    private Float32Heads() {
    }

    /**
     * Adds the products of one query a head and rows of eight vectors to scores. The rows of all heads follow each other without a gap, and each head
     * has a whole number of vectors of them: one loop goes through all, as that of {@link Float32Rows#dot8} does, and changes the query where a head
     * ends. It has as many values as C2 can keep so that the address of a row waits for none: with a distance between rows that is an argument, C2 in some
     * JVMs read the address of the memory, or that distance, from the stack for each row, and a call took a seventh longer. The slice before
     * it, too, saves one.
     *
     * @param cache the memory of the rows
     * @param first the byte of the first row
     * @param rows how many rows of each head
     * @param heads how many heads
     * @param query the byte of the query's eight vectors for the first head
     * @param queryBytes bytes to those for the next
     * @param out the byte of the first head's first score
     * @param outBytes bytes to the next head's
     */
    static void dotAdjacent8(MemorySegment cache, long first, int rows, int heads, MemorySegment scratch, long query,
            long queryBytes, long out, long outBytes) {
        int total = heads * rows;
        MemorySegment from = requireNative(cache).asSlice(first, (long) total * (8 * BYTES));
        MemorySegment memory = requireNative(scratch);
        long skip = outBytes - rows * 4L;
        FloatVector q0 = FloatVector.fromMemorySegment(F, memory, query, ORDER);
        FloatVector q1 = FloatVector.fromMemorySegment(F, memory, query + BYTES, ORDER);
        FloatVector q2 = FloatVector.fromMemorySegment(F, memory, query + 2 * BYTES, ORDER);
        FloatVector q3 = FloatVector.fromMemorySegment(F, memory, query + 3 * BYTES, ORDER);
        FloatVector q4 = FloatVector.fromMemorySegment(F, memory, query + 4 * BYTES, ORDER);
        FloatVector q5 = FloatVector.fromMemorySegment(F, memory, query + 5 * BYTES, ORDER);
        FloatVector q6 = FloatVector.fromMemorySegment(F, memory, query + 6 * BYTES, ORDER);
        FloatVector q7 = FloatVector.fromMemorySegment(F, memory, query + 7 * BYTES, ORDER);
        FloatVector a0 = q0;
        FloatVector a1 = q0;
        FloatVector a2 = q0;
        FloatVector a3 = q0;
        FloatVector s0 = q0;
        FloatVector s1 = q0;
        FloatVector s2 = q0;
        FloatVector s3 = q0;
        int last = rows;
        for (int j = 0; j < total;) {
            MemorySegment row = from.asSlice((long) j * (8 * BYTES), 8 * BYTES);
            FloatVector sum = FloatVector.fromMemorySegment(F, row, 0, ORDER).mul(q0);
            sum = FloatVector.fromMemorySegment(F, row, 7 * BYTES, ORDER).fma(q7, sum);
            sum = FloatVector.fromMemorySegment(F, row, 6 * BYTES, ORDER).fma(q6, sum);
            sum = FloatVector.fromMemorySegment(F, row, 5 * BYTES, ORDER).fma(q5, sum);
            sum = FloatVector.fromMemorySegment(F, row, 4 * BYTES, ORDER).fma(q4, sum);
            sum = FloatVector.fromMemorySegment(F, row, 3 * BYTES, ORDER).fma(q3, sum);
            sum = FloatVector.fromMemorySegment(F, row, 2 * BYTES, ORDER).fma(q2, sum);
            sum = FloatVector.fromMemorySegment(F, row, BYTES, ORDER).fma(q1, sum);
            a0 = a1;
            a1 = a2;
            a2 = a3;
            a3 = sum;
            j++;
            if ((j & 3) == 0) {
                FloatVector b0 = a0.blend(a2, BIT_FAR).add(a2.blend(a0, BIT_FAR).rearrange(XOR_FAR));
                FloatVector b1 = a1.blend(a3, BIT_FAR).add(a3.blend(a1, BIT_FAR).rearrange(XOR_FAR));
                s0 = s1;
                s1 = s2;
                s2 = s3;
                s3 = b0.blend(b1, BIT_NEAR).add(b1.blend(b0, BIT_NEAR).rearrange(XOR_NEAR));
                if ((j & COUNT - 1) == 0) {
                    FloatVector sums = s3;
                    if (COUNT == 8) {
                        sums = s2.blend(s3, BIT1).add(s3.blend(s2, BIT1).rearrange(XOR1));
                    }
                    if (COUNT == 16) {
                        FloatVector t0 = s0.blend(s2, BIT2).add(s2.blend(s0, BIT2).rearrange(XOR2));
                        FloatVector t1 = s1.blend(s3, BIT2).add(s3.blend(s1, BIT2).rearrange(XOR2));
                        sums = t0.blend(t1, BIT1).add(t1.blend(t0, BIT1).rearrange(XOR1));
                    }
                    sums.rearrange(LANE_BY_LANE)
                            .add(FloatVector.fromMemorySegment(F, memory, out, ORDER))
                            .intoMemorySegment(memory, out, ORDER);
                    out += BYTES;
                    if (j == last) {
                        // In the condition, j < total makes C2 hoist a check that fails in every call: it compiled this a hundred times, for 10 s.
                        if (j == total) {
                            return;
                        }
                        last += rows;
                        out += skip;
                        query += queryBytes;
                        q0 = FloatVector.fromMemorySegment(F, memory, query, ORDER);
                        q1 = FloatVector.fromMemorySegment(F, memory, query + BYTES, ORDER);
                        q2 = FloatVector.fromMemorySegment(F, memory, query + 2 * BYTES, ORDER);
                        q3 = FloatVector.fromMemorySegment(F, memory, query + 3 * BYTES, ORDER);
                        q4 = FloatVector.fromMemorySegment(F, memory, query + 4 * BYTES, ORDER);
                        q5 = FloatVector.fromMemorySegment(F, memory, query + 5 * BYTES, ORDER);
                        q6 = FloatVector.fromMemorySegment(F, memory, query + 6 * BYTES, ORDER);
                        q7 = FloatVector.fromMemorySegment(F, memory, query + 7 * BYTES, ORDER);
                    }
                }
            }
        }
    }

    /**
     * The products of one query a head and eight vectors of each row.
     *
     * @param cache the memory of the rows
     * @param column the byte where the eight vectors of the first row begin
     * @param rowBytes bytes from a row to the next
     * @param rows how many rows of each head
     * @param headBytes bytes from a head's first row to the next head's
     * @param heads how many heads
     * @param query the byte of the query's eight vectors for the first head
     * @param queryBytes bytes to those for the next
     * @param partial the byte of the first product
     * @param partialBytes bytes to the next head's; with an odd number of rows one more is written than there are rows
     */
    static void dot8(MemorySegment cache, long column, long rowBytes, int rows, long headBytes, int heads,
            MemorySegment scratch, long query, long queryBytes, long partial, long partialBytes, int pair) {
        MemorySegment from = requireNative(cache);
        MemorySegment memory = requireNative(scratch);
        for (int h = 0; h < heads; h++) {
            MemorySegment q = memory.asSlice(query + h * queryBytes, 8 * BYTES);
            FloatVector q0 = FloatVector.fromMemorySegment(F, q, 0, ORDER);
            FloatVector q1 = FloatVector.fromMemorySegment(F, q, BYTES, ORDER);
            FloatVector q2 = FloatVector.fromMemorySegment(F, q, 2 * BYTES, ORDER);
            FloatVector q3 = FloatVector.fromMemorySegment(F, q, 3 * BYTES, ORDER);
            FloatVector q4 = FloatVector.fromMemorySegment(F, q, 4 * BYTES, ORDER);
            FloatVector q5 = FloatVector.fromMemorySegment(F, q, 5 * BYTES, ORDER);
            FloatVector q6 = FloatVector.fromMemorySegment(F, q, 6 * BYTES, ORDER);
            FloatVector q7 = FloatVector.fromMemorySegment(F, q, 7 * BYTES, ORDER);
            long at = column + h * headBytes;
            long to = partial + h * partialBytes;
            for (long end = to + rows * (long) BYTES; to < end; to += pair * (long) BYTES) {
                MemorySegment row = from.asSlice(at, 8 * BYTES);
                FloatVector sum = FloatVector.fromMemorySegment(F, row, 0, ORDER).mul(q0);
                sum = FloatVector.fromMemorySegment(F, row, 7 * BYTES, ORDER).fma(q7, sum);
                sum = FloatVector.fromMemorySegment(F, row, 6 * BYTES, ORDER).fma(q6, sum);
                sum = FloatVector.fromMemorySegment(F, row, 5 * BYTES, ORDER).fma(q5, sum);
                sum = FloatVector.fromMemorySegment(F, row, 4 * BYTES, ORDER).fma(q4, sum);
                sum = FloatVector.fromMemorySegment(F, row, 3 * BYTES, ORDER).fma(q3, sum);
                sum = FloatVector.fromMemorySegment(F, row, 2 * BYTES, ORDER).fma(q2, sum);
                sum = FloatVector.fromMemorySegment(F, row, BYTES, ORDER).fma(q1, sum);
                sum.intoMemorySegment(memory, to, ORDER);
                MemorySegment next = from.asSlice(to + BYTES < end ? at + rowBytes : at, 8 * BYTES);
                FloatVector sums = FloatVector.fromMemorySegment(F, next, 0, ORDER).mul(q0);
                sums = FloatVector.fromMemorySegment(F, next, 7 * BYTES, ORDER).fma(q7, sums);
                sums = FloatVector.fromMemorySegment(F, next, 6 * BYTES, ORDER).fma(q6, sums);
                sums = FloatVector.fromMemorySegment(F, next, 5 * BYTES, ORDER).fma(q5, sums);
                sums = FloatVector.fromMemorySegment(F, next, 4 * BYTES, ORDER).fma(q4, sums);
                sums = FloatVector.fromMemorySegment(F, next, 3 * BYTES, ORDER).fma(q3, sums);
                sums = FloatVector.fromMemorySegment(F, next, 2 * BYTES, ORDER).fma(q2, sums);
                sums = FloatVector.fromMemorySegment(F, next, BYTES, ORDER).fma(q1, sums);
                sums.intoMemorySegment(memory, to + BYTES, ORDER);
                at += 2 * rowBytes;
            }
        }
    }

    /**
     * Adds to eight vectors of the context of each head with one row of weights, which meets an even number of rows.
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
            MemorySegment context = memory.asSlice(out + h * outBytes, 8 * BYTES);
            FloatVector c0 = FloatVector.fromMemorySegment(F, context, 0, ORDER);
            FloatVector c1 = FloatVector.fromMemorySegment(F, context, BYTES, ORDER);
            FloatVector c2 = FloatVector.fromMemorySegment(F, context, 2 * BYTES, ORDER);
            FloatVector c3 = FloatVector.fromMemorySegment(F, context, 3 * BYTES, ORDER);
            FloatVector c4 = FloatVector.fromMemorySegment(F, context, 4 * BYTES, ORDER);
            FloatVector c5 = FloatVector.fromMemorySegment(F, context, 5 * BYTES, ORDER);
            FloatVector c6 = FloatVector.fromMemorySegment(F, context, 6 * BYTES, ORDER);
            FloatVector c7 = FloatVector.fromMemorySegment(F, context, 7 * BYTES, ORDER);
            long weight = weights + h * weightBytes;
            long at = column + h * headBytes;
            long end = weight + rows * 4L;
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
            // C2 takes the order in which it loads a row from these stores: from c0, c7 to c1 it makes 0 to 7, 42 GB/s; from c0 to c7, 0, 7 to 1, 36.
            c0.intoMemorySegment(context, 0, ORDER);
            c7.intoMemorySegment(context, 7 * BYTES, ORDER);
            c6.intoMemorySegment(context, 6 * BYTES, ORDER);
            c5.intoMemorySegment(context, 5 * BYTES, ORDER);
            c4.intoMemorySegment(context, 4 * BYTES, ORDER);
            c3.intoMemorySegment(context, 3 * BYTES, ORDER);
            c2.intoMemorySegment(context, 2 * BYTES, ORDER);
            c1.intoMemorySegment(context, BYTES, ORDER);
        }
    }

    /**
     * The scores of one query a head and rows of four vectors that lie one after another, as {@link Float32Rows#dot4} sums them.
     *
     * @param cache the memory of the rows
     * @param first the byte of the first row
     * @param rows how many rows of each head
     * @param headBytes bytes from a head's first row to the next head's
     * @param heads how many heads
     * @param query the byte of the first head's query
     * @param queryBytes bytes to the next head's
     * @param out the byte of the first head's first score; each head has room for whole vectors
     * @param outBytes bytes to the next head's
     */
    static void dot4(MemorySegment cache, long first, int rows, long headBytes, int heads, MemorySegment scratch,
            long query, long queryBytes, long out, long outBytes) {
        MemorySegment from = requireNative(cache);
        MemorySegment memory = requireNative(scratch);
        int last = Transpose.padded(rows);
        for (int h = 0; h < heads; h++) {
            FloatVector q0 = FloatVector.fromMemorySegment(F, memory, query + h * queryBytes, ORDER);
            FloatVector q1 = FloatVector.fromMemorySegment(F, memory, query + h * queryBytes + BYTES, ORDER);
            FloatVector q2 = FloatVector.fromMemorySegment(F, memory, query + h * queryBytes + 2 * BYTES, ORDER);
            FloatVector q3 = FloatVector.fromMemorySegment(F, memory, query + h * queryBytes + 3 * BYTES, ORDER);
            FloatVector a0 = q0;
            FloatVector a1 = q0;
            FloatVector a2 = q0;
            FloatVector a3 = q0;
            FloatVector s0 = q0;
            FloatVector s1 = q0;
            FloatVector s2 = q0;
            FloatVector s3 = q0;
            long at = first + h * headBytes;
            long to = out + h * outBytes;
            for (int j = 0; j < last;) {
                MemorySegment row = from.asSlice(at, 4 * BYTES);
                FloatVector sum = FloatVector.fromMemorySegment(F, row, 0, ORDER).mul(q0);
                sum = FloatVector.fromMemorySegment(F, row, 3 * BYTES, ORDER).fma(q3, sum);
                sum = FloatVector.fromMemorySegment(F, row, 2 * BYTES, ORDER).fma(q2, sum);
                sum = FloatVector.fromMemorySegment(F, row, BYTES, ORDER).fma(q1, sum);
                a0 = a1;
                a1 = a2;
                a2 = a3;
                a3 = sum;
                if (++j < rows) {
                    at += 4 * BYTES;
                }
                if ((j & 3) == 0) {
                    FloatVector b0 = a0.blend(a2, BIT_FAR).add(a2.blend(a0, BIT_FAR).rearrange(XOR_FAR));
                    FloatVector b1 = a1.blend(a3, BIT_FAR).add(a3.blend(a1, BIT_FAR).rearrange(XOR_FAR));
                    s0 = s1;
                    s1 = s2;
                    s2 = s3;
                    s3 = b0.blend(b1, BIT_NEAR).add(b1.blend(b0, BIT_NEAR).rearrange(XOR_NEAR));
                    if ((j & COUNT - 1) == 0) {
                        FloatVector sums = s3;
                        if (COUNT == 8) {
                            sums = s2.blend(s3, BIT1).add(s3.blend(s2, BIT1).rearrange(XOR1));
                        }
                        if (COUNT == 16) {
                            FloatVector t0 = s0.blend(s2, BIT2).add(s2.blend(s0, BIT2).rearrange(XOR2));
                            FloatVector t1 = s1.blend(s3, BIT2).add(s3.blend(s1, BIT2).rearrange(XOR2));
                            sums = t0.blend(t1, BIT1).add(t1.blend(t0, BIT1).rearrange(XOR1));
                        }
                        sums.rearrange(LANE_BY_LANE).add(FloatVector.zero(F)).intoMemorySegment(memory, to, ORDER);
                        to += BYTES;
                    }
                }
            }
        }
    }

    /**
     * Adds rows of four vectors that lie one after another, weighted, to the context of each head. A row is a number of rows from a slice of the
     * head's: with addresses that are long and only grow, decoding 4 heads × 512 keys of 64 took 1.06 times as long.
     *
     * @param weights the byte of the first head's weight of its first row
     * @param weightBytes bytes to the next head's
     * @param out the byte of the first head's context
     * @param outBytes bytes to the next head's
     */
    static void mix4(MemorySegment cache, long first, int rows, long headBytes, int heads, MemorySegment scratch,
            long weights,
            long weightBytes, long out, long outBytes) {
        MemorySegment from = requireNative(cache);
        MemorySegment memory = requireNative(scratch);
        for (int h = 0; h < heads; h++) {
            MemorySegment context = memory.asSlice(out + h * outBytes, 4 * BYTES);
            FloatVector c0 = FloatVector.fromMemorySegment(F, context, 0, ORDER);
            FloatVector c1 = FloatVector.fromMemorySegment(F, context, BYTES, ORDER);
            FloatVector c2 = FloatVector.fromMemorySegment(F, context, 2 * BYTES, ORDER);
            FloatVector c3 = FloatVector.fromMemorySegment(F, context, 3 * BYTES, ORDER);
            MemorySegment values = from.asSlice(first + h * headBytes, (long) rows * (4 * BYTES));
            int j = 0;
            long weight = weights + h * weightBytes;
            long end = weight + rows * 4L;
            for (; weight < end; weight += 4) {
                FloatVector w = FloatVector.broadcast(F, memory.get(FLOAT, weight));
                MemorySegment row = values.asSlice((long) j * (4 * BYTES), 4 * BYTES);
                c0 = FloatVector.fromMemorySegment(F, row, 0, ORDER).fma(w, c0);
                c1 = FloatVector.fromMemorySegment(F, row, BYTES, ORDER).fma(w, c1);
                c2 = FloatVector.fromMemorySegment(F, row, 2 * BYTES, ORDER).fma(w, c2);
                c3 = FloatVector.fromMemorySegment(F, row, 3 * BYTES, ORDER).fma(w, c3);
                j++;
            }
            c0.intoMemorySegment(context, 0, ORDER);
            c3.intoMemorySegment(context, 3 * BYTES, ORDER);
            c2.intoMemorySegment(context, 2 * BYTES, ORDER);
            c1.intoMemorySegment(context, BYTES, ORDER);
        }
    }
}
