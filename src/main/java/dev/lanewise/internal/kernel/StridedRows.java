package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.COUNT;
import static dev.lanewise.internal.kernel.Lanes.F;
import static dev.lanewise.internal.kernel.Lanes.FLOAT;
import static dev.lanewise.internal.kernel.Lanes.ORDER;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * The two multiplies of few query rows with rows of k and v that lie in native memory at one distance from each other, in whole vectors of float32:
 * lanes along the row. As many products as a vector has lanes are summed across their lanes at once ({@link LaneSums}): those of one
 * query with {@code width} keys, or of several queries if {@code width} is less.
 */
final class StridedRows {
    /** Vectors of a row that stay in registers. */
    static final int MANY = 8;
    static final int SOME = 4;
    /** Rows of weights that meet a row of v while it is in registers. */
    static final int ROWS = 4;

    private static final VectorMask<Float> QUARTER0 = quarter(0);
    private static final VectorMask<Float> QUARTER1 = quarter(1);
    private static final VectorMask<Float> QUARTER2 = quarter(2);
    private static final VectorMask<Float> QUARTER3 = quarter(3);

    private StridedRows() {
    }

    private static VectorMask<Float> quarter(int which) {
        boolean[] lanes = new boolean[COUNT];
        Arrays.fill(lanes, which * COUNT / 4, (which + 1) * COUNT / 4, true);
        return VectorMask.fromArray(F, lanes, 0);
    }

    /** Copies rows of whole vectors next to each other, multiplied by a factor. */
    static void scale(MemorySegment from, long first, long stride, int rows, int vectors, float factor,
            MemorySegment scratch, long to) {
        MemorySegment source = Lanes.requireNative(from);
        MemorySegment memory = Lanes.requireNative(scratch);
        boolean even = stride == (long) vectors * BYTES;
        int runs = even ? 1 : rows;
        int run = even ? rows * vectors : vectors;
        long row = first;
        long at = to;
        for (int r = 0; r < runs; r++) {
            for (int v = 0; v < run; v++) {
                FloatVector.fromMemorySegment(F, source, row + (long) v * BYTES, ORDER)
                        .mul(factor)
                        .intoMemorySegment(memory, at, ORDER);
                at += BYTES;
            }
            row += stride;
        }
    }

    /**
     * out[r, j] = query[r] · key[j] for as many of the queries as are met four at a time, which is their number.
     *
     * @param keys the keys
     * @param count how many; products beyond it are any numbers
     * @param query the byte of query 0 in scratch, the others next to it
     * @param rows how many queries
     * @param vectors vectors in a row
     * @param partial the byte of a free vector of scratch for each key, rounded up to a multiple of four
     * @param out the byte of product (0, 0)
     * @param outRow bytes between rows of products
     */
    static int dotFours(BlockRows keys, int count, MemorySegment scratch, long query, int rows, int vectors,
            long partial, long out, long outRow) {
        if (vectors != SOME || COUNT != 16 || rows < ROWS) {
            return 0;
        }
        int fours = rows % ROWS > 1 ? (rows + ROWS - 1) / ROWS : rows / ROWS;
        for (int four = 0; four < fours; four++) {
            int r = Math.min(four * ROWS, rows - ROWS);
            dot4x4(keys.segment, keys.start(0), keys.stride, count, scratch, query + (long) r * SOME * BYTES, partial);
            quarters(scratch, partial, count, out + r * outRow, outRow);
        }
        return Math.min(fours * ROWS, rows);
    }

    /**
     * Adds query[r] · key[j] to out[r, j], several queries in a vector, for there are so few keys.
     *
     * @param width how many floats the products of one row take, a part of a vector; those beyond {@code count} are those of the last key
     * @param partial the byte of as many free vectors of scratch as a vector has lanes
     */
    static void dot(BlockRows keys, int count, MemorySegment scratch, long query, int rows, int vectors, int width,
            long partial, long out, long outRow) {
        MemorySegment from = keys.segment;
        long first = keys.start(0);
        long stride = keys.stride;
        switch (vectors) {
            case SOME -> dot4(from, first, stride, count, scratch, query, rows, width, partial, out, outRow);
            case MANY -> dot8(from, first, stride, count, scratch, query, rows, width, partial, out, outRow);
            default -> dotAny(from, first, stride, count, scratch, query, rows, vectors, width, partial, out, outRow);
        }
    }

