package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.F;
import static dev.lanewise.internal.kernel.Lanes.FLOAT;
import static dev.lanewise.internal.kernel.Lanes.ORDER;
import static dev.lanewise.internal.kernel.Lanes.requireNative;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/**
 * The micro-kernel with 12 accumulators: 4 broadcast rows × 3 panel vectors. See {@link Tile} for the arguments; rows of a go forwards. What lies a
 * row behind in a is a segment of its own, so that a row takes a check and an address, without an offset for the check and one more for the load:
 * 35 operations a step instead of 43, where a core that starts six a cycle and two multiply-adds has room for 36. The checks differ, which keeps C2 from
 * loading all rows first: with one check for all it ran out of registers, at half the speed. Slices have a stated length, as only that method is called
 * often enough to be inlined whenever this one is compiled: of the one without, C2 left a call in some JVMs, and 40 bytes in the heap for each tile.
 */
final class Tile4x3 {
    private Tile4x3() {
    }

    /** out = a·panel. */
    static void multiply(MemorySegment a, long first, long second, long row, long step, int depth, MemorySegment b,
            long panel, long panelStep, MemorySegment c, long out, long outSecond, long outStep, long max) {
        a = requireNative(a);
        b = requireNative(b);
        c = requireNative(c);
        MemorySegment next = a.asSlice(row, a.byteSize() - row);
        FloatVector c00 = FloatVector.zero(F);
        FloatVector c01 = FloatVector.zero(F);
        FloatVector c02 = FloatVector.zero(F);
        FloatVector c10 = FloatVector.zero(F);
        FloatVector c11 = FloatVector.zero(F);
        FloatVector c12 = FloatVector.zero(F);
        FloatVector c20 = FloatVector.zero(F);
        FloatVector c21 = FloatVector.zero(F);
        FloatVector c22 = FloatVector.zero(F);
        FloatVector c30 = FloatVector.zero(F);
        FloatVector c31 = FloatVector.zero(F);
        FloatVector c32 = FloatVector.zero(F);
        for (int p = 0; p < depth; p++) {
            MemorySegment vectors = b.asSlice(panel, 3 * BYTES);
            FloatVector b0 = FloatVector.fromMemorySegment(F, vectors, 0, ORDER);
            FloatVector b1 = FloatVector.fromMemorySegment(F, vectors, BYTES, ORDER);
            FloatVector b2 = FloatVector.fromMemorySegment(F, vectors, 2 * BYTES, ORDER);
            FloatVector x0 = FloatVector.broadcast(F, a.get(FLOAT, first));
            c00 = x0.fma(b0, c00);
            c01 = x0.fma(b1, c01);
            c02 = x0.fma(b2, c02);
            FloatVector x1 = FloatVector.broadcast(F, next.get(FLOAT, first));
            c10 = x1.fma(b0, c10);
            c11 = x1.fma(b1, c11);
            c12 = x1.fma(b2, c12);
            FloatVector x2 = FloatVector.broadcast(F, a.get(FLOAT, second));
            c20 = x2.fma(b0, c20);
            c21 = x2.fma(b1, c21);
            c22 = x2.fma(b2, c22);
            FloatVector x3 = FloatVector.broadcast(F, next.get(FLOAT, second));
            c30 = x3.fma(b0, c30);
            c31 = x3.fma(b1, c31);
            c32 = x3.fma(b2, c32);
            first += step;
            second += step;
            panel += panelStep;
        }
        FloatVector m0 = FloatVector.broadcast(F, Float.NEGATIVE_INFINITY);
        FloatVector m1 = FloatVector.broadcast(F, Float.NEGATIVE_INFINITY);
        FloatVector m2 = FloatVector.broadcast(F, Float.NEGATIVE_INFINITY);
        if (max >= 0) {
            m0 = FloatVector.fromMemorySegment(F, c, max, ORDER);
            m1 = FloatVector.fromMemorySegment(F, c, max + BYTES, ORDER);
            m2 = FloatVector.fromMemorySegment(F, c, max + 2 * BYTES, ORDER);
        }
        for (int r = 0; r < 4; r++) {
            c00.intoMemorySegment(c, out, ORDER);
            c01.intoMemorySegment(c, out + BYTES, ORDER);
            c02.intoMemorySegment(c, out + 2 * BYTES, ORDER);
            m0 = c00.blend(m0, c00.compare(VectorOperators.LT, m0));
            m1 = c01.blend(m1, c01.compare(VectorOperators.LT, m1));
            m2 = c02.blend(m2, c02.compare(VectorOperators.LT, m2));
            c00 = c10;
            c01 = c11;
            c02 = c12;
            c10 = c20;
            c11 = c21;
            c12 = c22;
            c20 = c30;
            c21 = c31;
            c22 = c32;
            out = r == 1 ? outSecond : out + outStep;
        }
        if (max >= 0) {
            m0.intoMemorySegment(c, max, ORDER);
            m1.intoMemorySegment(c, max + BYTES, ORDER);
            m2.intoMemorySegment(c, max + 2 * BYTES, ORDER);
        }
    }
}
