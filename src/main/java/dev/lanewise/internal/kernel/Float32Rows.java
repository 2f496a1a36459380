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

/** Products with rows of float32, lanes along the row. See {@link RowProducts} for the arguments. */
final class Float32Rows {
    private Float32Rows() {
    }

    /**
     * The products of one query and eight vectors of each row, in one sum that goes through the row backwards: C2 then loads it forwards. With two sums
     * it mixes the loads, and memory is a fifth slower on a Zen 5 core. A slice is one check for all of a row.
     */
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
            MemorySegment row = from.asSlice(at, 8 * BYTES);
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
            MemorySegment row = from.asSlice(at, 4 * BYTES);
            FloatVector sum = FloatVector.fromMemorySegment(F, row, 0, ORDER).mul(q0);
            sum = FloatVector.fromMemorySegment(F, row, 3 * BYTES, ORDER).fma(q3, sum);
            sum = FloatVector.fromMemorySegment(F, row, 2 * BYTES, ORDER).fma(q2, sum);
            sum = FloatVector.fromMemorySegment(F, row, BYTES, ORDER).fma(q1, sum);
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

    /** The products of one query and one vector of each row. */
    static void dot1(BlockRows rows, int first, int end, long column, MemorySegment scratch, long query,
            long out) {
        MemorySegment from = requireNative(rows.segment);
        MemorySegment memory = requireNative(scratch);
        FloatVector q0 = FloatVector.fromMemorySegment(F, memory, query, ORDER);
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
            FloatVector sum = FloatVector.fromMemorySegment(F, from, at, ORDER).mul(q0);
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

    /** Adds to eight vectors of the context with one row of weights. */
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
            FloatVector w = FloatVector.broadcast(F, memory.get(FLOAT, weight));
            c0 = FloatVector.fromMemorySegment(F, from, at, ORDER).fma(w, c0);
            c1 = FloatVector.fromMemorySegment(F, from, at + BYTES, ORDER).fma(w, c1);
            c2 = FloatVector.fromMemorySegment(F, from, at + 2 * BYTES, ORDER).fma(w, c2);
            c3 = FloatVector.fromMemorySegment(F, from, at + 3 * BYTES, ORDER).fma(w, c3);
            c4 = FloatVector.fromMemorySegment(F, from, at + 4 * BYTES, ORDER).fma(w, c4);
            c5 = FloatVector.fromMemorySegment(F, from, at + 5 * BYTES, ORDER).fma(w, c5);
            c6 = FloatVector.fromMemorySegment(F, from, at + 6 * BYTES, ORDER).fma(w, c6);
            c7 = FloatVector.fromMemorySegment(F, from, at + 7 * BYTES, ORDER).fma(w, c7);
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
        c4.intoMemorySegment(memory, out + 4 * BYTES, ORDER);
        c5.intoMemorySegment(memory, out + 5 * BYTES, ORDER);
        c6.intoMemorySegment(memory, out + 6 * BYTES, ORDER);
        c7.intoMemorySegment(memory, out + 7 * BYTES, ORDER);
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
            FloatVector w = FloatVector.broadcast(F, memory.get(FLOAT, weight));
            c0 = FloatVector.fromMemorySegment(F, from, at, ORDER).fma(w, c0);
            c1 = FloatVector.fromMemorySegment(F, from, at + BYTES, ORDER).fma(w, c1);
            c2 = FloatVector.fromMemorySegment(F, from, at + 2 * BYTES, ORDER).fma(w, c2);
            c3 = FloatVector.fromMemorySegment(F, from, at + 3 * BYTES, ORDER).fma(w, c3);
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

    /** Adds to one vector of the context with one row of weights. */
    static void mix1(BlockRows rows, int first, int end, long column, MemorySegment scratch,
            long weights, long out) {
        MemorySegment from = requireNative(rows.segment);
        MemorySegment memory = requireNative(scratch);
        FloatVector c0 = FloatVector.fromMemorySegment(F, memory, out, ORDER);
        long stride = rows.stride;
        int run = rows.run(first);
        int runEnd = rows.end(run);
        long at = rows.at(run, first) + column;
        int j = first;
        for (long weight = weights + first * 4L, last = weights + end * 4L; weight < last; weight += 4) {
            FloatVector w = FloatVector.broadcast(F, memory.get(FLOAT, weight));
            c0 = FloatVector.fromMemorySegment(F, from, at, ORDER).fma(w, c0);
            at += stride;
            if (++j == runEnd) {
                run++;
                at = rows.start(run) + column;
                runEnd = rows.end(run);
            }
        }
        c0.intoMemorySegment(memory, out, ORDER);
    }

    /** Adds to eight vectors of the context with two rows of weights, in two halves that change places. */
    static void mix2x8(BlockRows rows, int first, int end, long column, MemorySegment scratch, long weights,
            long weightRow, long out, long outRow) {
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
        FloatVector c10 = FloatVector.fromMemorySegment(F, memory, out + outRow, ORDER);
        FloatVector c11 = FloatVector.fromMemorySegment(F, memory, out + outRow + BYTES, ORDER);
        FloatVector c12 = FloatVector.fromMemorySegment(F, memory, out + outRow + 2 * BYTES, ORDER);
        FloatVector c13 = FloatVector.fromMemorySegment(F, memory, out + outRow + 3 * BYTES, ORDER);
        FloatVector c14 = FloatVector.fromMemorySegment(F, memory, out + outRow + 4 * BYTES, ORDER);
        FloatVector c15 = FloatVector.fromMemorySegment(F, memory, out + outRow + 5 * BYTES, ORDER);
        FloatVector c16 = FloatVector.fromMemorySegment(F, memory, out + outRow + 6 * BYTES, ORDER);
        FloatVector c17 = FloatVector.fromMemorySegment(F, memory, out + outRow + 7 * BYTES, ORDER);
        long stride = rows.stride;
        int run = rows.run(first);
        int runEnd = rows.end(run);
        long at = rows.at(run, first) + column;
        int j = first;
        for (long weight = weights + first * 4L, last = weights + end * 4L; weight < last; weight += 4) {
            FloatVector w0 = FloatVector.broadcast(F, memory.get(FLOAT, weight));
            FloatVector w1 = FloatVector.broadcast(F, memory.get(FLOAT, weight + weightRow));
            MemorySegment row = from.asSlice(at, 8 * BYTES);
            for (int half = 0; half < 2; half++) {
                FloatVector v0 = FloatVector.fromMemorySegment(F, row, half * 4L * BYTES, ORDER);
                FloatVector d00 = v0.fma(w0, c00);
                FloatVector d10 = v0.fma(w1, c10);
                FloatVector v1 = FloatVector.fromMemorySegment(F, row, half * 4L * BYTES + BYTES, ORDER);
                FloatVector d01 = v1.fma(w0, c01);
                FloatVector d11 = v1.fma(w1, c11);
                FloatVector v2 = FloatVector.fromMemorySegment(F, row, half * 4L * BYTES + 2 * BYTES, ORDER);
                FloatVector d02 = v2.fma(w0, c02);
                FloatVector d12 = v2.fma(w1, c12);
                FloatVector v3 = FloatVector.fromMemorySegment(F, row, half * 4L * BYTES + 3 * BYTES, ORDER);
                FloatVector d03 = v3.fma(w0, c03);
                FloatVector d13 = v3.fma(w1, c13);
                c00 = c04;
                c04 = d00;
                c01 = c05;
                c05 = d01;
                c02 = c06;
                c06 = d02;
                c03 = c07;
                c07 = d03;
                c10 = c14;
                c14 = d10;
                c11 = c15;
                c15 = d11;
                c12 = c16;
                c16 = d12;
                c13 = c17;
                c17 = d13;
            }
            at += stride;
            if (++j == runEnd) {
                run++;
                at = rows.start(run) + column;
                runEnd = rows.end(run);
            }
        }
        for (long to = out, last = out + 2 * outRow; to < last; to += outRow) {
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

    /** Adds to four vectors of the context with four rows of weights. */
    static void mix4x4(BlockRows rows, int first, int end, long column, MemorySegment scratch,
            long weights, long weightRow, long out, long outRow) {
        MemorySegment from = requireNative(rows.segment);
        MemorySegment memory = requireNative(scratch);
        FloatVector c00 = FloatVector.fromMemorySegment(F, memory, out, ORDER);
        FloatVector c01 = FloatVector.fromMemorySegment(F, memory, out + BYTES, ORDER);
        FloatVector c02 = FloatVector.fromMemorySegment(F, memory, out + 2 * BYTES, ORDER);
        FloatVector c03 = FloatVector.fromMemorySegment(F, memory, out + 3 * BYTES, ORDER);
        FloatVector c10 = FloatVector.fromMemorySegment(F, memory, out + outRow, ORDER);
        FloatVector c11 = FloatVector.fromMemorySegment(F, memory, out + outRow + BYTES, ORDER);
        FloatVector c12 = FloatVector.fromMemorySegment(F, memory, out + outRow + 2 * BYTES, ORDER);
        FloatVector c13 = FloatVector.fromMemorySegment(F, memory, out + outRow + 3 * BYTES, ORDER);
        FloatVector c20 = FloatVector.fromMemorySegment(F, memory, out + 2 * outRow, ORDER);
        FloatVector c21 = FloatVector.fromMemorySegment(F, memory, out + 2 * outRow + BYTES, ORDER);
        FloatVector c22 = FloatVector.fromMemorySegment(F, memory, out + 2 * outRow + 2 * BYTES, ORDER);
        FloatVector c23 = FloatVector.fromMemorySegment(F, memory, out + 2 * outRow + 3 * BYTES, ORDER);
        FloatVector c30 = FloatVector.fromMemorySegment(F, memory, out + 3 * outRow, ORDER);
        FloatVector c31 = FloatVector.fromMemorySegment(F, memory, out + 3 * outRow + BYTES, ORDER);
        FloatVector c32 = FloatVector.fromMemorySegment(F, memory, out + 3 * outRow + 2 * BYTES, ORDER);
        FloatVector c33 = FloatVector.fromMemorySegment(F, memory, out + 3 * outRow + 3 * BYTES, ORDER);
        long stride = rows.stride;
        int run = rows.run(first);
        for (int j = first; j < end; run++) {
            long at = rows.at(run, j) + column;
            for (int runEnd = Math.min(end, rows.end(run)); j < runEnd; j++) {
                FloatVector v0 = FloatVector.fromMemorySegment(F, from, at, ORDER);
                FloatVector v1 = FloatVector.fromMemorySegment(F, from, at + BYTES, ORDER);
                FloatVector v2 = FloatVector.fromMemorySegment(F, from, at + 2 * BYTES, ORDER);
                FloatVector v3 = FloatVector.fromMemorySegment(F, from, at + 3 * BYTES, ORDER);
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
                at += stride;
            }
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
