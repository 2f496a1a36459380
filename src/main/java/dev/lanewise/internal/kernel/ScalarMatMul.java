package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.ScalarLoops.padded;

import dev.lanewise.internal.memory.Operand;
import java.util.Arrays;

/**
 * The matrix multiply in float32 without vectors: the fallback, and what runs until the vector kernel is compiled. The arithmetic is in {@link
 * ScalarLoops}, on heap arrays, so that a first call is compiled within milliseconds. The sum over k runs in order of groups of {@link
 * ScalarLoops#TERMS}, so the other sizes do not show in the result.
 */
public final class ScalarMatMul {
    /** Rows of a that are read at a time. */
    private static final int ROWS = 64;
    /** Columns of b, where it is not packed. */
    private static final int COLUMNS = 64;
    /** Few at first: with more, a loop's back-edges reach the threshold of C2 before its calls do, and C2 compiles what only one call can enter. */
    private static final int FIRST_COLUMNS = 32;
    /** Rows of b that stay in the first-level cache, 16 KiB, while those of a pass by. */
    private static final int DEPTH = 64;

    private final MatMulProblem p;
    private final HeapRows rows = new HeapRows();
    private final Operand panel = new Operand();
    /** Like b, padded with zeros to whole groups of terms. */
    private float[][] a = new float[0][];
    private float[][] b = new float[0][];
    private float[][] sums = new float[0][];
    private float[][] bias = new float[0][];

    ScalarMatMul(MatMulProblem problem) {
        p = problem;
    }

    /** Computes the product. */
    public void run() {
        int width = p.packed == null ? COLUMNS : Packing.panelColumns();
        int depth = padded(p.k);
        a = HeapRows.matrix(a, Math.min(ROWS, p.m), depth);
        b = HeapRows.matrix(b, depth, width);
        sums = HeapRows.matrix(sums, ROWS, width);
        bias = HeapRows.matrix(bias, 1, width);
        for (int x = p.k; x < depth; x++) {
            Arrays.fill(b[x], 0);
        }
        int next = p.packed == null ? FIRST_COLUMNS : width;
        for (int column = 0; column < p.n; column = next, next += width) {
            columns(column, Math.min(next, p.n) - column);
        }
    }

    private void columns(int column, int columns) {
        if (p.packed == null) {
            rows.load(p.b, p.b.base + column * p.b.columnStride, p.k, columns, b);
        } else {
            Packing.view(p.packed, p.k, p.n, column, panel);
            rows.load(panel, panel.base, p.k, columns, b);
            panel.clear();
        }
        Arrays.fill(bias[0], 0);
        if (p.bias.present()) {
            rows.load(p.bias, p.bias.base + column * p.bias.columnStride, 1, columns, bias);
        }
        for (int row = 0; row < p.m; row += ROWS) {
            rows(row, Math.min(ROWS, p.m - row), column, columns);
        }
    }

    private void rows(int row, int count, int column, int columns) {
        rows.load(p.a, p.a.at(0, 0, row), count, p.k, a);
        for (int r = 0; r < count; r++) {
            Arrays.fill(a[r], p.k, padded(p.k), 0);
            System.arraycopy(bias[0], 0, sums[r], 0, columns);
        }
        for (int first = 0; first < p.k; first += DEPTH) {
            p.cancellation.check();
            int end = Math.min(first + DEPTH, p.k);
            for (int r = 0; r < count; r++) {
                ScalarLoops.combine(sums[r], a[r], b, first, end, columns);
            }
        }
        for (int r = 0; r < count; r++) {
            rows.store(sums[r], columns, p.out, p.out.at(0, 0, (long) row + r) + column * p.out.columnStride);
        }
    }
}
