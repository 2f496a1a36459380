package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.COUNT;
import static dev.lanewise.internal.kernel.Lanes.F;
import static dev.lanewise.internal.kernel.Lanes.ORDER;
import static dev.lanewise.internal.kernel.Lanes.PANEL_VECTORS;

import dev.lanewise.ElementType;
import dev.lanewise.internal.memory.Operand;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/**
 * The right operand of a multiply (k × n) as panels: the columns in groups as wide as a tile, each group's rows without a gap. The last
 * group is narrower, in whole vectors. Where the columns left do not fill these, it starts earlier and holds some columns a second time;
 * where the matrix is narrower than that, it is padded with zeros.
 */
final class Packing {
    /** Rows that are packed at a time. */
    private static final int ROWS = 128;

    private Packing() {
    }

    /** Vectors in the panel that starts at a multiple of the panel's width. */
    static int vectors(int n, int column) {
        return Math.min(PANEL_VECTORS, (n - column + COUNT - 1) / COUNT);
    }

    /** The first column of the panel in that place. */
    static int start(int n, int column) {
        return Math.max(0, Math.min(column, n - vectors(n, column) * COUNT));
    }

    /** Bytes before the panel in that place. */
    static long offset(int k, int column) {
        return (long) k * column * Float.BYTES;
    }

    /** Bytes of all panels. */
    static long bytes(int k, int n) {
        return (long) k * ((n + COUNT - 1) / COUNT) * BYTES;
    }

    /** Columns of a whole panel. */
    static int panelColumns() {
        return PANEL_VECTORS * COUNT;
    }

    /** Makes an operand of what a panel holds of the columns from its place on. */
    static void view(MemorySegment packed, int k, int n, int column, Operand panel) {
        panel.segment = packed;
        panel.type = ElementType.FLOAT32;
        panel.columnStride = Float.BYTES;
        panel.rowStride = (long) vectors(n, column) * BYTES;
        panel.base = offset(k, column) + (column - start(n, column)) * 4L;
    }

    /** Bytes of scratch that {@link #pack} needs. */
    static long scratchBytes() {
        return Transpose.BLOCK_BYTES;
    }

    /** Packs so many rows, from the first one on, of the panel in a place. */
    static void pack(Operand b, int first, int k, int n, int column, MemorySegment to, long at, MemorySegment scratch,
            long free) {
        int vectors = vectors(n, column);
        int start = start(n, column);
        int columns = Math.min(vectors * COUNT, n - start);
        long width = (long) vectors * BYTES;
        if (columns < vectors * COUNT) {
            Context.fill(to, at, k * vectors, 0);
        }
        long from = b.at(0, 0, first) + start * b.columnStride;
        int whole = columns / COUNT * COUNT;
        if (b.rowStride == Float.BYTES && b.direct && whole > 0 && k >= COUNT) {
            transpose(b, from, k, whole, to, at, width, scratch, free);
            RowStaging.load(b, from + whole * b.columnStride, k, columns - whole, to, at + whole * 4L, width);
        } else if (b.inPlace() && columns == vectors * COUNT) {
            copy(b.segment, from, b.rowStride, k, vectors, to, at);
        } else {
            RowStaging.load(b, from, k, columns, to, at, width);
        }
    }

    private static void copy(MemorySegment b, long from, long rowBytes, int rows, int vectors, MemorySegment to,
            long at) {
        MemorySegment source = Lanes.requireNative(b);
        MemorySegment target = Lanes.requireNative(to);
        for (int r = 0; r < rows; r++) {
            for (int v = 0; v < vectors; v++) {
                FloatVector.fromMemorySegment(F, source, from + (long) v * BYTES, ORDER)
                        .intoMemorySegment(target, at + (long) v * BYTES, ORDER);
            }
            from += rowBytes;
            at += (long) vectors * BYTES;
        }
    }

    /** In blocks of rows, the last of which repeats what it must to be whole. */
    private static void transpose(Operand b, long from, int k, int columns, MemorySegment to, long at, long width,
            MemorySegment scratch, long free) {
        for (int row = 0; row < k; row += ROWS) {
            int rows = Math.min(ROWS, k - row) / COUNT * COUNT;
            Transpose.run(b.segment, from + row * 4L, b.columnStride, columns, rows, to, at + row * width, width,
                    scratch, free);
        }
        if (k % COUNT != 0) {
            long last = k - COUNT;
            Transpose.run(b.segment, from + last * 4L, b.columnStride, columns, COUNT, to, at + last * width, width,
                    scratch, free);
        }
    }
}
