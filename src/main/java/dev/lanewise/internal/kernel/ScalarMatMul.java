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
    /** Terms of a sum that are on the heap at a time. */
    private static final int BLOCK = 4096;
    /** Multiply-adds that count as an element that is gone through. */
    private static final int SCALAR_MULTIPLY_ADDS = 4;

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
        int depth = padded(Math.min(BLOCK, p.k));
        a = HeapRows.matrix(a, Math.min(ROWS, p.m), depth);
        b = HeapRows.matrix(b, depth, width);
        sums = HeapRows.matrix(sums, ROWS, width);
        bias = HeapRows.matrix(bias, 1, width);
        int next = p.packed == null ? FIRST_COLUMNS : width;
        try {
            for (int column = 0; column < p.n; column = next, next += width) {
                columns(column, Math.min(next, p.n) - column);
            }
        } finally {
            panel.clear();
        }
    }

    private void columns(int column, int columns) {
        if (p.packed == null) {
            panel.segment = p.b.segment;
            panel.type = p.b.type;
            panel.columnStride = p.b.columnStride;
            panel.rowStride = p.b.rowStride;
            panel.base = p.b.base + column * p.b.columnStride;
        } else {
            Packing.view(p.packed, p.k, p.n, column, panel);
        }
        Arrays.fill(bias[0], 0);
        if (p.bias.present()) {
            rows.load(p.bias, p.bias.base + column * p.bias.columnStride, 1, columns, bias);
        }
        if (p.k <= BLOCK) {
            loadPanel(0, p.k, columns);
        }
        for (int row = 0; row < p.m; row += ROWS) {
            rows(row, Math.min(ROWS, p.m - row), column, columns);
        }
    }

    private void rows(int row, int count, int column, int columns) {
        for (int r = 0; r < count; r++) {
            System.arraycopy(bias[0], 0, sums[r], 0, columns);
        }
        for (int first = 0; first < p.k; first += BLOCK) {
            int terms = Math.min(BLOCK, p.k - first);
            if (p.k > BLOCK) {
                loadPanel(first, terms, columns);
            }
            loadRows(row, count, first, terms);
            for (int x = 0; x < terms; x += DEPTH) {
                int end = Math.min(x + DEPTH, terms);
                p.cancellation.pass((long) count * columns * (end - x) / SCALAR_MULTIPLY_ADDS);
                for (int r = 0; r < count; r++) {
                    ScalarLoops.combine(sums[r], a[r], b, x, end, columns);
                }
            }
        }
        p.cancellation.pass((long) count * columns);
        for (int r = 0; r < count; r++) {
            rows.store(sums[r], columns, p.out, p.out.at(0, 0, (long) row + r) + column * p.out.columnStride);
        }
    }

    /** So many rows of the panel, some at a time, and zeros to a whole group. */
    private void loadPanel(int first, int terms, int columns) {
        int most = Math.max(1, p.cancellation.piece() / columns);
        for (int x = 0; x < terms; x += most) {
            int some = Math.min(most, terms - x);
            p.cancellation.pass((long) some * columns);
            rows.load(panel, panel.at(0, 0, (long) first + x), some, columns, b, x);
        }
        for (int x = terms; x < padded(terms); x++) {
            Arrays.fill(b[x], 0);
        }
    }

    /** Likewise so many columns of rows of a. */
    private void loadRows(int row, int count, int first, int terms) {
        int most = Math.max(1, p.cancellation.piece() / terms);
        for (int r = 0; r < count; r += most) {
            int some = Math.min(most, count - r);
            p.cancellation.pass((long) some * terms);
            rows.load(p.a, p.a.at(0, 0, (long) row + r) + first * p.a.columnStride, some, terms, a, r);
        }
        for (int r = 0; r < count; r++) {
            Arrays.fill(a[r], terms, padded(terms), 0);
        }
    }
}