    /**
     * Products of four queries, all in registers, and one key after another, four vectors of each: a vector a key, of which every query has a
     * quarter whose lanes are still to be summed ({@link #quarters}).
     */
    private static void dot4x4(MemorySegment keys, long first, long stride, int count, MemorySegment scratch,
            long query, long partial) {
        MemorySegment from = Lanes.requireNative(keys);
        MemorySegment memory = Lanes.requireNative(scratch);
        FloatVector q00 = FloatVector.fromMemorySegment(F, memory, query + 0 * BYTES, ORDER);
        FloatVector q01 = FloatVector.fromMemorySegment(F, memory, query + 1 * BYTES, ORDER);
        FloatVector q02 = FloatVector.fromMemorySegment(F, memory, query + 2 * BYTES, ORDER);
        FloatVector q03 = FloatVector.fromMemorySegment(F, memory, query + 3 * BYTES, ORDER);
        FloatVector q10 = FloatVector.fromMemorySegment(F, memory, query + 4 * BYTES, ORDER);
        FloatVector q11 = FloatVector.fromMemorySegment(F, memory, query + 5 * BYTES, ORDER);
        FloatVector q12 = FloatVector.fromMemorySegment(F, memory, query + 6 * BYTES, ORDER);
        FloatVector q13 = FloatVector.fromMemorySegment(F, memory, query + 7 * BYTES, ORDER);
        FloatVector q20 = FloatVector.fromMemorySegment(F, memory, query + 8 * BYTES, ORDER);
        FloatVector q21 = FloatVector.fromMemorySegment(F, memory, query + 9 * BYTES, ORDER);
        FloatVector q22 = FloatVector.fromMemorySegment(F, memory, query + 10 * BYTES, ORDER);
        FloatVector q23 = FloatVector.fromMemorySegment(F, memory, query + 11 * BYTES, ORDER);
        FloatVector q30 = FloatVector.fromMemorySegment(F, memory, query + 12 * BYTES, ORDER);
        FloatVector q31 = FloatVector.fromMemorySegment(F, memory, query + 13 * BYTES, ORDER);
        FloatVector q32 = FloatVector.fromMemorySegment(F, memory, query + 14 * BYTES, ORDER);
        FloatVector q33 = FloatVector.fromMemorySegment(F, memory, query + 15 * BYTES, ORDER);
        long row = first;
        long to = partial;
        for (int j = 0; j < count; j++) {
            FloatVector k0 = FloatVector.fromMemorySegment(F, from, row, ORDER);
            FloatVector k1 = FloatVector.fromMemorySegment(F, from, row + BYTES, ORDER);
            FloatVector k2 = FloatVector.fromMemorySegment(F, from, row + 2 * BYTES, ORDER);
            FloatVector k3 = FloatVector.fromMemorySegment(F, from, row + 3 * BYTES, ORDER);
            FloatVector a0 = k0.mul(q00);
            FloatVector b0 = k1.mul(q01);
            a0 = k2.fma(q02, a0).add(k3.fma(q03, b0));
            FloatVector a1 = k0.mul(q10);
            FloatVector b1 = k1.mul(q11);
            a1 = k2.fma(q12, a1).add(k3.fma(q13, b1));
            FloatVector a2 = k0.mul(q20);
            FloatVector b2 = k1.mul(q21);
            a2 = k2.fma(q22, a2).add(k3.fma(q23, b2));
            FloatVector a3 = k0.mul(q30);
            FloatVector b3 = k1.mul(q31);
            a3 = k2.fma(q32, a3).add(k3.fma(q33, b3));
            b0 = a0.blend(a2, Transpose.BIT8).add(a2.blend(a0, Transpose.BIT8).rearrange(Transpose.XOR8));
            b1 = a1.blend(a3, Transpose.BIT8).add(a3.blend(a1, Transpose.BIT8).rearrange(Transpose.XOR8));
            b0.blend(b1, Transpose.BIT4)
                    .add(b1.blend(b0, Transpose.BIT4).rearrange(Transpose.XOR4))
                    .intoMemorySegment(memory, to, ORDER);
            row += stride;
            to += BYTES;
        }
    }

