package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.COUNT;
import static dev.lanewise.internal.kernel.Lanes.FLOAT;

import dev.lanewise.internal.memory.Operand;
import dev.lanewise.internal.memory.Scratch;
import java.lang.foreign.MemorySegment;

/**
 * The softmax of rows of float32: maximum, exponentials and their sum, division. Lanes lie along the row. What does not fill a vector comes
 * first, in scratch, filled up with −∞, whose weight is 0.
 */
public final class VectorSoftmax {
    /** Scratch: the vector that is not full, sums of weights, the maximum, a factor, then the row if it cannot be done in place. */
    private static final long HEAD = 0;
    private static final long SUMS = HEAD + BYTES;
    private static final long MAX = SUMS + BYTES;
    private static final long FACTOR = MAX + BYTES;
    private static final long ROW = FACTOR + BYTES;

    private VectorSoftmax() {
    }

    /** All rows from one operand to the other; they may be the same. */
    public static void run(Operand in, Operand out, int rows, int columns, Scratch<?> memory) {
        boolean direct = in.direct && out.direct && in.columnStride == Float.BYTES && out.columnStride == Float.BYTES;
        MemorySegment scratch = memory.memory(ROW + (direct ? 0 : (long) columns * Float.BYTES));
        for (int row = 0; row < rows; row++) {
            long from = in.at(0, 0, row);
            long to = out.at(0, 0, row);
            if (direct) {
                row(in.segment, from, out.segment, to, columns, scratch);
            } else {
                RowStaging.load(in, from, 1, columns, scratch, ROW, 0);
                row(scratch, ROW, scratch, ROW, columns, scratch);
                RowStaging.store(scratch, ROW, 0, 1, columns, out, to);
            }
        }
    }

    private static void row(MemorySegment in, long from, MemorySegment out, long to, int columns,
            MemorySegment scratch) {
        int vectors = columns / COUNT;
        long head = (long) (columns % COUNT) * Float.BYTES;
        scratch.set(FLOAT, MAX, Float.NEGATIVE_INFINITY);
        scratch.set(FLOAT, FACTOR, 1);
        Context.fill(scratch, SUMS, 1, 0);
        if (head > 0) {
            Context.fill(scratch, HEAD, 1, Float.NEGATIVE_INFINITY);
            MemorySegment.copy(in, from, scratch, HEAD, head);
            RowSoftmax.raiseMax(scratch, HEAD, 1, scratch, MAX);
        }
        RowSoftmax.raiseMax(in, from + head, vectors, scratch, MAX);
        RowSoftmax.exponentiate(in, from + head, out, to + head, vectors, scratch, MAX, FACTOR, SUMS);
        if (head > 0) {
            RowSoftmax.exponentiate(scratch, HEAD, scratch, HEAD, 1, scratch, MAX, FACTOR, SUMS);
        }
        float reciprocal = 1 / RowSoftmax.total(scratch, SUMS);
        if (head > 0) {
            Context.multiply(scratch, HEAD, 1, reciprocal);
            MemorySegment.copy(scratch, HEAD, out, to, head);
        }
        Context.multiply(out, to + head, vectors, reciprocal);
    }
}
