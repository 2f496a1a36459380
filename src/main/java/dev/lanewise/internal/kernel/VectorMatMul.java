package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.COUNT;
import static dev.lanewise.internal.kernel.Lanes.F;
import static dev.lanewise.internal.kernel.Lanes.ORDER;
import static dev.lanewise.internal.kernel.Lanes.PANEL;
import static dev.lanewise.internal.plan.MatMulBlocks.CHUNK_ROWS;

import dev.lanewise.internal.memory.Operand;
import dev.lanewise.internal.memory.Scratch;
import dev.lanewise.internal.plan.MatMulBlocks;
import dev.lanewise.internal.plan.MatrixPaths;
import dev.lanewise.internal.plan.StartUp;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/**
 * The matrix multiply: one panel of b's columns after another, packed unless there are too few rows of a to pay for that, against the
 * rows of a. The sum over k runs in order within blocks whose size the machine decides, so the other sizes do not show in the result.
 */
public final class VectorMatMul {
    private static final MatMulBlocks BLOCKS = MatMulBlocks.of(StartUp.CHOICE.facts(), PANEL);

    private VectorMatMul() {
    }

    /** The size of a right operand as it is laid out for many multiplies. */
    public static long packedBytes(int k, int n) {
        return Math.max(1, Packing.bytes(k, n));
    }

    /** Lays out a right operand once for many multiplies. */
    public static MemorySegment pack(Arena arena, Operand b, int k, int n) {
        MemorySegment packed = arena.allocate(packedBytes(k, n), 64);
        try (Arena temporary = Arena.ofConfined()) {
            MemorySegment scratch = temporary.allocate(Packing.scratchBytes(), 64);
            for (int column = 0; column < n; column += PANEL) {
                Packing.pack(b, 0, k, n, column, packed, Packing.offset(k, column), scratch, 0);
            }
        }
        return packed;
    }

    /** Computes the product. */
    public static void run(MatMulProblem p, Scratch<?> memory) {
        boolean staged = !p.a.direct || p.a.columnStride != Float.BYTES && p.k > 1 && p.n > PANEL;
        int together = staged ? Math.min(p.m, Math.max(CHUNK_ROWS, BLOCKS.stagedFloats() / Math.max(1, p.k))) : p.m;
        p.productAt = 0;
        p.biasAt = p.productAt + (long) CHUNK_ROWS * PANEL * Float.BYTES;
        p.freeAt = p.biasAt + (p.bias.present() ? (long) (p.n + COUNT) * Float.BYTES : 0);
        p.panelAt = p.freeAt + Packing.scratchBytes();
        p.rowsAt = p.panelAt + (p.packed == null ? (long) p.k * PANEL * Float.BYTES : 0);
        p.scratch = memory.memory(p.rowsAt + (staged ? (long) Transpose.padded(together) * p.k * Float.BYTES : 0));
        if (p.bias.present()) {
            RowStaging.load(p.bias, p.bias.base, 1, p.n, p.scratch, p.biasAt, 0);
        }
        if (MatrixPaths.oneRow(p)) {
            SkinnyMatMul.run(p);
            return;
        }
        for (int row = 0; row < p.m; row += together) {
            int rows = Math.min(together, p.m - row);
            MemorySegment a = p.a.segment;
            long from = p.a.at(0, 0, row);
            if (staged) {
                stage(p, from, rows);
                rows(p, p.scratch, p.rowsAt, (long) p.k * Float.BYTES, Float.BYTES, row, rows);
            } else {
                rows(p, a, from, p.a.rowStride, p.a.columnStride, row, rows);
            }
        }
    }

    private static void stage(MatMulProblem p, long from, int rows) {
        long rowBytes = (long) p.k * Float.BYTES;
        int wholeRows = rows / COUNT * COUNT;
        int wholeColumns = p.k / COUNT * COUNT;
        int done = 0;
        if (p.a.direct && p.a.rowStride == Float.BYTES && wholeColumns == p.k) {
            Transpose.run(p.a.segment, from, p.a.columnStride, p.k, wholeRows, p.scratch, p.rowsAt, rowBytes, p.scratch,
                    p.freeAt);
            done = wholeRows;
        }
        RowStaging.load(p.a, from + done * p.a.rowStride, rows - done, p.k, p.scratch, p.rowsAt + done * rowBytes,
                rowBytes);
    }

