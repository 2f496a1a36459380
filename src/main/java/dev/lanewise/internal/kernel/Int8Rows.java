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
import static dev.lanewise.internal.kernel.Lanes.I;
import static dev.lanewise.internal.kernel.Lanes.ORDER;
import static dev.lanewise.internal.kernel.Lanes.requireNative;
import static dev.lanewise.internal.kernel.Transpose.BIT1;
import static dev.lanewise.internal.kernel.Transpose.BIT2;
import static dev.lanewise.internal.kernel.Transpose.XOR1;
import static dev.lanewise.internal.kernel.Transpose.XOR2;
import static jdk.incubator.vector.VectorOperators.I2F;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LSHR;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/**
 * Products with rows of int8, four of them in a lane, from the lowest byte of each int on. Each is moved to the top of its lane, which makes it
 * 2²⁴ times the number: the query, or the weight, is 2⁻²⁴ times itself instead. Scales of rows are not applied. A query and a context that meet
 * such rows are in the {@link RowOrder} of fours. See {@link RowProducts} for the arguments.
 */
final class Int8Rows {
    /** What the products would otherwise be too large by. */
    static final float TOP_BYTE = 0x1p-24f;
    private static final int UPPER_BYTE = 0xFF000000;

    private Int8Rows() {
    }

    private static IntVector load(MemorySegment from, long at) {
        return IntVector.fromMemorySegment(I, from, at, ORDER);
    }

