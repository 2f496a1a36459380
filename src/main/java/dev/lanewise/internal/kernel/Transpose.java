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

    private static final VectorShuffle<Float> XOR8 = xor(8);
    private static final VectorShuffle<Float> XOR4 = xor(4);
    private static final VectorShuffle<Float> XOR2 = xor(2);
    private static final VectorShuffle<Float> XOR1 = xor(1);
    private static final VectorMask<Float> BIT8 = bit(8);
    private static final VectorMask<Float> BIT4 = bit(4);
    private static final VectorMask<Float> BIT2 = bit(2);
    private static final VectorMask<Float> BIT1 = bit(1);
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
     * to[c, r] = from[r, c] · factor, for whole blocks only: rows and columns are rounded up, so both sides need the room. Rows are
     * contiguous on both sides; strides are in bytes.
     *
     * @param block the byte of {@link #BLOCK_BYTES} free bytes of scratch
     */
    static void run(MemorySegment from, long fromAt, long fromRow, int rows, int columns, MemorySegment to, long toAt,
            long toRow, float factor, MemorySegment scratch, long block) {
        for (int r = 0; r < rows; r += COUNT) {
            for (int c = 0; c < columns; c += COUNT) {
                block(from, fromAt + r * fromRow + c * 4L, fromRow, to, toAt + c * toRow + r * 4L, toRow, factor,
                        scratch, block);
            }
        }
    }

    private static void block(MemorySegment from, long fromAt, long fromRow, MemorySegment to, long toAt, long toRow,
            float factor, MemorySegment scratch, long block) {
        if (COUNT == 16) {
            stage(from, fromAt, fromRow, scratch, block, BLOCK_ROW, 8, XOR8, BIT8, factor);
            stage(scratch, block, BLOCK_ROW, scratch, block, BLOCK_ROW, 4, XOR4, BIT4, 1);
            stage(scratch, block, BLOCK_ROW, scratch, block, BLOCK_ROW, 2, XOR2, BIT2, 1);
        } else if (COUNT == 8) {
            stage(from, fromAt, fromRow, scratch, block, BLOCK_ROW, 4, XOR4, BIT4, factor);
            stage(scratch, block, BLOCK_ROW, scratch, block, BLOCK_ROW, 2, XOR2, BIT2, 1);
        } else {
            stage(from, fromAt, fromRow, scratch, block, BLOCK_ROW, 2, XOR2, BIT2, factor);
        }
        stage(scratch, block, BLOCK_ROW, to, toAt, toRow, 1, XOR1, BIT1, 1);
    }

    private static void stage(MemorySegment from, long fromAt, long fromRow, MemorySegment to, long toAt, long toRow,
            int distance, VectorShuffle<Float> xor, VectorMask<Float> bit, float factor) {
        MemorySegment source = Lanes.requireNative(from);
        MemorySegment target = Lanes.requireNative(to);
        for (int pair = 0; pair < COUNT / 2; pair++) {
            int r = pair + (pair & -distance);
            FloatVector a = FloatVector.fromMemorySegment(F, source, fromAt + r * fromRow, ORDER).mul(factor);
            FloatVector b = FloatVector.fromMemorySegment(F, source, fromAt + (r + distance) * fromRow, ORDER)
                    .mul(factor);
            a.blend(b.rearrange(xor), bit).intoMemorySegment(target, toAt + r * toRow, ORDER);
            b.blend(a.rearrange(xor), bit.not()).intoMemorySegment(target, toAt + (r + distance) * toRow, ORDER);
        }
    }
}
