package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.F;
import static dev.lanewise.internal.kernel.Lanes.FLOAT;
import static dev.lanewise.internal.kernel.Lanes.ORDER;
import static dev.lanewise.internal.kernel.Lanes.requireNative;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/** The micro-kernel with 8 accumulators: 4 broadcast rows × 2 panel vectors. See {@link Tile} for the arguments. */
final class Tile4x2 {
    private Tile4x2() {
    }

    /** out = a·panel. */
    static void multiply(MemorySegment a, long a0, long row1, long row2, long row3, long step, int depth,
            MemorySegment b,
            long panel, long panelStep, MemorySegment c, long out, long outStep) {
        a = requireNative(a);
        b = requireNative(b);
        c = requireNative(c);
        FloatVector c00 = FloatVector.zero(F);
        FloatVector c01 = FloatVector.zero(F);
        FloatVector c10 = FloatVector.zero(F);
        FloatVector c11 = FloatVector.zero(F);
        FloatVector c20 = FloatVector.zero(F);
        FloatVector c21 = FloatVector.zero(F);
        FloatVector c30 = FloatVector.zero(F);
        FloatVector c31 = FloatVector.zero(F);
        for (int p = 0; p < depth; p++) {
            FloatVector b0 = FloatVector.fromMemorySegment(F, b, panel, ORDER);
            FloatVector b1 = FloatVector.fromMemorySegment(F, b, panel + BYTES, ORDER);
            FloatVector x0 = FloatVector.broadcast(F, a.get(FLOAT, a0));
            c00 = x0.fma(b0, c00);
            c01 = x0.fma(b1, c01);
            FloatVector x1 = FloatVector.broadcast(F, a.get(FLOAT, a0 + row1));
            c10 = x1.fma(b0, c10);
            c11 = x1.fma(b1, c11);
            FloatVector x2 = FloatVector.broadcast(F, a.get(FLOAT, a0 + row2));
            c20 = x2.fma(b0, c20);
            c21 = x2.fma(b1, c21);
            FloatVector x3 = FloatVector.broadcast(F, a.get(FLOAT, a0 + row3));
            c30 = x3.fma(b0, c30);
            c31 = x3.fma(b1, c31);
            a0 += step;
            panel += panelStep;
        }
        c00.intoMemorySegment(c, out, ORDER);
        c01.intoMemorySegment(c, out + BYTES, ORDER);
        out += outStep;
        c10.intoMemorySegment(c, out, ORDER);
        c11.intoMemorySegment(c, out + BYTES, ORDER);
        out += outStep;
        c20.intoMemorySegment(c, out, ORDER);
        c21.intoMemorySegment(c, out + BYTES, ORDER);
        out += outStep;
        c30.intoMemorySegment(c, out, ORDER);
        c31.intoMemorySegment(c, out + BYTES, ORDER);
    }
}