    /** Sums the quarters of {@link #dot4x4}, four keys at a time, and stores those of each query in its row. */
    private static void quarters(MemorySegment scratch, long partial, int count, long out, long outRow) {
        MemorySegment memory = Lanes.requireNative(scratch);
        long from = partial;
        long to = out;
        for (int j = 0; j < count; j += 4) {
            FloatVector a = FloatVector.fromMemorySegment(F, memory, from, ORDER);
            FloatVector b = FloatVector.fromMemorySegment(F, memory, from + BYTES, ORDER);
            FloatVector c = FloatVector.fromMemorySegment(F, memory, from + 2 * BYTES, ORDER);
            FloatVector d = FloatVector.fromMemorySegment(F, memory, from + 3 * BYTES, ORDER);
            FloatVector e = a.blend(c, Transpose.BIT2).add(c.blend(a, Transpose.BIT2).rearrange(Transpose.XOR2));
            FloatVector f = b.blend(d, Transpose.BIT2).add(d.blend(b, Transpose.BIT2).rearrange(Transpose.XOR2));
            e = e.blend(f, Transpose.BIT1).add(f.blend(e, Transpose.BIT1).rearrange(Transpose.XOR1));
            e.intoMemorySegment(memory, to, ORDER, QUARTER0);
            e.intoMemorySegment(memory, to + outRow - 16, ORDER, QUARTER1);
            e.intoMemorySegment(memory, to + 2 * outRow - 32, ORDER, QUARTER2);
            e.intoMemorySegment(memory, to + 3 * outRow - 48, ORDER, QUARTER3);
            from += 4 * BYTES;
            to += 16;
        }
    }

    private static void dot4(MemorySegment keys, long first, long stride, int count, MemorySegment scratch, long query,
            int rows, int width, long partial, long out, long outRow) {
        MemorySegment from = Lanes.requireNative(keys);
        MemorySegment memory = Lanes.requireNative(scratch);
        int together = COUNT / width;
        for (int j = 0; j < count; j += width) {
            for (int r = 0; r < rows; r += together) {
                long to = partial;
                for (int s = r; s < r + together; s++) {
                    long q = query + (long) Math.min(s, rows - 1) * SOME * BYTES;
                    FloatVector q0 = FloatVector.fromMemorySegment(F, memory, q, ORDER);
                    FloatVector q1 = FloatVector.fromMemorySegment(F, memory, q + BYTES, ORDER);
                    FloatVector q2 = FloatVector.fromMemorySegment(F, memory, q + 2 * BYTES, ORDER);
                    FloatVector q3 = FloatVector.fromMemorySegment(F, memory, q + 3 * BYTES, ORDER);
                    long row = first + j * stride;
                    for (int i = 0; i < width; i++) {
                        FloatVector a = FloatVector.fromMemorySegment(F, from, row, ORDER).mul(q0);
                        FloatVector b = FloatVector.fromMemorySegment(F, from, row + BYTES, ORDER).mul(q1);
                        a = FloatVector.fromMemorySegment(F, from, row + 2 * BYTES, ORDER).fma(q2, a);
                        b = FloatVector.fromMemorySegment(F, from, row + 3 * BYTES, ORDER).fma(q3, b);
                        a.add(b).intoMemorySegment(memory, to, ORDER);
                        row += j + i < count - 1 ? stride : 0;
                        to += BYTES;
                    }
                }
                LaneSums.add(memory, partial, out + r * outRow + j * 4L);
            }
        }
    }

