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
 * The micro-kernel with 12 accumulators: 6 broadcast rows × 2 panel vectors. See {@link Tile} for the arguments. Each row of a is a slice of
 * its own, all as long and met at one offset, so that one check does for six rows; a step takes 7.2 cycles, where a tile of four rows with a check each
 * took 6.2 for two thirds of the multiply-adds. With four rows of three vectors C2 loads all rows first and runs out of registers.
 */
final class Tile6x2 {
    private Tile6x2() {
    }

    /** out = a·panel. */
    static void multiply(MemorySegment a, long first, long second, long row, long step, int depth, MemorySegment b,
            long panel, long panelStep, MemorySegment c, long out, long outSecond, long outStep, long max) {
        a = requireNative(a);
        b = requireNative(b);
        c = requireNative(c);
        long way = (depth - 1) * step;
        long bytes = depth == 0 ? 0 : Math.abs(way) + Float.BYTES;
        long at = depth == 0 || step >= 0 ? 0 : -way;
        first -= at;
        second -= at;
        MemorySegment row0 = a.asSlice(first, bytes);
        MemorySegment row1 = a.asSlice(first + row, bytes);
        MemorySegment row2 = a.asSlice(first + 2 * row, bytes);
        MemorySegment row3 = a.asSlice(second, bytes);
        MemorySegment row4 = a.asSlice(second + row, bytes);
        MemorySegment row5 = a.asSlice(second + 2 * row, bytes);
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
        for (int p = 0; p < depth; p++) {
            MemorySegment vectors = b.asSlice(panel, 2 * BYTES);
            FloatVector b0 = FloatVector.fromMemorySegment(F, vectors, 0, ORDER);
            FloatVector b1 = FloatVector.fromMemorySegment(F, vectors, BYTES, ORDER);
            FloatVector x0 = FloatVector.broadcast(F, row0.get(FLOAT, at));
            c00 = x0.fma(b0, c00);
            c01 = x0.fma(b1, c01);
            FloatVector x1 = FloatVector.broadcast(F, row1.get(FLOAT, at));
            c10 = x1.fma(b0, c10);
            c11 = x1.fma(b1, c11);
            FloatVector x2 = FloatVector.broadcast(F, row2.get(FLOAT, at));
            c20 = x2.fma(b0, c20);
            c21 = x2.fma(b1, c21);
            FloatVector x3 = FloatVector.broadcast(F, row3.get(FLOAT, at));
            c30 = x3.fma(b0, c30);
            c31 = x3.fma(b1, c31);
            FloatVector x4 = FloatVector.broadcast(F, row4.get(FLOAT, at));
            c40 = x4.fma(b0, c40);
            c41 = x4.fma(b1, c41);
            FloatVector x5 = FloatVector.broadcast(F, row5.get(FLOAT, at));
            c50 = x5.fma(b0, c50);
            c51 = x5.fma(b1, c51);
            at += step;
            panel += panelStep;
        }
        FloatVector m0 = FloatVector.broadcast(F, Float.NEGATIVE_INFINITY);
        FloatVector m1 = FloatVector.broadcast(F, Float.NEGATIVE_INFINITY);
        if (max >= 0) {
            m0 = FloatVector.fromMemorySegment(F, c, max, ORDER);
            m1 = FloatVector.fromMemorySegment(F, c, max + BYTES, ORDER);
        }
        for (int r = 0; r < 6; r++) {
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
            out = r == 2 ? outSecond : out + outStep;
        }
        if (max >= 0) {
            m0.intoMemorySegment(c, max, ORDER);
            m1.intoMemorySegment(c, max + BYTES, ORDER);
        }
    }
}
