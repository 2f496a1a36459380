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
    /** A multiple of the rows of every tile. */
    private static final int TILED_ROWS = 24;
    /** Multiply-adds that count as an element of {@link Cancellation#pass}: 8 million between two looks, half a millisecond with vectors of 128 bits. */
    private static final int MULTIPLY_ADDS = 128;

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
        p.termAt = p.productAt + (long) CHUNK_ROWS * PANEL * Float.BYTES;
        p.biasAt = p.termAt + (p.k > BLOCKS.inner() ? (long) CHUNK_ROWS * PANEL * Float.BYTES : 0);
        p.freeAt = p.biasAt + (p.bias.present() ? (long) (p.n + COUNT) * Float.BYTES : 0);
        p.panelAt = p.freeAt + Packing.scratchBytes();
        p.rowsAt = p.panelAt + (p.packed == null ? (long) p.k * PANEL * Float.BYTES : 0);
        p.scratch = memory.memory(p.rowsAt + (staged ? (long) Transpose.padded(together) * p.k * Float.BYTES : 0));
        if (p.bias.present()) {
            StagedPieces.load(p.bias, p.bias.base, 1, p.n, p.scratch, p.biasAt, 0, p.cancellation);
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
            int some = Math.max(COUNT, p.cancellation.piece() / Math.max(COUNT, wholeRows) / COUNT * COUNT);
            for (int x = 0; x < p.k; x += some) {
                int columns = Math.min(some, p.k - x);
                p.cancellation.pass((long) columns * wholeRows);
                Transpose.run(p.a.segment, from + x * p.a.columnStride, p.a.columnStride, columns, wholeRows, p.scratch,
                        p.rowsAt + x * 4L, rowBytes, p.scratch, p.freeAt);
            }
            done = wholeRows;
        }
        StagedPieces.load(p.a, from + done * p.a.rowStride, rows - done, p.k, p.scratch, p.rowsAt + done * rowBytes,
                rowBytes, p.cancellation);
    }

    private static void rows(MatMulProblem p, MemorySegment a, long from, long aRow, long aStep, int row, int rows) {
        for (int column = 0; column < p.n; column += PANEL) {
            boolean whole = Packing.start(p.n, column) + Packing.vectors(p.n, column) * COUNT <= p.n;
            if (!whole || !p.out.inPlace()) {
                inScratch(p, a, from, aRow, aStep, row, rows, column);
                continue;
            }
            int first = 0;
            do {
                int depth = Math.min(BLOCKS.inner(), p.k - first);
                panel(p, rows, column, first, depth, p.panelAt);
                if (first == 0) {
                    multiply(p, a, from, aRow, aStep, row, rows, column, depth);
                } else {
                    multiplyAdd(p, a, from + first * aStep, aRow, aStep, row, rows, column, first, depth);
                }
                first += depth;
            } while (first < p.k);
        }
    }

    /** Finds so many rows of a panel, from the first one on; if it has to be packed for that, they go to a place in scratch. */
    private static void panel(MatMulProblem p, int rows, int column, int first, int depth, long to) {
        int vectors = Packing.vectors(p.n, column);
        int start = Packing.start(p.n, column);
        long width = (long) vectors * BYTES;
        p.panelRow = width;
        if (p.packed != null) {
            p.panel = p.packed;
            p.panelFrom = Packing.offset(p.k, column);
        } else if (start + vectors * COUNT <= p.n && p.b.inPlace()
                && (rows <= MatMulBlocks.UNPACKED_ROWS || p.b.rowStride == width)) {
            p.panel = p.b.segment;
            p.panelFrom = p.b.base + start * p.b.columnStride;
            p.panelRow = p.b.rowStride;
        } else {
            p.cancellation.pass((long) depth * vectors * COUNT);
            Packing.pack(p.b, first, depth, p.n, column, p.scratch, to, p.scratch, p.freeAt);
            p.panel = p.scratch;
            p.panelFrom = to - first * width;
        }
    }

    /** The first rows of a panel by those of a, and the bias, some rows of the result at a time. */
    private static void multiply(MatMulProblem p, MemorySegment a, long from, long aRow, long aStep, int row, int rows,
            int column, int depth) {
        int vectors = Packing.vectors(p.n, column);
        int start = Packing.start(p.n, column);
        long to = p.out.at(0, 0, row) + start * p.out.columnStride;
        int most = p.cancellation.piece() * MULTIPLY_ADDS / (PANEL * (MULTIPLY_ADDS + depth));
        int together = Math.max(TILED_ROWS, most / TILED_ROWS * TILED_ROWS);
        for (int r = 0; r < rows; r += together) {
            int some = Math.min(together, rows - r);
            p.cancellation.pass(elements(some, vectors, depth));
            MatMulTile.multiply(a, from + r * aRow, aRow, aStep, some, depth, p.panel, p.panelFrom, p.panelRow, vectors,
                    p.out.segment, to + r * p.out.rowStride, p.out.rowStride);
            if (p.bias.present()) {
                add(p.scratch, p.biasAt + start * 4L, 0, p.out, to + r * p.out.rowStride, some, vectors);
            }
        }
    }

    /** What the next rows of a panel add to that. */
    private static void multiplyAdd(MatMulProblem p, MemorySegment a, long from, long aRow, long aStep, int row,
            int rows, int column, int first, int depth) {
        int vectors = Packing.vectors(p.n, column);
        long width = (long) vectors * BYTES;
        long to = p.out.at(0, 0, row) + Packing.start(p.n, column) * p.out.columnStride;
        for (int r = 0; r < rows; r += CHUNK_ROWS) {
            int some = Math.min(CHUNK_ROWS, rows - r);
            p.cancellation.pass(elements(some, vectors, depth));
            MatMulTile.multiply(a, from + r * aRow, aRow, aStep, some, depth, p.panel,
                    p.panelFrom + first * p.panelRow, p.panelRow, vectors, p.scratch, p.productAt, width);
            add(p.scratch, p.productAt, width, p.out, to + r * p.out.rowStride, some, vectors);
        }
    }

    /** The same sums in scratch, some rows at a time, for a result that cannot be written in place. */
    private static void inScratch(MatMulProblem p, MemorySegment a, long from, long aRow, long aStep, int row, int rows,
            int column) {
        int vectors = Packing.vectors(p.n, column);
        int start = Packing.start(p.n, column);
        int columns = Math.min(vectors * COUNT, p.n - start);
        long width = (long) vectors * BYTES;
        long to = p.out.at(0, 0, row) + start * p.out.columnStride;
        int packed = 0;
        do {
            panel(p, rows, column, packed, Math.min(BLOCKS.inner(), p.k - packed), p.panelAt + packed * width);
            packed += BLOCKS.inner();
        } while (packed < p.k);
        for (int r = 0; r < rows; r += CHUNK_ROWS) {
            int some = Math.min(CHUNK_ROWS, rows - r);
            int first = 0;
            do {
                int depth = Math.min(BLOCKS.inner(), p.k - first);
                p.cancellation.pass(elements(some, vectors, depth));
                MatMulTile.multiply(a, from + r * aRow + first * aStep, aRow, aStep, some, depth, p.panel,
                        p.panelFrom + first * p.panelRow, p.panelRow, vectors, p.scratch,
                        first == 0 ? p.productAt : p.termAt, width);
                if (first > 0) {
                    ScoreTransforms.add(p.scratch, p.productAt, some, vectors, p.termAt, width);
                } else if (p.bias.present()) {
                    ScoreTransforms.add(p.scratch, p.productAt, some, vectors, p.biasAt + start * 4L, 0);
                }
                first += depth;
            } while (first < p.k);
            RowStaging.store(p.scratch, p.productAt, width, some, columns, p.out, to + r * p.out.rowStride);
        }
    }

    /** What a part of the result counts as: its elements, and those that its multiply-adds are worth. */
    private static long elements(int rows, int vectors, int depth) {
        return (long) rows * vectors * COUNT * (MULTIPLY_ADDS + depth) / MULTIPLY_ADDS;
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
