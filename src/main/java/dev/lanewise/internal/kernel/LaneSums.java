package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.COUNT;
import static dev.lanewise.internal.kernel.Lanes.ORDER;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorShuffle;

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

    /** Stores the sums of eight vectors one after another. */
    static void store(FloatVector a, FloatVector b, FloatVector c, FloatVector d, FloatVector e, FloatVector f,
            FloatVector g, FloatVector h, MemorySegment memory, long at) {
        if (COUNT == 4) {
            four(a, b, c, d).intoMemorySegment(memory, at, ORDER);
            four(e, f, g, h).intoMemorySegment(memory, at + BYTES, ORDER);
        } else {
            FloatVector low = four(pair(a, e, Transpose.XOR4, Transpose.BIT4),
                    pair(b, f, Transpose.XOR4, Transpose.BIT4),
                    pair(c, g, Transpose.XOR4, Transpose.BIT4), pair(d, h, Transpose.XOR4, Transpose.BIT4));
            FloatVector sums = COUNT == 16 ? low.add(low.rearrange(Transpose.XOR8)) : low;
            sums.intoMemorySegment(memory, at, ORDER);
        }
    }

    private static FloatVector four(FloatVector a, FloatVector b, FloatVector c, FloatVector d) {
        return pair(pair(a, c, Transpose.XOR2, Transpose.BIT2), pair(b, d, Transpose.XOR2, Transpose.BIT2),
                Transpose.XOR1, Transpose.BIT1);
    }

    /** Lanes without the bit add up those of a, lanes with it those of b. */
    private static FloatVector pair(FloatVector a, FloatVector b, VectorShuffle<Float> xor, VectorMask<Float> bit) {
        return a.blend(b, bit).add(b.blend(a, bit).rearrange(xor));
    }
}
