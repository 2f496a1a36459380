package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.F;
import static dev.lanewise.internal.kernel.Lanes.FLOAT;
import static dev.lanewise.internal.kernel.Lanes.ORDER;
import static dev.lanewise.internal.kernel.Lanes.requireNative;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/**
 * The micro-kernels for one and two broadcast rows, where {@link Tile} would compute rows again that it has. They read a vector of the
 * panel for every one or two multiply-adds, so reading is what takes the time.
 */
final class RowTile {
    private RowTile() {
    }

    /** As {@link Tile#multiply}, for one to three rows, and none of the output beyond them. */
    static void multiply(MemorySegment a, long aBase, long aRow, long aStep, int rows, int depth, MemorySegment b,
            long panel, long panelRow, int vectors, MemorySegment c, long out, long outRow) {
        int r = 0;
        if (rows >= 2 && vectors == 4) {
            two4(a, aBase, aBase + aRow, aStep, depth, b, panel, panelRow, c, out, outRow);
            r = 2;
        }
        for (; r < rows; r++) {
            row(a, aBase + r * aRow, aStep, depth, b, panel, panelRow, vectors, c, out + r * outRow);
        }
    }

    private static void row(MemorySegment a, long a0, long aStep, int depth, MemorySegment b, long panel, long panelRow,
            int vectors, MemorySegment c, long out) {
        switch (vectors) {
            case 4 -> one4(a, a0, aStep, depth, b, panel, panelRow, c, out);
            case 3 -> one3(a, a0, aStep, depth, b, panel, panelRow, c, out);
            default -> {
                for (int v = 0; v < vectors; v++) {
                    one1(a, a0, aStep, depth, b, panel + v * BYTES, panelRow, c, out + v * BYTES);
                }
            }
        }
    }

    private static void one1(MemorySegment a, long a0, long step, int depth, MemorySegment b, long panel,
            long panelStep, MemorySegment c, long out) {
        a = requireNative(a);
        b = requireNative(b);
        c = requireNative(c);
        FloatVector c0 = FloatVector.zero(F);
        for (int p = 0; p < depth; p++) {
            FloatVector x0 = FloatVector.broadcast(F, a.get(FLOAT, a0));
            c0 = x0.fma(FloatVector.fromMemorySegment(F, b, panel, ORDER), c0);
            a0 += step;
            panel += panelStep;
        }
        c0.intoMemorySegment(c, out, ORDER);
    }

    private static void one3(MemorySegment a, long a0, long step, int depth, MemorySegment b, long panel,
            long panelStep, MemorySegment c, long out) {
        a = requireNative(a);
        b = requireNative(b);
        c = requireNative(c);
        FloatVector c0 = FloatVector.zero(F);
        FloatVector c1 = FloatVector.zero(F);
        FloatVector c2 = FloatVector.zero(F);
        for (int p = 0; p < depth; p++) {
            FloatVector x0 = FloatVector.broadcast(F, a.get(FLOAT, a0));
            c0 = x0.fma(FloatVector.fromMemorySegment(F, b, panel, ORDER), c0);
            c1 = x0.fma(FloatVector.fromMemorySegment(F, b, panel + BYTES, ORDER), c1);
            c2 = x0.fma(FloatVector.fromMemorySegment(F, b, panel + 2 * BYTES, ORDER), c2);
            a0 += step;
            panel += panelStep;
        }
        c0.intoMemorySegment(c, out, ORDER);
        c1.intoMemorySegment(c, out + BYTES, ORDER);
        c2.intoMemorySegment(c, out + 2 * BYTES, ORDER);
    }

    private static void one4(MemorySegment a, long a0, long step, int depth, MemorySegment b, long panel,
            long panelStep, MemorySegment c, long out) {
        a = requireNative(a);
        b = requireNative(b);
        c = requireNative(c);
        FloatVector c0 = FloatVector.zero(F);
        FloatVector c1 = FloatVector.zero(F);
        FloatVector c2 = FloatVector.zero(F);
        FloatVector c3 = FloatVector.zero(F);
        for (int p = 0; p < depth; p++) {
            FloatVector x0 = FloatVector.broadcast(F, a.get(FLOAT, a0));
            c0 = x0.fma(FloatVector.fromMemorySegment(F, b, panel, ORDER), c0);
            c1 = x0.fma(FloatVector.fromMemorySegment(F, b, panel + BYTES, ORDER), c1);
            c2 = x0.fma(FloatVector.fromMemorySegment(F, b, panel + 2 * BYTES, ORDER), c2);
            c3 = x0.fma(FloatVector.fromMemorySegment(F, b, panel + 3 * BYTES, ORDER), c3);
            a0 += step;
            panel += panelStep;
        }
        c0.intoMemorySegment(c, out, ORDER);
        c1.intoMemorySegment(c, out + BYTES, ORDER);
        c2.intoMemorySegment(c, out + 2 * BYTES, ORDER);
        c3.intoMemorySegment(c, out + 3 * BYTES, ORDER);
    }

    private static void two4(MemorySegment a, long a0, long a1, long step, int depth, MemorySegment b, long panel,
            long panelStep, MemorySegment c, long out, long outStep) {
        a = requireNative(a);
        b = requireNative(b);
        c = requireNative(c);
        FloatVector c00 = FloatVector.zero(F);
        FloatVector c01 = FloatVector.zero(F);
        FloatVector c02 = FloatVector.zero(F);
        FloatVector c03 = FloatVector.zero(F);
        FloatVector c10 = FloatVector.zero(F);
        FloatVector c11 = FloatVector.zero(F);
        FloatVector c12 = FloatVector.zero(F);
        FloatVector c13 = FloatVector.zero(F);
        for (int p = 0; p < depth; p++) {
            FloatVector b0 = FloatVector.fromMemorySegment(F, b, panel, ORDER);
            FloatVector b1 = FloatVector.fromMemorySegment(F, b, panel + BYTES, ORDER);
            FloatVector b2 = FloatVector.fromMemorySegment(F, b, panel + 2 * BYTES, ORDER);
            FloatVector b3 = FloatVector.fromMemorySegment(F, b, panel + 3 * BYTES, ORDER);
            FloatVector x0 = FloatVector.broadcast(F, a.get(FLOAT, a0));
            c00 = x0.fma(b0, c00);
            c01 = x0.fma(b1, c01);
            c02 = x0.fma(b2, c02);
            c03 = x0.fma(b3, c03);
            FloatVector x1 = FloatVector.broadcast(F, a.get(FLOAT, a1));
            c10 = x1.fma(b0, c10);
            c11 = x1.fma(b1, c11);
            c12 = x1.fma(b2, c12);
            c13 = x1.fma(b3, c13);
            a0 += step;
            a1 += step;
            panel += panelStep;
        }
        c00.intoMemorySegment(c, out, ORDER);
        c01.intoMemorySegment(c, out + BYTES, ORDER);
        c02.intoMemorySegment(c, out + 2 * BYTES, ORDER);
        c03.intoMemorySegment(c, out + 3 * BYTES, ORDER);
        out += outStep;
        c10.intoMemorySegment(c, out, ORDER);
        c11.intoMemorySegment(c, out + BYTES, ORDER);
        c12.intoMemorySegment(c, out + 2 * BYTES, ORDER);
        c13.intoMemorySegment(c, out + 3 * BYTES, ORDER);
    }
}
