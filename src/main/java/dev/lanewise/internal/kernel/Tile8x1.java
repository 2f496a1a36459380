package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.F;
import static dev.lanewise.internal.kernel.Lanes.FLOAT;
import static dev.lanewise.internal.kernel.Lanes.ORDER;
import static dev.lanewise.internal.kernel.Lanes.requireNative;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/** The micro-kernel with 8 accumulators: 8 broadcast rows × 1 panel vector. See {@link Tile} for the arguments. */
final class Tile8x1 {
    private Tile8x1() {
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
        FloatVector c10 = FloatVector.zero(F);
        FloatVector c20 = FloatVector.zero(F);
        FloatVector c30 = FloatVector.zero(F);
        FloatVector c40 = FloatVector.zero(F);
        FloatVector c50 = FloatVector.zero(F);
        FloatVector c60 = FloatVector.zero(F);
        FloatVector c70 = FloatVector.zero(F);
        for (int p = 0; p < depth; p++) {
            FloatVector b0 = FloatVector.fromMemorySegment(F, b, panel, ORDER);
            FloatVector x0 = FloatVector.broadcast(F, a.get(FLOAT, first));
            c00 = x0.fma(b0, c00);
            FloatVector x1 = FloatVector.broadcast(F, a.get(FLOAT, first + row));
            c10 = x1.fma(b0, c10);
            FloatVector x2 = FloatVector.broadcast(F, a.get(FLOAT, first + row2));
            c20 = x2.fma(b0, c20);
            FloatVector x3 = FloatVector.broadcast(F, a.get(FLOAT, first + row3));
            c30 = x3.fma(b0, c30);
            FloatVector x4 = FloatVector.broadcast(F, a.get(FLOAT, second));
            c40 = x4.fma(b0, c40);
            FloatVector x5 = FloatVector.broadcast(F, a.get(FLOAT, second + row));
            c50 = x5.fma(b0, c50);
            FloatVector x6 = FloatVector.broadcast(F, a.get(FLOAT, second + row2));
            c60 = x6.fma(b0, c60);
            FloatVector x7 = FloatVector.broadcast(F, a.get(FLOAT, second + row3));
            c70 = x7.fma(b0, c70);
            first += step;
            second += step;
            panel += panelStep;
        }
        FloatVector m0 = FloatVector.broadcast(F, Float.NEGATIVE_INFINITY);
        if (max >= 0) {
            m0 = FloatVector.fromMemorySegment(F, c, max, ORDER);
        }
        for (int r = 0; r < 8; r++) {
            c00.intoMemorySegment(c, out, ORDER);
            m0 = c00.blend(m0, c00.compare(VectorOperators.LT, m0));
            c00 = c10;
            c10 = c20;
            c20 = c30;
            c30 = c40;
            c40 = c50;
            c50 = c60;
            c60 = c70;
            out = r == 3 ? outSecond : out + outStep;
        }
        if (max >= 0) {
            m0.intoMemorySegment(c, max, ORDER);
        }
    }
}
