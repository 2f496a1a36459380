package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.COUNT;
import static dev.lanewise.internal.kernel.Lanes.F;
import static dev.lanewise.internal.kernel.Lanes.ORDER;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorShuffle;

/**
 * The transposition of a float32 matrix, in squares of as many rows as a vector has lanes. A square takes log₂(lanes) stages;
 * the stage of distance d exchanges, in rows r and r + d, the lanes of r whose index has bit d with those of r + d that have not. Two
 * stages are a pass over a block of many squares: 85 cycles for a square of 16 × 16 where two calls a square took 135.
 */
final class Transpose {
    /** Rows and columns of a block. */
    private static final int BLOCK = 64;
    /** Scratch for one block. */
    static final int BLOCK_BYTES = BLOCK * BLOCK * Float.BYTES;

    static final VectorShuffle<Float> XOR8 = xor(8);
    static final VectorShuffle<Float> XOR4 = xor(4);
    static final VectorShuffle<Float> XOR2 = xor(2);
    static final VectorShuffle<Float> XOR1 = xor(1);
    static final VectorMask<Float> BIT8 = bit(8);
    static final VectorMask<Float> BIT4 = bit(4);
    static final VectorMask<Float> BIT2 = bit(2);
    static final VectorMask<Float> BIT1 = bit(1);

    private Transpose() {
    }

    private static VectorShuffle<Float> xor(int distance) {
        return VectorShuffle.fromOp(F, lane -> (lane ^ distance) % COUNT);
    }

    private static VectorMask<Float> bit(int distance) {
        boolean[] lanes = new boolean[COUNT];
        for (int lane = 0; lane < COUNT; lane++) {
            lanes[lane] = (lane & distance) != 0;
        }
        return VectorMask.fromArray(F, lanes, 0);
    }

    /** Rounds up to whole squares. */
    static int padded(int count) {
        return (count + COUNT - 1) / COUNT * COUNT;
    }

    /**
     * to[c, r] = from[r, c], for whole squares only: rows and columns are rounded up, so both sides need the room. Rows are contiguous on
     * both sides; strides are in bytes.
     *
     * @param free the byte of {@link #BLOCK_BYTES} free bytes of scratch
     */
    static void run(MemorySegment from, long fromAt, long fromRow, int rows, int columns, MemorySegment to, long toAt,
            long toRow, MemorySegment scratch, long free) {
        for (int r = 0; r < rows; r += BLOCK) {
            for (int c = 0; c < columns; c += BLOCK) {
                block(from, fromAt + r * fromRow + c * 4L, fromRow, Math.min(BLOCK, rows - r),
                        Math.min(BLOCK, columns - c),
                        to, toAt + c * toRow + r * 4L, toRow, scratch, free);
            }
        }
    }

    private static void block(MemorySegment from, long fromAt, long fromRow, int rows, int columns, MemorySegment to,
            long toAt, long toRow, MemorySegment scratch, long free) {
        int down = padded(rows) / COUNT;
        int right = padded(columns) / COUNT;
        long freeRow = (long) right * BYTES;
        long freeDown = COUNT * freeRow;
        if (COUNT == 16) {
            twoStages(from, fromAt, fromRow, down, COUNT * fromRow, right, BYTES, scratch, free, freeRow, freeDown,
                    BYTES,
                    4, XOR8, BIT8, XOR4, BIT4);
            twoStages(scratch, free, freeRow, right, BYTES, down, freeDown, to, toAt, toRow, COUNT * toRow, BYTES,
                    1, XOR2, BIT2, XOR1, BIT1);
        } else if (COUNT == 8) {
            twoStages(from, fromAt, fromRow, down, COUNT * fromRow, right, BYTES, scratch, free, freeRow, freeDown,
                    BYTES,
                    2, XOR4, BIT4, XOR2, BIT2);
            lastStage(scratch, free, freeRow, rows, columns, to, toAt, toRow);
        } else {
            twoStages(from, fromAt, fromRow, right, BYTES, down, COUNT * fromRow, to, toAt, toRow, COUNT * toRow, BYTES,
                    1, XOR2, BIT2, XOR1, BIT1);
        }
    }

