package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.F;
import static dev.lanewise.internal.kernel.Lanes.FLOAT;
import static dev.lanewise.internal.kernel.Lanes.ORDER;
import static dev.lanewise.internal.kernel.Lanes.requireNative;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/** The micro-kernel with 16 accumulators: 8 broadcast rows × 2 panel vectors. See {@link Tile} for the arguments. */
final class Tile8x2 {
    private Tile8x2() {
    }

    /** out = a·panel. */
    static void multiply(MemorySegment a, long first, long second, long row, long step, int depth, MemorySegment b,
            long panel, long panelStep, MemorySegment c, long out, long outSecond, long outStep, long max) {
        a = requireNative(a);
        b = requireNative(b);
        c = requireNative(c);
        long row2 = 2 * row;
        long row3 = 3 * row;
        FloatVector c00 = FloatVector.zero(F);
        FloatVector c01 = FloatVector.zero(F);
        FloatVector c10 = FloatVector.zero(F);
        FloatVector c11 = FloatVector.zero(F);
        FloatVector c20 = FloatVector.zero(F);
        FloatVector c21 = FloatVector.zero(F);
        FloatVector c30 = FloatVector.zero(F);
        FloatVector c31 = FloatVector.zero(F);
        FloatVector c40 = FloatVector.zero(F);
        FloatVector c41 = FloatVector.zero(F);
        FloatVector c50 = FloatVector.zero(F);
        FloatVector c51 = FloatVector.zero(F);
        FloatVector c60 = FloatVector.zero(F);
        FloatVector c61 = FloatVector.zero(F);
        FloatVector c70 = FloatVector.zero(F);
        FloatVector c71 = FloatVector.zero(F);
        for (int p = 0; p < depth; p++) {
            FloatVector b0 = FloatVector.fromMemorySegment(F, b, panel, ORDER);
            FloatVector b1 = FloatVector.fromMemorySegment(F, b, panel + BYTES, ORDER);
            FloatVector x0 = FloatVector.broadcast(F, a.get(FLOAT, first));
            c00 = x0.fma(b0, c00);
            c01 = x0.fma(b1, c01);
            FloatVector x1 = FloatVector.broadcast(F, a.get(FLOAT, first + row));
            c10 = x1.fma(b0, c10);
            c11 = x1.fma(b1, c11);
            FloatVector x2 = FloatVector.broadcast(F, a.get(FLOAT, first + row2));
            c20 = x2.fma(b0, c20);
            c21 = x2.fma(b1, c21);
            FloatVector x3 = FloatVector.broadcast(F, a.get(FLOAT, first + row3));
            c30 = x3.fma(b0, c30);
            c31 = x3.fma(b1, c31);
            FloatVector x4 = FloatVector.broadcast(F, a.get(FLOAT, second));
            c40 = x4.fma(b0, c40);
            c41 = x4.fma(b1, c41);
            FloatVector x5 = FloatVector.broadcast(F, a.get(FLOAT, second + row));
            c50 = x5.fma(b0, c50);
            c51 = x5.fma(b1, c51);
            FloatVector x6 = FloatVector.broadcast(F, a.get(FLOAT, second + row2));
            c60 = x6.fma(b0, c60);
            c61 = x6.fma(b1, c61);
            FloatVector x7 = FloatVector.broadcast(F, a.get(FLOAT, second + row3));
            c70 = x7.fma(b0, c70);
            c71 = x7.fma(b1, c71);
            first += step;
            second += step;
            panel += panelStep;
        }
        FloatVector m0 = FloatVector.broadcast(F, Float.NEGATIVE_INFINITY);
        FloatVector m1 = FloatVector.broadcast(F, Float.NEGATIVE_INFINITY);
        if (max >= 0) {
            m0 = FloatVector.fromMemorySegment(F, c, max, ORDER);
            m1 = FloatVector.fromMemorySegment(F, c, max + BYTES, ORDER);
        }
        for (int r = 0; r < 8; r++) {
            c00.intoMemorySegment(c, out, ORDER);
            c01.intoMemorySegment(c, out + BYTES, ORDER);
            m0 = c00.blend(m0, c00.compare(VectorOperators.LT, m0));
            m1 = c01.blend(m1, c01.compare(VectorOperators.LT, m1));
            c00 = c10;
            c01 = c11;
            c10 = c20;
            c11 = c21;
            c20 = c30;
            c21 = c31;
            c30 = c40;
            c31 = c41;
            c40 = c50;
            c41 = c51;
            c50 = c60;
            c51 = c61;
            c60 = c70;
            c61 = c71;
            out = r == 3 ? outSecond : out + outStep;
        }
        if (max >= 0) {
            m0.intoMemorySegment(c, max, ORDER);
            m1.intoMemorySegment(c, max + BYTES, ORDER);
        }
    }
}
