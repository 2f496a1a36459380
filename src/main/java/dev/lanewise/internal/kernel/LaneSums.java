package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.COUNT;
import static dev.lanewise.internal.kernel.Lanes.F;
import static dev.lanewise.internal.kernel.Lanes.ORDER;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/**
 * The sums across the lanes of eight vectors at once, by a tree that transposes as it adds: 8 additions for 8 sums. A fixed order, where
 * {@code reduceLanes} leaves it open and the interpreter's differs from C2's.
 */
final class LaneSums {
    /** Vectors summed at once. */
    static final int GROUP = 8;
    /** Floats that are written: 8 sums, and as many as fill a vector, which mean nothing. */
    static final int WRITTEN = Math.max(GROUP, COUNT);

    private LaneSums() {
    }

    /**
     * Leaves the sums of eight vectors one after another. No part of it takes a vector: C2 would box the arguments of one that it does not
     * inline.
     *
     * @param vectors the byte of the first vector in scratch
     * @param to the byte of the first sum
     */
    static void sum(MemorySegment scratch, long vectors, long to) {
        MemorySegment memory = Lanes.requireNative(scratch);
        if (COUNT == 4) {
            four(memory, vectors, to);
            four(memory, vectors + 4L * BYTES, to + BYTES);
            return;
        }
        for (int i = 0; i < 4; i++) {
            long at = vectors + (long) i * BYTES;
            FloatVector a = FloatVector.fromMemorySegment(F, memory, at, ORDER);
            FloatVector b = FloatVector.fromMemorySegment(F, memory, at + 4L * BYTES, ORDER);
            a.blend(b, Transpose.BIT4)
                    .add(b.blend(a, Transpose.BIT4).rearrange(Transpose.XOR4))
                    .intoMemorySegment(memory, at, ORDER);
        }
        four(memory, vectors, to);
        if (COUNT == 16) {
            FloatVector low = FloatVector.fromMemorySegment(F, memory, to, ORDER);
            low.add(low.rearrange(Transpose.XOR8)).intoMemorySegment(memory, to, ORDER);
        }
    }

    private static void four(MemorySegment memory, long vectors, long to) {
        for (int i = 0; i < 2; i++) {
            long at = vectors + (long) i * BYTES;
            FloatVector a = FloatVector.fromMemorySegment(F, memory, at, ORDER);
            FloatVector b = FloatVector.fromMemorySegment(F, memory, at + 2L * BYTES, ORDER);
            a.blend(b, Transpose.BIT2)
                    .add(b.blend(a, Transpose.BIT2).rearrange(Transpose.XOR2))
                    .intoMemorySegment(memory, at, ORDER);
        }
        FloatVector a = FloatVector.fromMemorySegment(F, memory, vectors, ORDER);
        FloatVector b = FloatVector.fromMemorySegment(F, memory, vectors + BYTES, ORDER);
        a.blend(b, Transpose.BIT1)
                .add(b.blend(a, Transpose.BIT1).rearrange(Transpose.XOR1))
                .intoMemorySegment(memory, to, ORDER);
    }
}
