package dev.lanewise.internal.kernel;

import dev.lanewise.internal.memory.Operand;

/** The softmax of rows without vectors: the fallback, and what runs until the vector kernel is compiled. */
public final class ScalarSoftmax {
    private final HeapRows rows = new HeapRows();
    private float[][] row = new float[0][];

    ScalarSoftmax() {
    }

    /** All rows from one operand to the other; they may be the same. */
    public void run(Operand in, Operand out, int count, int columns) {
        row = HeapRows.matrix(row, 1, columns);
        float[] x = row[0];
        for (int r = 0; r < count; r++) {
            rows.load(in, in.at(0, 0, r), 1, columns, row);
            float max = ScalarLoops.max(x, Float.NEGATIVE_INFINITY, columns);
            ScalarLoops.divide(x, ScalarLoops.exponentiate(x, max, columns), columns);
            rows.store(x, columns, out, out.at(0, 0, r));
        }
    }
}