    private static void dot8(MemorySegment keys, long first, long stride, int count, MemorySegment scratch, long query,
            int rows, int width, long partial, long out, long outRow) {
        MemorySegment from = Lanes.requireNative(keys);
        MemorySegment memory = Lanes.requireNative(scratch);
        int together = COUNT / width;
        for (int j = 0; j < count; j += width) {
            for (int r = 0; r < rows; r += together) {
                long to = partial;
                for (int s = r; s < r + together; s++) {
                    long q = query + (long) Math.min(s, rows - 1) * MANY * BYTES;
                    FloatVector q0 = FloatVector.fromMemorySegment(F, memory, q, ORDER);
                    FloatVector q1 = FloatVector.fromMemorySegment(F, memory, q + BYTES, ORDER);
                    FloatVector q2 = FloatVector.fromMemorySegment(F, memory, q + 2 * BYTES, ORDER);
                    FloatVector q3 = FloatVector.fromMemorySegment(F, memory, q + 3 * BYTES, ORDER);
                    FloatVector q4 = FloatVector.fromMemorySegment(F, memory, q + 4 * BYTES, ORDER);
                    FloatVector q5 = FloatVector.fromMemorySegment(F, memory, q + 5 * BYTES, ORDER);
                    FloatVector q6 = FloatVector.fromMemorySegment(F, memory, q + 6 * BYTES, ORDER);
                    FloatVector q7 = FloatVector.fromMemorySegment(F, memory, q + 7 * BYTES, ORDER);
                    long row = first + j * stride;
                    for (int i = 0; i < width; i++) {
                        FloatVector a = FloatVector.fromMemorySegment(F, from, row, ORDER).mul(q0);
                        FloatVector b = FloatVector.fromMemorySegment(F, from, row + BYTES, ORDER).mul(q1);
                        a = FloatVector.fromMemorySegment(F, from, row + 2 * BYTES, ORDER).fma(q2, a);
                        b = FloatVector.fromMemorySegment(F, from, row + 3 * BYTES, ORDER).fma(q3, b);
                        a = FloatVector.fromMemorySegment(F, from, row + 4 * BYTES, ORDER).fma(q4, a);
                        b = FloatVector.fromMemorySegment(F, from, row + 5 * BYTES, ORDER).fma(q5, b);
                        a = FloatVector.fromMemorySegment(F, from, row + 6 * BYTES, ORDER).fma(q6, a);
                        b = FloatVector.fromMemorySegment(F, from, row + 7 * BYTES, ORDER).fma(q7, b);
                        a.add(b).intoMemorySegment(memory, to, ORDER);
                        row += j + i < count - 1 ? stride : 0;
                        to += BYTES;
                    }
                }
                LaneSums.add(memory, partial, out + r * outRow + j * 4L);
            }
        }
    }

    private static void dotAny(MemorySegment keys, long first, long stride, int count, MemorySegment scratch,
            long query, int rows, int vectors, int width, long partial, long out, long outRow) {
        MemorySegment from = Lanes.requireNative(keys);
        MemorySegment memory = Lanes.requireNative(scratch);
        int together = COUNT / width;
        for (int j = 0; j < count; j += width) {
            for (int r = 0; r < rows; r += together) {
                long to = partial;
                for (int s = r; s < r + together; s++) {
                    long q = query + (long) Math.min(s, rows - 1) * vectors * BYTES;
                    long row = first + j * stride;
                    for (int i = 0; i < width; i++) {
                        FloatVector sum = FloatVector.zero(F);
                        for (long v = 0; v < (long) vectors * BYTES; v += BYTES) {
                            sum = FloatVector.fromMemorySegment(F, from, row + v, ORDER)
                                    .fma(FloatVector.fromMemorySegment(F, memory, q + v, ORDER), sum);
                        }
                        sum.intoMemorySegment(memory, to, ORDER);
                        row += j + i < count - 1 ? stride : 0;
                        to += BYTES;
                    }
                }
                LaneSums.add(memory, partial, out + r * outRow + j * 4L);
            }
        }
    }

