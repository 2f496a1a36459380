package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.COUNT;
import static dev.lanewise.internal.kernel.Lanes.F;
import static dev.lanewise.internal.kernel.Lanes.ORDER;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorShuffle;

/**
 * The sums across the lanes of vectors, as many as a vector has lanes or a multiple of that, by a tree that transposes as it adds: COUNT − 1 additions
 * for COUNT sums. A fixed order, where {@code reduceLanes} leaves it open and the interpreter's differs from C2's.
 */
final class LaneSums {
    /** Bytes of the vectors that are summed at once. */
    static final long GROUP_BYTES = (long) COUNT * BYTES;
    /** The most vectors that are summed together where keys stream by: their loop ends so seldom that memory does not wait for it. */
    static final int BATCH = 256;
    /** Floats of scratch for so many vectors and all that their sums take. */
    static final int FLOATS = 2 * BATCH * COUNT;
    /** The even lanes, then the odd ones. */
    private static final VectorShuffle<Float> EVENS_ODDS = VectorShuffle.fromOp(F,
            lane -> lane % (COUNT / 2) * 2 + lane / (COUNT / 2));
    private static final int QUARTER = COUNT / 4;
    /** The first lane of each quarter, then the second of each, and so on. */
    private static final VectorShuffle<Float> LANE_BY_LANE = VectorShuffle.fromOp(F,
            lane -> lane % 4 * QUARTER + lane / 4);
    static final VectorShuffle<Float> XOR_FAR = xor(COUNT / 2);
    static final VectorShuffle<Float> XOR_NEAR = xor(COUNT / 4);
    static final VectorMask<Float> BIT_FAR = bit(COUNT / 2);
    static final VectorMask<Float> BIT_NEAR = bit(COUNT / 4);

    private LaneSums() {
    }

    private static VectorShuffle<Float> xor(int distance) {
        return distance == 8
                ? Transpose.XOR8
                : distance == 4
                        ? Transpose.XOR4
                        : distance == 2
                                ? Transpose.XOR2
                                : Transpose.XOR1;
    }

    private static VectorMask<Float> bit(int distance) {
        return distance == 8
                ? Transpose.BIT8
                : distance == 4
                        ? Transpose.BIT4
                        : distance == 2
                                ? Transpose.BIT2
                                : Transpose.BIT1;
    }

    /**
     * Adds the sum of vector i to float i, where {@code step} is that of a vector. Each step turns two vectors that follow each other into one: its lower half is the sums of the pairs of
     * lanes of the first, its upper half those of the second; so that all steps of all vectors are one loop, over what it has left behind.
     *
     * @param vectors the byte of the first vector in scratch; as many behind them are free
     * @param count how many vectors: a multiple of {@link Lanes#COUNT}
     * @param to the byte of the first sum
     * @param step bytes from there to the sum of vector {@link Lanes#COUNT}, and so on
     */
    static void add(MemorySegment scratch, long vectors, int count, long to, long step) {
        MemorySegment memory = Lanes.requireNative(scratch);
        int groups = count / COUNT;
        long from = vectors;
        long halves = vectors + (long) count * BYTES;
        for (int n = 0; n < count - groups; n++) {
            FloatVector a = FloatVector.fromMemorySegment(F, memory, from, ORDER);
            FloatVector b = FloatVector.fromMemorySegment(F, memory, from + BYTES, ORDER);
            a.blend(b, Transpose.BIT1)
                    .add(b.blend(a, Transpose.BIT1).rearrange(Transpose.XOR1))
                    .rearrange(EVENS_ODDS)
                    .intoMemorySegment(memory, halves, ORDER);
            from += 2 * BYTES;
            halves += BYTES;
        }
        long sums = halves - (long) groups * BYTES;
        long out = to;
        for (; sums < halves; sums += BYTES) {
            FloatVector.fromMemorySegment(F, memory, out, ORDER)
                    .add(FloatVector.fromMemorySegment(F, memory, sums, ORDER))
                    .intoMemorySegment(memory, out, ORDER);
            out += step;
        }
    }

