package dev.lanewise.internal.kernel;

import dev.lanewise.internal.memory.Operand;

/** The softmax of rows without vectors: the fallback, and what runs until the vector kernel is compiled. */
public final class ScalarSoftmax {
    /** Elements of a row that are gone through without a look at what may end the call. */
    private static final int BLOCK = 4096;
    /** Elements of vectors that take as long as one exponential. */
    private static final int EXPONENTIAL = 16;

    private final Cancellation cancellation;
    private final HeapRows rows = new HeapRows();
    /** A row, in blocks. */
    private float[][] row = new float[0][];
    /** The block at hand. */
    private final float[][] block = new float[1][];

    ScalarSoftmax(Cancellation cancellation) {
        this.cancellation = cancellation;
    }

    /** All rows from one operand to the other; they may be the same. */
    public void run(Operand in, Operand out, int count, int columns) {
        row = HeapRows.matrix(row, Math.ceilDiv(columns, BLOCK), Math.min(BLOCK, columns));
        for (int r = 0; r < count; r++) {
            float max = load(in, in.at(0, 0, r), columns);
            double sum = 0;
            for (int done = 0; done < columns; done += BLOCK) {
                int some = Math.min(BLOCK, columns - done);
                cancellation.pass((long) EXPONENTIAL * some);
                sum += ScalarLoops.exponentiate(row[done / BLOCK], max, some);
            }
            store(sum, columns, out, out.at(0, 0, r));
        }
    }

    /** Reads a row; returns its maximum. */
    private float load(Operand in, long from, int columns) {
        float max = Float.NEGATIVE_INFINITY;
        for (int done = 0; done < columns; done += BLOCK) {
            int some = Math.min(BLOCK, columns - done);
            cancellation.pass(some);
            block[0] = row[done / BLOCK];
            rows.load(in, from + done * in.columnStride, 1, some, block);
            max = ScalarLoops.max(block[0], max, some);
        }
        return max;
    }

    private void store(double sum, int columns, Operand out, long to) {
        for (int done = 0; done < columns; done += BLOCK) {
            int some = Math.min(BLOCK, columns - done);
            cancellation.pass(some);
            float[] weights = row[done / BLOCK];
            ScalarLoops.divide(weights, sum, some);
            rows.store(weights, some, out, to + done * out.columnStride);
        }
    }
}