    /**
     * The stages of distance 2d and d of {@code outer · inner} squares, on four rows at a time: of those rows all that is in the inner
     * squares, so that a row of an operand is met whole. The strides are those between rows of a square, outer and inner squares.
     */
    private static void twoStages(MemorySegment from, long fromAt, long fromRow, int outer, long fromOuter, int inner,
            long fromInner, MemorySegment to, long toAt, long toRow, long toOuter, long toInner, int d,
            VectorShuffle<Float> xorFar, VectorMask<Float> bitFar, VectorShuffle<Float> xorNear,
            VectorMask<Float> bitNear) {
        MemorySegment source = Lanes.requireNative(from);
        MemorySegment target = Lanes.requireNative(to);
        VectorMask<Float> notFar = bitFar.not();
        VectorMask<Float> notNear = bitNear.not();
        for (int o = 0; o < outer; o++) {
            for (int four = 0; four < COUNT / 4; four++) {
                int r = (four & -d) * 4 + (four & d - 1);
                long at = fromAt + o * fromOuter + r * fromRow;
                long out = toAt + o * toOuter + r * toRow;
                for (int i = 0; i < inner; i++) {
                    FloatVector a = FloatVector.fromMemorySegment(F, source, at, ORDER);
                    FloatVector b = FloatVector.fromMemorySegment(F, source, at + d * fromRow, ORDER);
                    FloatVector c = FloatVector.fromMemorySegment(F, source, at + 2 * d * fromRow, ORDER);
                    FloatVector e = FloatVector.fromMemorySegment(F, source, at + 3 * d * fromRow, ORDER);
                    FloatVector ac = a.blend(c.rearrange(xorFar), bitFar);
                    FloatVector ca = c.blend(a.rearrange(xorFar), notFar);
                    FloatVector be = b.blend(e.rearrange(xorFar), bitFar);
                    FloatVector eb = e.blend(b.rearrange(xorFar), notFar);
                    ac.blend(be.rearrange(xorNear), bitNear).intoMemorySegment(target, out, ORDER);
                    be.blend(ac.rearrange(xorNear), notNear).intoMemorySegment(target, out + d * toRow, ORDER);
                    ca.blend(eb.rearrange(xorNear), bitNear).intoMemorySegment(target, out + 2 * d * toRow, ORDER);
                    eb.blend(ca.rearrange(xorNear), notNear).intoMemorySegment(target, out + 3 * d * toRow, ORDER);
                    at += fromInner;
                    out += toInner;
                }
            }
        }
    }

    /** The stage of distance 1 of all squares, into their transposed places. */
    private static void lastStage(MemorySegment from, long fromAt, long fromRow, int rows, int columns,
            MemorySegment to, long toAt, long toRow) {
        MemorySegment source = Lanes.requireNative(from);
        MemorySegment target = Lanes.requireNative(to);
        VectorMask<Float> not = BIT1.not();
        for (int down = 0; down < rows; down += COUNT) {
            for (int right = 0; right < columns; right += COUNT) {
                for (int r = 0; r < COUNT; r += 2) {
                    long at = fromAt + (down + r) * fromRow + right * 4L;
                    FloatVector a = FloatVector.fromMemorySegment(F, source, at, ORDER);
                    FloatVector b = FloatVector.fromMemorySegment(F, source, at + fromRow, ORDER);
                    long out = toAt + (right + r) * toRow + down * 4L;
                    a.blend(b.rearrange(XOR1), BIT1).intoMemorySegment(target, out, ORDER);
                    b.blend(a.rearrange(XOR1), not).intoMemorySegment(target, out + toRow, ORDER);
                }
            }
        }
    }
}