    private static void rows(MatMulProblem p, MemorySegment a, long from, long aRow, long aStep, int row, int rows) {
        for (int column = 0; column < p.n; column += PANEL) {
            p.cancellation.check();
            int vectors = Packing.vectors(p.n, column);
            int start = Packing.start(p.n, column);
            boolean whole = start + vectors * COUNT <= p.n;
            if (whole && p.out.inPlace()) {
                int first = 0;
                do {
                    int depth = Math.min(BLOCKS.inner(), p.k - first);
                    panel(p, a, from + first * aStep, aRow, aStep, row, rows, column, first, depth, true);
                    first += depth;
                } while (first < p.k);
            } else {
                panel(p, a, from, aRow, aStep, row, rows, column, 0, p.k, false);
            }
        }
    }

    private static void panel(MatMulProblem p, MemorySegment a, long from, long aRow, long aStep, int row, int rows,
            int column, int first, int depth, boolean direct) {
        int vectors = Packing.vectors(p.n, column);
        int start = Packing.start(p.n, column);
        long width = (long) vectors * BYTES;
        MemorySegment b = p.scratch;
        long panel = p.panelAt;
        long panelRow = width;
        if (p.packed != null) {
            b = p.packed;
            panel = Packing.offset(p.k, column) + first * width;
        } else if (start + vectors * COUNT <= p.n && p.b.inPlace()
                && (rows <= MatMulBlocks.UNPACKED_ROWS || p.b.rowStride == width)) {
            b = p.b.segment;
            panel = p.b.at(0, 0, first) + start * p.b.columnStride;
            panelRow = p.b.rowStride;
        } else {
            Packing.pack(p.b, first, depth, p.n, column, p.scratch, panel, p.scratch, p.freeAt);
        }
        long to = p.out.at(0, 0, row) + start * p.out.columnStride;
        if (direct && first == 0) {
            MatMulTile.multiply(a, from, aRow, aStep, rows, depth, b, panel, panelRow, vectors, p.out.segment, to,
                    p.out.rowStride);
            if (p.bias.present()) {
                add(p.scratch, p.biasAt + start * 4L, 0, p.out, to, rows, vectors);
            }
            return;
        }
        for (int r = 0; r < rows; r += CHUNK_ROWS) {
            int some = Math.min(CHUNK_ROWS, rows - r);
            MatMulTile.multiply(a, from + r * aRow, aRow, aStep, some, depth, b, panel, panelRow, vectors, p.scratch,
                    p.productAt, width);
            if (direct) {
                add(p.scratch, p.productAt, width, p.out, to + r * p.out.rowStride, some, vectors);
            } else {
                if (p.bias.present()) {
                    ScoreTransforms.add(p.scratch, p.productAt, some, vectors, p.biasAt + start * 4L, 0);
                }
                int columns = Math.min(vectors * COUNT, p.n - start);
                RowStaging.store(p.scratch, p.productAt, width, some, columns, p.out, to + r * p.out.rowStride);
            }
        }
    }

    /** out += term, from rows of scratch {@code row} bytes apart. */
    static void add(MemorySegment scratch, long term, long row, Operand out, long to, int rows, int vectors) {
        MemorySegment from = Lanes.requireNative(scratch);
        MemorySegment target = Lanes.requireNative(out.segment);
        for (int r = 0; r < rows; r++) {
            for (int v = 0; v < vectors; v++) {
                long at = to + r * out.rowStride + (long) v * BYTES;
                FloatVector.fromMemorySegment(F, target, at, ORDER)
                        .add(FloatVector.fromMemorySegment(F, from, term + r * row + (long) v * BYTES, ORDER))
                        .intoMemorySegment(target, at, ORDER);
            }
        }
    }
}