    /**
     * out[r] = times[r] · Σ weights[r, j] · value[j], or out[r] · times[r] + Σ if there is something: four rows, four vectors of each.
     *
     * @param values the memory of the values
     * @param first the byte of the first of the vectors in value 0
     * @param stride bytes between values
     * @param count how many
     * @param weights the byte of weight (0, 0) in scratch
     * @param row bytes between rows of weights
     * @param times the byte of the factor of row 0
     * @param timesRow bytes between factors
     * @param fresh whether there is nothing yet
     * @param to the memory of the sums
     * @param out the byte of the first of the vectors in row 0
     * @param outRow bytes between rows of sums
     */
    static void mix4x4(MemorySegment values, long first, long stride, int count, MemorySegment scratch, long weights,
            long row, long times, long timesRow, boolean fresh, MemorySegment to, long out, long outRow) {
        MemorySegment from = Lanes.requireNative(values);
        MemorySegment memory = Lanes.requireNative(scratch);
        MemorySegment target = Lanes.requireNative(to);
        FloatVector c00 = FloatVector.zero(F);
        FloatVector c01 = c00;
        FloatVector c02 = c00;
        FloatVector c03 = c00;
        FloatVector c10 = c00;
        FloatVector c11 = c00;
        FloatVector c12 = c00;
        FloatVector c13 = c00;
        FloatVector c20 = c00;
        FloatVector c21 = c00;
        FloatVector c22 = c00;
        FloatVector c23 = c00;
        FloatVector c30 = c00;
        FloatVector c31 = c00;
        FloatVector c32 = c00;
        FloatVector c33 = c00;
        long at = first;
        long weight = weights;
        for (int j = 0; j < count; j++) {
            FloatVector v0 = FloatVector.fromMemorySegment(F, from, at, ORDER);
            FloatVector v1 = FloatVector.fromMemorySegment(F, from, at + BYTES, ORDER);
            FloatVector v2 = FloatVector.fromMemorySegment(F, from, at + 2 * BYTES, ORDER);
            FloatVector v3 = FloatVector.fromMemorySegment(F, from, at + 3 * BYTES, ORDER);
            FloatVector w0 = FloatVector.broadcast(F, memory.get(FLOAT, weight));
            c00 = v0.fma(w0, c00);
            c01 = v1.fma(w0, c01);
            c02 = v2.fma(w0, c02);
            c03 = v3.fma(w0, c03);
            FloatVector w1 = FloatVector.broadcast(F, memory.get(FLOAT, weight + row));
            c10 = v0.fma(w1, c10);
            c11 = v1.fma(w1, c11);
            c12 = v2.fma(w1, c12);
            c13 = v3.fma(w1, c13);
            FloatVector w2 = FloatVector.broadcast(F, memory.get(FLOAT, weight + 2 * row));
            c20 = v0.fma(w2, c20);
            c21 = v1.fma(w2, c21);
            c22 = v2.fma(w2, c22);
            c23 = v3.fma(w2, c23);
            FloatVector w3 = FloatVector.broadcast(F, memory.get(FLOAT, weight + 3 * row));
            c30 = v0.fma(w3, c30);
            c31 = v1.fma(w3, c31);
            c32 = v2.fma(w3, c32);
            c33 = v3.fma(w3, c33);
            at += stride;
            weight += 4;
        }
        long sum = out;
        for (int r = 0; r < ROWS; r++) {
            FloatVector t = FloatVector.broadcast(F, memory.get(FLOAT, times + r * timesRow));
            if (fresh) {
                c00 = c00.mul(t);
                c01 = c01.mul(t);
                c02 = c02.mul(t);
                c03 = c03.mul(t);
            } else {
                c00 = FloatVector.fromMemorySegment(F, target, sum, ORDER).fma(t, c00);
                c01 = FloatVector.fromMemorySegment(F, target, sum + BYTES, ORDER).fma(t, c01);
                c02 = FloatVector.fromMemorySegment(F, target, sum + 2 * BYTES, ORDER).fma(t, c02);
                c03 = FloatVector.fromMemorySegment(F, target, sum + 3 * BYTES, ORDER).fma(t, c03);
            }
            c00.intoMemorySegment(target, sum, ORDER);
            c01.intoMemorySegment(target, sum + BYTES, ORDER);
            c02.intoMemorySegment(target, sum + 2 * BYTES, ORDER);
            c03.intoMemorySegment(target, sum + 3 * BYTES, ORDER);
            c00 = c10;
            c01 = c11;
            c02 = c12;
            c03 = c13;
            c10 = c20;
            c11 = c21;
            c12 = c22;
            c13 = c23;
            c20 = c30;
            c21 = c31;
            c22 = c32;
            c23 = c33;
            sum += outRow;
        }
    }