    /**
     * Adds the sum of quarter i to float i: quarters of vectors, in their order.
     *
     * @param vectors the byte of the first vector in scratch
     * @param sums how many sums: a multiple of {@link Lanes#COUNT}
     * @param to the byte of the first sum
     */
    static void addQuarters(MemorySegment scratch, long vectors, int sums, long to) {
        MemorySegment memory = Lanes.requireNative(scratch);
        long from = vectors;
        for (long out = to, end = to + sums * 4L; out < end; out += BYTES) {
            FloatVector sum = FloatVector.fromMemorySegment(F, memory, from, ORDER);
            if (COUNT == 8) {
                FloatVector b = FloatVector.fromMemorySegment(F, memory, from + BYTES, ORDER);
                sum = sum.blend(b, Transpose.BIT1).add(b.blend(sum, Transpose.BIT1).rearrange(Transpose.XOR1));
            }
            if (COUNT == 16) {
                FloatVector b = FloatVector.fromMemorySegment(F, memory, from + BYTES, ORDER);
                FloatVector c = FloatVector.fromMemorySegment(F, memory, from + 2 * BYTES, ORDER);
                FloatVector d = FloatVector.fromMemorySegment(F, memory, from + 3 * BYTES, ORDER);
                c = sum.blend(c, Transpose.BIT2).add(c.blend(sum, Transpose.BIT2).rearrange(Transpose.XOR2));
                d = b.blend(d, Transpose.BIT2).add(d.blend(b, Transpose.BIT2).rearrange(Transpose.XOR2));
                sum = c.blend(d, Transpose.BIT1).add(d.blend(c, Transpose.BIT1).rearrange(Transpose.XOR1));
            }
            FloatVector.fromMemorySegment(F, memory, out, ORDER)
                    .add(sum.rearrange(LANE_BY_LANE))
                    .intoMemorySegment(memory, out, ORDER);
            from += QUARTER * (long) BYTES;
        }
    }

    /**
     * Adds the sum of vector i to float i. No part of it takes a vector, a mask or a shuffle: C2 would box the arguments of one that it does not
     * inline, or whose class it does not know.
     *
     * @param vectors the byte of the first vector in scratch; overwritten
     * @param to the byte of the first sum
     */
    static void add(MemorySegment scratch, long vectors, long to) {
        MemorySegment memory = Lanes.requireNative(scratch);
        for (int i = 0; i < QUARTER; i++) {
            long at = vectors + (long) i * BYTES;
            FloatVector a = FloatVector.fromMemorySegment(F, memory, at, ORDER);
            FloatVector b = FloatVector.fromMemorySegment(F, memory, at + 2L * QUARTER * BYTES, ORDER);
            FloatVector c = FloatVector.fromMemorySegment(F, memory, at + 1L * QUARTER * BYTES, ORDER);
            FloatVector d = FloatVector.fromMemorySegment(F, memory, at + 3L * QUARTER * BYTES, ORDER);
            FloatVector ab = a.blend(b, BIT_FAR).add(b.blend(a, BIT_FAR).rearrange(XOR_FAR));
            FloatVector cd = c.blend(d, BIT_FAR).add(d.blend(c, BIT_FAR).rearrange(XOR_FAR));
            ab.blend(cd, BIT_NEAR)
                    .add(cd.blend(ab, BIT_NEAR).rearrange(XOR_NEAR))
                    .intoMemorySegment(memory, at, ORDER);
        }
        for (int i = 0; i < QUARTER / 2 && COUNT == 16; i++) {
            long at = vectors + (long) i * BYTES;
            FloatVector a = FloatVector.fromMemorySegment(F, memory, at, ORDER);
            FloatVector b = FloatVector.fromMemorySegment(F, memory, at + 2L * BYTES, ORDER);
            a.blend(b, Transpose.BIT2)
                    .add(b.blend(a, Transpose.BIT2).rearrange(Transpose.XOR2))
                    .intoMemorySegment(memory, at, ORDER);
        }
        FloatVector sums = FloatVector.fromMemorySegment(F, memory, vectors, ORDER);
        if (COUNT > 4) {
            FloatVector b = FloatVector.fromMemorySegment(F, memory, vectors + BYTES, ORDER);
            sums = sums.blend(b, Transpose.BIT1).add(b.blend(sums, Transpose.BIT1).rearrange(Transpose.XOR1));
        }
        sums.add(FloatVector.fromMemorySegment(F, memory, to, ORDER)).intoMemorySegment(memory, to, ORDER);
    }
}