    /**
     * The products of one query and sixteen vectors of each row, the query from the first-level cache: in four sums, since a row would wait for
     * sixteen additions to one. Two vectors of features a turn keep C2 below the nodes that {@link WideRows} tells of.
     */
    static void dot16(BlockRows rows, int first, int end, long column, MemorySegment scratch, long query,
            long out) {
        MemorySegment from = requireNative(rows.segment);
        MemorySegment memory = requireNative(scratch);
        MemorySegment queries = memory.asSlice(query, 16 * BYTES);
        long stride = rows.stride;
        int run = rows.run(first);
        int stop = Math.min(end, rows.end(run));
        long at = rows.at(run, first) + column;
        int last = Transpose.padded(end);
        IntVector upper = IntVector.broadcast(I, UPPER_BYTE);
        FloatVector zero = FloatVector.zero(F);
        FloatVector a0 = zero;
        FloatVector a1 = zero;
        FloatVector a2 = zero;
        FloatVector a3 = zero;
        FloatVector s0 = zero;
        FloatVector s1 = zero;
        FloatVector s2 = zero;
        FloatVector s3 = zero;
        for (int j = first; j < last;) {
            FloatVector m0 = zero;
            FloatVector m1 = zero;
            FloatVector m2 = zero;
            FloatVector m3 = zero;
            MemorySegment row = from.asSlice(at, 4 * BYTES);
            for (int part = 0; part < 4; part++) {
                IntVector x = load(row, part * (long) BYTES);
                for (int half = 0; half < 2; half++) {
                    MemorySegment q = queries.asSlice((2 * part + half) * (2L * BYTES), 2 * BYTES);
                    FloatVector d0 = ((FloatVector) x.lanewise(LSHL, 24).convert(I2F, 0))
                            .fma(FloatVector.fromMemorySegment(F, q, 0, ORDER), m0);
                    FloatVector d1 = ((FloatVector) x.lanewise(LSHL, 16).and(upper).convert(I2F, 0))
                            .fma(FloatVector.fromMemorySegment(F, q, BYTES, ORDER), m1);
                    x = x.lanewise(LSHR, 16);
                    m0 = m2;
                    m1 = m3;
                    m2 = d0;
                    m3 = d1;
                }
            }
            FloatVector sum = m0.add(m1).add(m2.add(m3));
            a0 = a1;
            a1 = a2;
            a2 = a3;
            a3 = sum;
            if (++j < stop) {
                at += stride;
            } else if (j < end) {
                run++;
                at = rows.start(run) + column;
                stop = Math.min(end, rows.end(run));
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
                    sums.rearrange(LANE_BY_LANE)
                            .add(FloatVector.fromMemorySegment(F, memory, out, ORDER))
                            .intoMemorySegment(memory, out, ORDER);
                    out += BYTES;
                }
            }
        }
    }

    /** The products of one query and eight vectors of each row, in two halves that change places. */
    static void dot8(BlockRows rows, int first, int end, long column, MemorySegment scratch, long query,
            long out) {
        MemorySegment from = requireNative(rows.segment);
        MemorySegment memory = requireNative(scratch);
        FloatVector q0 = FloatVector.fromMemorySegment(F, memory, query, ORDER);
        FloatVector q1 = FloatVector.fromMemorySegment(F, memory, query + BYTES, ORDER);
        FloatVector q2 = FloatVector.fromMemorySegment(F, memory, query + 2 * BYTES, ORDER);
        FloatVector q3 = FloatVector.fromMemorySegment(F, memory, query + 3 * BYTES, ORDER);
        FloatVector q4 = FloatVector.fromMemorySegment(F, memory, query + 4 * BYTES, ORDER);
        FloatVector q5 = FloatVector.fromMemorySegment(F, memory, query + 5 * BYTES, ORDER);
        FloatVector q6 = FloatVector.fromMemorySegment(F, memory, query + 6 * BYTES, ORDER);
        FloatVector q7 = FloatVector.fromMemorySegment(F, memory, query + 7 * BYTES, ORDER);
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
        FloatVector s2 = q0;
        FloatVector s3 = q0;
        for (int j = first; j < last;) {
            FloatVector sum = FloatVector.zero(F);
            MemorySegment row = from.asSlice(at, 2 * BYTES);
            for (int half = 0; half < 2; half++) {
                IntVector x0 = load(row, half * (long) BYTES);
                sum = ((FloatVector) x0.lanewise(LSHL, 24).convert(I2F, 0)).fma(q0, sum);
                sum = ((FloatVector) x0.lanewise(LSHL, 16).and(UPPER_BYTE).convert(I2F, 0)).fma(q1, sum);
                sum = ((FloatVector) x0.lanewise(LSHL, 8).and(UPPER_BYTE).convert(I2F, 0)).fma(q2, sum);
                sum = ((FloatVector) x0.and(UPPER_BYTE).convert(I2F, 0)).fma(q3, sum);
                FloatVector p0 = q0;
                q0 = q4;
                q4 = p0;
                FloatVector p1 = q1;
                q1 = q5;
                q5 = p1;
                FloatVector p2 = q2;
                q2 = q6;
                q6 = p2;
                FloatVector p3 = q3;
                q3 = q7;
                q7 = p3;
            }
            a0 = a1;
            a1 = a2;
            a2 = a3;
            a3 = sum;
            if (++j < stop) {
                at += stride;
            } else if (j < end) {
                run++;
                at = rows.start(run) + column;
                stop = Math.min(end, rows.end(run));
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
                    sums.rearrange(LANE_BY_LANE)
                            .add(FloatVector.fromMemorySegment(F, memory, out, ORDER))
                            .intoMemorySegment(memory, out, ORDER);
                    out += BYTES;
                }
            }
        }
    }

    /** The products of one query and four vectors of each row. */
    static void dot4(BlockRows rows, int first, int end, long column, MemorySegment scratch, long query,
            long out) {
        MemorySegment from = requireNative(rows.segment);
        MemorySegment memory = requireNative(scratch);
        FloatVector q0 = FloatVector.fromMemorySegment(F, memory, query, ORDER);
        FloatVector q1 = FloatVector.fromMemorySegment(F, memory, query + BYTES, ORDER);
        FloatVector q2 = FloatVector.fromMemorySegment(F, memory, query + 2 * BYTES, ORDER);
        FloatVector q3 = FloatVector.fromMemorySegment(F, memory, query + 3 * BYTES, ORDER);
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
        FloatVector s2 = q0;
        FloatVector s3 = q0;
        for (int j = first; j < last;) {
            MemorySegment row = from.asSlice(at, BYTES);
            IntVector x0 = load(row, 0);
            FloatVector a = ((FloatVector) x0.lanewise(LSHL, 24).convert(I2F, 0)).mul(q0);
            FloatVector b = ((FloatVector) x0.lanewise(LSHL, 16).and(UPPER_BYTE).convert(I2F, 0)).mul(q1);
            a = ((FloatVector) x0.lanewise(LSHL, 8).and(UPPER_BYTE).convert(I2F, 0)).fma(q2, a);
            b = ((FloatVector) x0.and(UPPER_BYTE).convert(I2F, 0)).fma(q3, b);
            FloatVector sum = a.add(b);
            a0 = a1;
            a1 = a2;
            a2 = a3;
            a3 = sum;
            if (++j < stop) {
                at += stride;
            } else if (j < end) {
                run++;
                at = rows.start(run) + column;
                stop = Math.min(end, rows.end(run));
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
                    sums.rearrange(LANE_BY_LANE)
                            .add(FloatVector.fromMemorySegment(F, memory, out, ORDER))
                            .intoMemorySegment(memory, out, ORDER);
                    out += BYTES;
                }
            }
        }
    }

    /** Adds to eight vectors of the context with one row of weights, in two halves that change places. */
    static void mix8(BlockRows rows, int first, int end, long column, MemorySegment scratch,
            long weights, long out) {
        MemorySegment from = requireNative(rows.segment);
        MemorySegment memory = requireNative(scratch);
        FloatVector c0 = FloatVector.fromMemorySegment(F, memory, out, ORDER);
        FloatVector c1 = FloatVector.fromMemorySegment(F, memory, out + BYTES, ORDER);
        FloatVector c2 = FloatVector.fromMemorySegment(F, memory, out + 2 * BYTES, ORDER);
        FloatVector c3 = FloatVector.fromMemorySegment(F, memory, out + 3 * BYTES, ORDER);
        FloatVector c4 = FloatVector.fromMemorySegment(F, memory, out + 4 * BYTES, ORDER);
        FloatVector c5 = FloatVector.fromMemorySegment(F, memory, out + 5 * BYTES, ORDER);
        FloatVector c6 = FloatVector.fromMemorySegment(F, memory, out + 6 * BYTES, ORDER);
        FloatVector c7 = FloatVector.fromMemorySegment(F, memory, out + 7 * BYTES, ORDER);
        long stride = rows.stride;
        int run = rows.run(first);
        int runEnd = rows.end(run);
        long at = rows.at(run, first) + column;
        int j = first;
        for (long weight = weights + first * 4L, last = weights + end * 4L; weight < last; weight += 4) {
            FloatVector w = FloatVector.broadcast(F, memory.get(FLOAT, weight) * TOP_BYTE);
            MemorySegment row = from.asSlice(at, 2 * BYTES);
            for (int half = 0; half < 2; half++) {
                IntVector x0 = load(row, half * (long) BYTES);
                FloatVector d0 = ((FloatVector) x0.lanewise(LSHL, 24).convert(I2F, 0)).fma(w, c0);
                FloatVector d1 = ((FloatVector) x0.lanewise(LSHL, 16).and(UPPER_BYTE).convert(I2F, 0)).fma(w, c1);
                FloatVector d2 = ((FloatVector) x0.lanewise(LSHL, 8).and(UPPER_BYTE).convert(I2F, 0)).fma(w, c2);
                FloatVector d3 = ((FloatVector) x0.and(UPPER_BYTE).convert(I2F, 0)).fma(w, c3);
                c0 = c4;
                c4 = d0;
                c1 = c5;
                c5 = d1;
                c2 = c6;
                c6 = d2;
                c3 = c7;
                c7 = d3;
            }
            at += stride;
            if (++j == runEnd) {
                run++;
                at = rows.start(run) + column;
                runEnd = rows.end(run);
            }
        }
        for (long part = 0; part < 8 * BYTES; part += 2 * BYTES) {
            c0.intoMemorySegment(memory, out + part, ORDER);
            c1.intoMemorySegment(memory, out + part + BYTES, ORDER);
            c0 = c2;
            c1 = c3;
            c2 = c4;
            c3 = c5;
            c4 = c6;
            c5 = c7;
        }
    }

    /** Adds to four vectors of the context with one row of weights. */
    static void mix4(BlockRows rows, int first, int end, long column, MemorySegment scratch,
            long weights, long out) {
        MemorySegment from = requireNative(rows.segment);
        MemorySegment memory = requireNative(scratch);
        FloatVector c0 = FloatVector.fromMemorySegment(F, memory, out, ORDER);
        FloatVector c1 = FloatVector.fromMemorySegment(F, memory, out + BYTES, ORDER);
        FloatVector c2 = FloatVector.fromMemorySegment(F, memory, out + 2 * BYTES, ORDER);
        FloatVector c3 = FloatVector.fromMemorySegment(F, memory, out + 3 * BYTES, ORDER);
        long stride = rows.stride;
        int run = rows.run(first);
        int runEnd = rows.end(run);
        long at = rows.at(run, first) + column;
        int j = first;
        for (long weight = weights + first * 4L, last = weights + end * 4L; weight < last; weight += 4) {
            FloatVector w = FloatVector.broadcast(F, memory.get(FLOAT, weight) * TOP_BYTE);
            IntVector x0 = load(from, at);
            c0 = ((FloatVector) x0.lanewise(LSHL, 24).convert(I2F, 0)).fma(w, c0);
            c1 = ((FloatVector) x0.lanewise(LSHL, 16).and(UPPER_BYTE).convert(I2F, 0)).fma(w, c1);
            c2 = ((FloatVector) x0.lanewise(LSHL, 8).and(UPPER_BYTE).convert(I2F, 0)).fma(w, c2);
            c3 = ((FloatVector) x0.and(UPPER_BYTE).convert(I2F, 0)).fma(w, c3);
            at += stride;
            if (++j == runEnd) {
                run++;
                at = rows.start(run) + column;
                runEnd = rows.end(run);
            }
        }
        c0.intoMemorySegment(memory, out, ORDER);
        c1.intoMemorySegment(memory, out + BYTES, ORDER);
        c2.intoMemorySegment(memory, out + 2 * BYTES, ORDER);
        c3.intoMemorySegment(memory, out + 3 * BYTES, ORDER);
    }
}