    /** One row, four vectors of it; keys take turns at two sets of accumulators. */
    static void mix1x4(MemorySegment values, long first, long stride, int count, MemorySegment scratch, long weights,
            long times, boolean fresh, MemorySegment to, long out) {
        MemorySegment from = Lanes.requireNative(values);
        MemorySegment memory = Lanes.requireNative(scratch);
        MemorySegment target = Lanes.requireNative(to);
        FloatVector c0 = FloatVector.zero(F);
        FloatVector c1 = c0;
        FloatVector c2 = c0;
        FloatVector c3 = c0;
        FloatVector d0 = c0;
        FloatVector d1 = c0;
        FloatVector d2 = c0;
        FloatVector d3 = c0;
        long at = first;
        long weight = weights;
        for (int j = 0; j < count; j++) {
            FloatVector w = FloatVector.broadcast(F, memory.get(FLOAT, weight));
            FloatVector e0 = FloatVector.fromMemorySegment(F, from, at, ORDER).fma(w, d0);
            FloatVector e1 = FloatVector.fromMemorySegment(F, from, at + BYTES, ORDER).fma(w, d1);
            FloatVector e2 = FloatVector.fromMemorySegment(F, from, at + 2 * BYTES, ORDER).fma(w, d2);
            FloatVector e3 = FloatVector.fromMemorySegment(F, from, at + 3 * BYTES, ORDER).fma(w, d3);
            d0 = c0;
            d1 = c1;
            d2 = c2;
            d3 = c3;
            c0 = e0;
            c1 = e1;
            c2 = e2;
            c3 = e3;
            at += stride;
            weight += 4;
        }
        c0 = c0.add(d0);
        c1 = c1.add(d1);
        c2 = c2.add(d2);
        c3 = c3.add(d3);
        FloatVector t = FloatVector.broadcast(F, memory.get(FLOAT, times));
        if (fresh) {
            c0 = c0.mul(t);
            c1 = c1.mul(t);
            c2 = c2.mul(t);
            c3 = c3.mul(t);
        } else {
            c0 = FloatVector.fromMemorySegment(F, target, out, ORDER).fma(t, c0);
            c1 = FloatVector.fromMemorySegment(F, target, out + BYTES, ORDER).fma(t, c1);
            c2 = FloatVector.fromMemorySegment(F, target, out + 2 * BYTES, ORDER).fma(t, c2);
            c3 = FloatVector.fromMemorySegment(F, target, out + 3 * BYTES, ORDER).fma(t, c3);
        }
        c0.intoMemorySegment(target, out, ORDER);
        c1.intoMemorySegment(target, out + BYTES, ORDER);
        c2.intoMemorySegment(target, out + 2 * BYTES, ORDER);
        c3.intoMemorySegment(target, out + 3 * BYTES, ORDER);
    }

    /** One row, one vector of it. */
    static void mix1x1(MemorySegment values, long first, long stride, int count, MemorySegment scratch, long weights,
            long times, boolean fresh, MemorySegment to, long out) {
        MemorySegment from = Lanes.requireNative(values);
        MemorySegment memory = Lanes.requireNative(scratch);
        MemorySegment target = Lanes.requireNative(to);
        FloatVector c = FloatVector.zero(F);
        FloatVector d = c;
        long at = first;
        long weight = weights;
        for (int j = 0; j < count; j++) {
            FloatVector e = FloatVector.fromMemorySegment(F, from, at, ORDER)
                    .fma(FloatVector.broadcast(F, memory.get(FLOAT, weight)), d);
            d = c;
            c = e;
            at += stride;
            weight += 4;
        }
        c = c.add(d);
        FloatVector t = FloatVector.broadcast(F, memory.get(FLOAT, times));
        if (fresh) {
            c = c.mul(t);
        } else {
            c = FloatVector.fromMemorySegment(F, target, out, ORDER).fma(t, c);
        }
        c.intoMemorySegment(target, out, ORDER);
    }

    /** Whether all elements of rows of whole vectors are finite. */
    static boolean finite(MemorySegment segment, long first, long stride, int rows, int vectors) {
        MemorySegment from = Lanes.requireNative(segment);
        FloatVector zero = FloatVector.zero(F);
        FloatVector zeroIfFinite = zero;
        long row = first;
        for (int r = 0; r < rows; r++) {
            for (int v = 0; v < vectors; v++) {
                zeroIfFinite = FloatVector.fromMemorySegment(F, from, row + (long) v * BYTES, ORDER)
                        .fma(zero, zeroIfFinite);
            }
            row += stride;
        }
        return zeroIfFinite.compare(VectorOperators.EQ, 0).allTrue();
    }
}
