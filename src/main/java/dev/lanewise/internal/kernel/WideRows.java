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
 * Products with rows of float32 of sixteen vectors, which are 128 features with 8 lanes, where there are 16 registers. A pass takes the whole of a row, for memory is fastest in its own
 * order: in two passes over half of 64 rows each, 4096 keys took a third longer. Loads are the second factor of a multiply-add, which
 * lets C2 make them a part of the instruction: as the first they are instructions of their own, and take registers. Loops within a row take no longer
 * than all written out, and keep C2 below 18,000 nodes: at 37,000 it inlined what stores the sums last, without knowing their class, and in one JVM
 * with others' vector code each was boxed. See {@link RowProducts} for the arguments.
 */
final class WideRows {
    private WideRows() {
    }

    /** The products of one query and sixteen vectors of each row, in one sum. */
    static void dot16(BlockRows rows, int first, int end, long column, MemorySegment scratch, long query,
            long out) {
        MemorySegment from = requireNative(rows.segment);
        MemorySegment memory = requireNative(scratch);
        MemorySegment features = memory.asSlice(query, 16 * BYTES);
        long stride = rows.stride;
        int run = rows.run(first);
        int stop = Math.min(end, rows.end(run));
        long at = rows.at(run, first) + column;
        int last = Transpose.padded(end);
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
            MemorySegment row = from.asSlice(at, 16 * BYTES);
            FloatVector sum = zero;
            for (long part = 0; part < 16 * BYTES; part += 4 * BYTES) {
                sum = FloatVector.fromMemorySegment(F, features, part, ORDER)
                        .fma(FloatVector.fromMemorySegment(F, row, part, ORDER), sum);
                sum = FloatVector.fromMemorySegment(F, features, part + BYTES, ORDER)
                        .fma(FloatVector.fromMemorySegment(F, row, part + BYTES, ORDER), sum);
                sum = FloatVector.fromMemorySegment(F, features, part + 2 * BYTES, ORDER)
                        .fma(FloatVector.fromMemorySegment(F, row, part + 2 * BYTES, ORDER), sum);
                sum = FloatVector.fromMemorySegment(F, features, part + 3 * BYTES, ORDER)
                        .fma(FloatVector.fromMemorySegment(F, row, part + 3 * BYTES, ORDER), sum);
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

    /**
     * Adds to sixteen vectors of the context with one row of weights, the only one: of several each took 0.86 to 0.91 of the time in two passes, with values
     * from a cache. Six of them stay in memory, by choice: of sixteen C2 keeps which it likes, and reads 0.84
     * of a stream on Zen 3 where this reads 0.98. They have a loop, and what is loaded and stored once moves through one: all written out is more than C1
     * compiles at tier 3.
     */
    static void mix16(BlockRows rows, int first, int end, long column, MemorySegment scratch,
            long weights, long out) {
        MemorySegment from = requireNative(rows.segment);
        MemorySegment memory = requireNative(scratch);
        MemorySegment context = memory.asSlice(out, 16 * BYTES);
        FloatVector zero = FloatVector.zero(F);
        FloatVector c0 = zero;
        FloatVector c1 = zero;
        FloatVector c2 = zero;
        FloatVector c3 = zero;
        FloatVector c4 = zero;
        FloatVector c5 = zero;
        FloatVector c6 = zero;
        FloatVector c7 = zero;
        FloatVector c8 = zero;
        FloatVector c9 = zero;
        for (long part = 0; part < 10 * BYTES; part += 2 * BYTES) {
            c0 = c2;
            c1 = c3;
            c2 = c4;
            c3 = c5;
            c4 = c6;
            c5 = c7;
            c6 = c8;
            c7 = c9;
            c8 = FloatVector.fromMemorySegment(F, context, part, ORDER);
            c9 = FloatVector.fromMemorySegment(F, context, part + BYTES, ORDER);
        }
        long stride = rows.stride;
        int run = rows.run(first);
        int runEnd = rows.end(run);
        long at = rows.at(run, first) + column;
        int j = first;
        for (long weight = weights + first * 4L, last = weights + end * 4L; weight < last; weight += 4) {
            FloatVector w = FloatVector.broadcast(F, memory.get(FLOAT, weight));
            MemorySegment row = from.asSlice(at, 16 * BYTES);
            c0 = w.fma(FloatVector.fromMemorySegment(F, row, 0, ORDER), c0);
            c1 = w.fma(FloatVector.fromMemorySegment(F, row, BYTES, ORDER), c1);
            c2 = w.fma(FloatVector.fromMemorySegment(F, row, 2 * BYTES, ORDER), c2);
            c3 = w.fma(FloatVector.fromMemorySegment(F, row, 3 * BYTES, ORDER), c3);
            c4 = w.fma(FloatVector.fromMemorySegment(F, row, 4 * BYTES, ORDER), c4);
            c5 = w.fma(FloatVector.fromMemorySegment(F, row, 5 * BYTES, ORDER), c5);
            c6 = w.fma(FloatVector.fromMemorySegment(F, row, 6 * BYTES, ORDER), c6);
            c7 = w.fma(FloatVector.fromMemorySegment(F, row, 7 * BYTES, ORDER), c7);
            c8 = w.fma(FloatVector.fromMemorySegment(F, row, 8 * BYTES, ORDER), c8);
            c9 = w.fma(FloatVector.fromMemorySegment(F, row, 9 * BYTES, ORDER), c9);
            for (int i = 10; i < 16; i++) {
                w.fma(FloatVector.fromMemorySegment(F, row, i * (long) BYTES, ORDER),
                        FloatVector.fromMemorySegment(F, context, i * (long) BYTES, ORDER))
                        .intoMemorySegment(context, i * (long) BYTES, ORDER);
            }
            at += stride;
            if (++j == runEnd) {
                run++;
                at = rows.start(run) + column;
                runEnd = rows.end(run);
            }
        }
        for (long part = 0; part < 10 * BYTES; part += 2 * BYTES) {
            c0.intoMemorySegment(context, part, ORDER);
            c1.intoMemorySegment(context, part + BYTES, ORDER);
            c0 = c2;
            c1 = c3;
            c2 = c4;
            c3 = c5;
            c4 = c6;
            c5 = c7;
            c6 = c8;
            c7 = c9;
        }
    }
}
