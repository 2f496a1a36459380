package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.F;
import static dev.lanewise.internal.kernel.Lanes.FLOAT;
import static dev.lanewise.internal.kernel.Lanes.ORDER;
import static dev.lanewise.internal.kernel.Lanes.requireNative;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/** The micro-kernel with 4 accumulators: 4 broadcast rows × 1 panel vector. See {@link Tile} for the arguments. */
final class Tile4x1 {
    private Tile4x1() {
    }

    /** out = a·panel. */
    static void multiply(MemorySegment a, long a0, long row1, long row2, long row3, long step, int depth,
            MemorySegment b,
            long panel, long panelStep, MemorySegment c, long out, long outStep) {
        a = requireNative(a);
        b = requireNative(b);
        c = requireNative(c);
        FloatVector c00 = FloatVector.zero(F);
        FloatVector c10 = FloatVector.zero(F);
        FloatVector c20 = FloatVector.zero(F);
        FloatVector c30 = FloatVector.zero(F);
        for (int p = 0; p < depth; p++) {
            FloatVector b0 = FloatVector.fromMemorySegment(F, b, panel, ORDER);
            FloatVector x0 = FloatVector.broadcast(F, a.get(FLOAT, a0));
            c00 = x0.fma(b0, c00);
            FloatVector x1 = FloatVector.broadcast(F, a.get(FLOAT, a0 + row1));
            c10 = x1.fma(b0, c10);
            FloatVector x2 = FloatVector.broadcast(F, a.get(FLOAT, a0 + row2));
            c20 = x2.fma(b0, c20);
            FloatVector x3 = FloatVector.broadcast(F, a.get(FLOAT, a0 + row3));
            c30 = x3.fma(b0, c30);
            a0 += step;
            panel += panelStep;
        }
        c00.intoMemorySegment(c, out, ORDER);
        out += outStep;
        c10.intoMemorySegment(c, out, ORDER);
        out += outStep;
        c20.intoMemorySegment(c, out, ORDER);
        out += outStep;
        c30.intoMemorySegment(c, out, ORDER);
    }
}
