package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.COUNT;
import static dev.lanewise.internal.kernel.Lanes.F;
import static dev.lanewise.internal.kernel.Lanes.ORDER;
import static dev.lanewise.internal.kernel.Lanes.PANEL;

import dev.lanewise.internal.memory.Operand;
import dev.lanewise.internal.memory.Scratch;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/**
 * The matrix multiply: one panel of b's columns after another, packed unless there are too few rows of a to pay for that, against
 * blocks of a's rows. The sum over k runs in one go, in order, so the block sizes do not show in the result.
 */
public final class VectorMatMul {
    /** Rows of a that meet a panel at a time: a block of results stays in the first-level cache. */
    private static final int ROWS = 64;
    /** Up to so many rows of a read b where it lies: packing reads and writes it once more. */
    private static final int UNPACKED_ROWS = 8;

    private VectorMatMul() {
    }

    /** Lays out a right operand once for many multiplies. */
    public static MemorySegment pack(Arena arena, Operand b, int k, int n) {
        MemorySegment packed = arena.allocate(Math.max(1, Packing.bytes(k, n)), 64);
        try (Arena temporary = Arena.ofConfined()) {
            MemorySegment scratch = temporary.allocate(Packing.scratchBytes(k), 64);
            for (int column = 0; column < n; column += PANEL) {
                Packing.pack(b, k, n, column, packed, Packing.offset(k, column), scratch, 0);
            }
        }
        return packed;
    }

    /** Computes the product. */
    public static void run(MatMulProblem p, Scratch<?> memory) {
        long rowBytes = (long) p.k * Float.BYTES;
        long panelAt = 0;
        long productAt = panelAt + (p.packed == null ? (long) p.k * PANEL * Float.BYTES : 0);
        long rowsAt = productAt + (long) ROWS * PANEL * Float.BYTES;
        long biasAt = rowsAt + (p.a.direct ? 0 : ROWS * rowBytes);
        long freeAt = biasAt + (long) PANEL * Float.BYTES;
        MemorySegment scratch = memory.memory(freeAt + Packing.scratchBytes(p.k));
        boolean inPlace = p.packed == null && p.m <= UNPACKED_ROWS && p.b.direct && p.b.columnStride == Float.BYTES;
        for (int column = 0; column < p.n; column += PANEL) {
            int vectors = Packing.vectors(p.n, column);
            int columns = Math.min(vectors * COUNT, p.n - column);
            long width = (long) vectors * BYTES;
            MemorySegment b = p.packed == null ? scratch : p.packed;
            long panel = p.packed == null ? panelAt : Packing.offset(p.k, column);
            long panelRow = width;
            if (inPlace && columns == vectors * COUNT) {
                b = p.b.segment;
                panel = p.b.at(0, 0, 0) + column * p.b.columnStride;
                panelRow = p.b.rowStride;
            } else if (p.packed == null) {
                Packing.pack(p.b, p.k, p.n, column, scratch, panelAt, scratch, freeAt);
            }
            loadBias(p, column, columns, scratch, biasAt);
            for (int row = 0; row < p.m; row += ROWS) {
                int rows = Math.min(ROWS, p.m - row);
                MemorySegment a = p.a.segment;
                long aAt = p.a.at(0, 0, row);
                long aRow = p.a.rowStride;
                long aStep = p.a.columnStride;
                if (!p.a.direct) {
                    RowStaging.load(p.a, aAt, rows, p.k, scratch, rowsAt, rowBytes);
                    a = scratch;
                    aAt = rowsAt;
                    aRow = rowBytes;
                    aStep = Float.BYTES;
                }
                Tile.multiply(a, aAt, aRow, aStep, rows, p.k, b, panel, panelRow, vectors, scratch, productAt, width);
                store(p, row, rows, column, columns, vectors, scratch, productAt, biasAt);
            }
        }
    }

    private static void loadBias(MatMulProblem p, int column, int columns, MemorySegment scratch, long biasAt) {
        if (p.bias.present()) {
            RowStaging.load(p.bias, p.bias.base + column * p.bias.columnStride, 1, columns, scratch, biasAt, 0);
        }
    }

    private static void store(MatMulProblem p, int row, int rows, int column, int columns, int vectors,
            MemorySegment scratch,
            long productAt, long biasAt) {
        long to = p.out.at(0, 0, row) + column * p.out.columnStride;
        long width = (long) vectors * BYTES;
        if (p.bias.present()) {
            ScoreTransforms.add(scratch, productAt, rows, vectors, biasAt, 0);
        }
        if (p.out.direct && p.out.columnStride == Float.BYTES && columns == vectors * COUNT) {
            copy(scratch, productAt, rows, vectors, p.out, to);
        } else {
            RowStaging.store(scratch, productAt, width, rows, columns, p.out, to);
        }
    }

    private static void copy(MemorySegment scratch, long productAt, int rows, int vectors, Operand out, long to) {
        MemorySegment from = Lanes.requireNative(scratch);
        MemorySegment target = Lanes.requireNative(out.segment);
        for (int r = 0; r < rows; r++) {
            for (int v = 0; v < vectors; v++) {
                FloatVector.fromMemorySegment(F, from, productAt + ((long) r * vectors + v) * BYTES, ORDER)
                        .intoMemorySegment(target, to + r * out.rowStride + (long) v * BYTES, ORDER);
            }
        }
    }
}
