package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.COUNT;
import static dev.lanewise.internal.kernel.Lanes.F;
import static dev.lanewise.internal.kernel.Lanes.ORDER;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorShuffle;

/**
 * The transposition of a float32 matrix, in square blocks of as many rows as a vector has lanes. A block takes log₂(lanes) stages;
 * the stage of distance d exchanges, in rows r and r + d, the lanes of r whose index has bit d with those of r + d that have not.
 */
final class Transpose {
    /** Scratch for one block. */
    static final int BLOCK_BYTES = COUNT * COUNT * Float.BYTES;

    static final VectorShuffle<Float> XOR8 = xor(8);
    static final VectorShuffle<Float> XOR4 = xor(4);
    static final VectorShuffle<Float> XOR2 = xor(2);
    static final VectorShuffle<Float> XOR1 = xor(1);
    static final VectorMask<Float> BIT8 = bit(8);
    static final VectorMask<Float> BIT4 = bit(4);
    static final VectorMask<Float> BIT2 = bit(2);
    static final VectorMask<Float> BIT1 = bit(1);
    private static final int BLOCK_ROW = Lanes.BYTES;

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

    /** Rounds up to whole blocks. */
    static int padded(int count) {
        return (count + COUNT - 1) / COUNT * COUNT;
    }

    /**
     * to[c, r] = from[r, c], for whole blocks only: rows and columns are rounded up, so both sides need the room. Rows are contiguous on
     * both sides; strides are in bytes.
     *
     * @param block the byte of {@link #BLOCK_BYTES} free bytes of scratch
     */
    static void run(MemorySegment from, long fromAt, long fromRow, int rows, int columns, MemorySegment to, long toAt,
            long toRow, MemorySegment scratch, long block) {
        for (int r = 0; r < rows; r += COUNT) {
            for (int c = 0; c < columns; c += COUNT) {
                block(from, fromAt + r * fromRow + c * 4L, fromRow, to, toAt + c * toRow + r * 4L, toRow, scratch,
                        block);
            }
        }
    }

    private static void block(MemorySegment from, long fromAt, long fromRow, MemorySegment to, long toAt, long toRow,
            MemorySegment scratch, long block) {
        if (COUNT == 16) {
            twoStages(from, fromAt, fromRow, scratch, block, BLOCK_ROW, 4, XOR8, BIT8, XOR4, BIT4);
            twoStages(scratch, block, BLOCK_ROW, to, toAt, toRow, 1, XOR2, BIT2, XOR1, BIT1);
        } else if (COUNT == 8) {
            twoStages(from, fromAt, fromRow, scratch, block, BLOCK_ROW, 2, XOR4, BIT4, XOR2, BIT2);
            oneStage(scratch, block, BLOCK_ROW, to, toAt, toRow);
        } else {
            twoStages(from, fromAt, fromRow, to, toAt, toRow, 1, XOR2, BIT2, XOR1, BIT1);
        }
    }

    /** The stages of distance 2d and d, on four rows at a time. */
    private static void twoStages(MemorySegment from, long fromAt, long fromRow, MemorySegment to, long toAt,
            long toRow, int d,
            VectorShuffle<Float> xorFar, VectorMask<Float> bitFar, VectorShuffle<Float> xorNear,
            VectorMask<Float> bitNear) {
        MemorySegment source = Lanes.requireNative(from);
        MemorySegment target = Lanes.requireNative(to);
        VectorMask<Float> notFar = bitFar.not();
        VectorMask<Float> notNear = bitNear.not();
        for (int four = 0; four < COUNT / 4; four++) {
            int r = (four & -d) * 4 + (four & d - 1);
            long at = fromAt + r * fromRow;
            FloatVector a = FloatVector.fromMemorySegment(F, source, at, ORDER);
            FloatVector b = FloatVector.fromMemorySegment(F, source, at + d * fromRow, ORDER);
            FloatVector c = FloatVector.fromMemorySegment(F, source, at + 2 * d * fromRow, ORDER);
            FloatVector e = FloatVector.fromMemorySegment(F, source, at + 3 * d * fromRow, ORDER);
            FloatVector ac = a.blend(c.rearrange(xorFar), bitFar);
            FloatVector ca = c.blend(a.rearrange(xorFar), notFar);
            FloatVector be = b.blend(e.rearrange(xorFar), bitFar);
            FloatVector eb = e.blend(b.rearrange(xorFar), notFar);
            long out = toAt + r * toRow;
            ac.blend(be.rearrange(xorNear), bitNear).intoMemorySegment(target, out, ORDER);
            be.blend(ac.rearrange(xorNear), notNear).intoMemorySegment(target, out + d * toRow, ORDER);
            ca.blend(eb.rearrange(xorNear), bitNear).intoMemorySegment(target, out + 2 * d * toRow, ORDER);
            eb.blend(ca.rearrange(xorNear), notNear).intoMemorySegment(target, out + 3 * d * toRow, ORDER);
        }
    }

    /** The stage of distance 1. */
    private static void oneStage(MemorySegment from, long fromAt, long fromRow, MemorySegment to, long toAt,
            long toRow) {
        MemorySegment source = Lanes.requireNative(from);
        MemorySegment target = Lanes.requireNative(to);
        for (int r = 0; r < COUNT; r += 2) {
            FloatVector a = FloatVector.fromMemorySegment(F, source, fromAt + r * fromRow, ORDER);
            FloatVector b = FloatVector.fromMemorySegment(F, source, fromAt + (r + 1) * fromRow, ORDER);
            a.blend(b.rearrange(XOR1), BIT1).intoMemorySegment(target, toAt + r * toRow, ORDER);
            b.blend(a.rearrange(XOR1), BIT1.not()).intoMemorySegment(target, toAt + (r + 1) * toRow, ORDER);
        }
    }
}
