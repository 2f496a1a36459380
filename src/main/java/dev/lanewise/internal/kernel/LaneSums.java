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
 * The sums across the lanes of vectors, as many as a vector has lanes, by a tree that transposes as it adds: COUNT − 1 additions for COUNT sums.
 * A fixed order, where {@code reduceLanes} leaves it open and the interpreter's differs from C2's.
 *
 * <p>Loops over the rows of keys ({@link Float32Rows} and its likes) have the tree written out: four vectors become one of quarters, and
 * those, as many as there are lanes in a quarter, become one of sums. A second pass over vectors that the loop had stored took longer than
 * the adding does, because memory waits meanwhile: int8 by two thirds, float32 by an eighth.
 */
final class LaneSums {
    private static final int QUARTER = COUNT / 4;
    /** The first lane of each quarter, then the second of each, and so on. */
    static final VectorShuffle<Float> LANE_BY_LANE = VectorShuffle.fromOp(F,
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
     * Adds the sum of vector i to float i. No part of it takes a vector, a mask or a shuffle: C2 would box the arguments of one that it does not
     * inline, or whose class it does not know.
     *
     * @param vectors the byte of the first vector in scratch; overwritten
     * @param to the byte of the first sum
     */
    static void add(MemorySegment scratch, long vectors, long to) {
        MemorySegment memory = Lanes.requireNative(scratch);
        MemorySegment all = memory.asSlice(vectors, COUNT * BYTES);
        for (int i = 0; i < QUARTER; i++) {
            long at = (long) i * BYTES;
            FloatVector a = FloatVector.fromMemorySegment(F, all, at, ORDER);
            FloatVector b = FloatVector.fromMemorySegment(F, all, at + 2L * QUARTER * BYTES, ORDER);
            FloatVector c = FloatVector.fromMemorySegment(F, all, at + 1L * QUARTER * BYTES, ORDER);
            FloatVector d = FloatVector.fromMemorySegment(F, all, at + 3L * QUARTER * BYTES, ORDER);
            FloatVector ab = a.blend(b, BIT_FAR).add(b.blend(a, BIT_FAR).rearrange(XOR_FAR));
            FloatVector cd = c.blend(d, BIT_FAR).add(d.blend(c, BIT_FAR).rearrange(XOR_FAR));
            ab.blend(cd, BIT_NEAR)
                    .add(cd.blend(ab, BIT_NEAR).rearrange(XOR_NEAR))
                    .intoMemorySegment(all, at, ORDER);
        }
        for (int i = 0; i < QUARTER / 2 && COUNT == 16; i++) {
            long at = (long) i * BYTES;
            FloatVector a = FloatVector.fromMemorySegment(F, all, at, ORDER);
            FloatVector b = FloatVector.fromMemorySegment(F, all, at + 2L * BYTES, ORDER);
            a.blend(b, Transpose.BIT2)
                    .add(b.blend(a, Transpose.BIT2).rearrange(Transpose.XOR2))
                    .intoMemorySegment(all, at, ORDER);
        }
        FloatVector sums = FloatVector.fromMemorySegment(F, all, 0, ORDER);
        if (COUNT > 4) {
            FloatVector b = FloatVector.fromMemorySegment(F, all, BYTES, ORDER);
            sums = sums.blend(b, Transpose.BIT1).add(b.blend(sums, Transpose.BIT1).rearrange(Transpose.XOR1));
        }
        sums.add(FloatVector.fromMemorySegment(F, memory, to, ORDER)).intoMemorySegment(memory, to, ORDER);
    }
}
