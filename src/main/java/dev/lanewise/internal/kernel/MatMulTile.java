package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.F;
import static dev.lanewise.internal.kernel.Lanes.FLOAT;
import static dev.lanewise.internal.kernel.Lanes.ORDER;
import static dev.lanewise.internal.kernel.Lanes.requireNative;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/**
 * The micro-kernel of the matrix multiply where there are 32 registers: 24 accumulators, 6 broadcast rows × 4 panel vectors, so that a
 * panel in the second-level cache is read at 21 bytes a cycle instead of the 32 that {@link Tile4x4} asks for. One zero for all
 * accumulators and a store in rounds, in which they move up by two rows, keep the calls of the Vector API fewer than that of the smaller
 * tile: C1 gets through it.
 */
final class MatMulTile {
    /** Rows of a in a tile. */
    static final int ROWS = 6;
    /** Vectors of the panel in a tile. */
    static final int VECTORS = 4;
    private static final int FEWER_ROWS = 4;
    private static final int STORED_ROWS = 2;

    private MatMulTile() {
    }

    /** As {@link Tile#multiply}, but for any number of rows, and none of the output beyond them. */
    static void multiply(MemorySegment a, long aBase, long aRow, long aStep, int rows, int depth, MemorySegment b,
            long panel, long panelRow, int vectors, MemorySegment c, long out, long outRow) {
        int done = 0;
        if (vectors == VECTORS) {
            for (; done + ROWS <= rows; done += ROWS) {
                six(a, aBase + done * aRow, aRow, aStep, depth, b, panel, panelRow, c, out + done * outRow, outRow);
            }
        }
        int tiled = (rows - done) / FEWER_ROWS * FEWER_ROWS;
        Tile.multiply(a, aBase + done * aRow, aRow, aStep, tiled, depth, b, panel, panelRow, vectors, c,
                out + done * outRow, outRow);
        done += tiled;
        RowTile.multiply(a, aBase + done * aRow, aRow, aStep, rows - done, depth, b, panel, panelRow, vectors, c,
                out + done * outRow, outRow);
    }

    private static void six(MemorySegment a, long a0, long row1, long step, int depth, MemorySegment b, long panel,
            long panelStep, MemorySegment c, long out, long outStep) {
        a = requireNative(a);
        b = requireNative(b);
        c = requireNative(c);
        long row2 = 2 * row1;
        long row3 = 3 * row1;
        long row4 = 4 * row1;
        long row5 = 5 * row1;
        FloatVector zero = FloatVector.zero(F);
        FloatVector c00 = zero;
        FloatVector c01 = zero;
        FloatVector c02 = zero;
        FloatVector c03 = zero;
        FloatVector c10 = zero;
        FloatVector c11 = zero;
        FloatVector c12 = zero;
        FloatVector c13 = zero;
        FloatVector c20 = zero;
        FloatVector c21 = zero;
        FloatVector c22 = zero;
        FloatVector c23 = zero;
        FloatVector c30 = zero;
        FloatVector c31 = zero;
        FloatVector c32 = zero;
        FloatVector c33 = zero;
        FloatVector c40 = zero;
        FloatVector c41 = zero;
        FloatVector c42 = zero;
        FloatVector c43 = zero;
        FloatVector c50 = zero;
        FloatVector c51 = zero;
        FloatVector c52 = zero;
        FloatVector c53 = zero;
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
            FloatVector x1 = FloatVector.broadcast(F, a.get(FLOAT, a0 + row1));
            c10 = x1.fma(b0, c10);
            c11 = x1.fma(b1, c11);
            c12 = x1.fma(b2, c12);
            c13 = x1.fma(b3, c13);
            FloatVector x2 = FloatVector.broadcast(F, a.get(FLOAT, a0 + row2));
            c20 = x2.fma(b0, c20);
            c21 = x2.fma(b1, c21);
            c22 = x2.fma(b2, c22);
            c23 = x2.fma(b3, c23);
            FloatVector x3 = FloatVector.broadcast(F, a.get(FLOAT, a0 + row3));
            c30 = x3.fma(b0, c30);
            c31 = x3.fma(b1, c31);
            c32 = x3.fma(b2, c32);
            c33 = x3.fma(b3, c33);
            FloatVector x4 = FloatVector.broadcast(F, a.get(FLOAT, a0 + row4));
            c40 = x4.fma(b0, c40);
            c41 = x4.fma(b1, c41);
            c42 = x4.fma(b2, c42);
            c43 = x4.fma(b3, c43);
            FloatVector x5 = FloatVector.broadcast(F, a.get(FLOAT, a0 + row5));
            c50 = x5.fma(b0, c50);
            c51 = x5.fma(b1, c51);
            c52 = x5.fma(b2, c52);
            c53 = x5.fma(b3, c53);
            a0 += step;
            panel += panelStep;
        }
        for (int r = 0; r < ROWS; r += STORED_ROWS) {
            c00.intoMemorySegment(c, out, ORDER);
            c01.intoMemorySegment(c, out + BYTES, ORDER);
            c02.intoMemorySegment(c, out + 2 * BYTES, ORDER);
            c03.intoMemorySegment(c, out + 3 * BYTES, ORDER);
            out += outStep;
            c10.intoMemorySegment(c, out, ORDER);
            c11.intoMemorySegment(c, out + BYTES, ORDER);
            c12.intoMemorySegment(c, out + 2 * BYTES, ORDER);
            c13.intoMemorySegment(c, out + 3 * BYTES, ORDER);
            out += outStep;
            c00 = c20;
            c01 = c21;
            c02 = c22;
            c03 = c23;
            c10 = c30;
            c11 = c31;
            c12 = c32;
            c13 = c33;
            c20 = c40;
            c21 = c41;
            c22 = c42;
            c23 = c43;
            c30 = c50;
            c31 = c51;
            c32 = c52;
            c33 = c53;
        }
    }
}
