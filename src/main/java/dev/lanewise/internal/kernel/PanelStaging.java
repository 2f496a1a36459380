package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.COUNT;
import static dev.lanewise.internal.kernel.Lanes.FLOAT;
import static dev.lanewise.internal.kernel.Lanes.requireNative;

import dev.lanewise.internal.memory.Operand;
import dev.lanewise.internal.plan.VectorPaths;
import java.lang.foreign.MemorySegment;

/** Rows of an operand of any type, stride and kind of segment, transposed into panels in scratch, and back. */
final class PanelStaging {
    private PanelStaging() {
    }

    /** Brings rows × columns of an operand into scratch as (columns × panel); what the panel has beyond the rows is 0. */
    static void load(Operand operand, long from, int rows, int vectors, int columns, MemorySegment scratch,
            PanelLayout layout, long to) {
        if (!VectorPaths.transposes(operand, rows, columns)) {
            loadFew(operand, from, rows, vectors, columns, scratch, to);
            return;
        }
        MemorySegment source = operand.segment;
        long at = from;
        long rowBytes = operand.rowStride;
        int width = vectors * COUNT;
        boolean whole = rows == width && columns % COUNT == 0;
        if (!operand.inPlace() || !whole) {
            rowBytes = (long) Transpose.padded(columns) * Float.BYTES;
            source = scratch;
            at = layout.rowsAt;
            RowStaging.load(operand, from, rows, columns, scratch, at, rowBytes);
            int rowVectors = (int) (rowBytes / BYTES);
            Context.fill(scratch, at + rows * rowBytes, (width - rows) * rowVectors, 0);
        }
        Transpose.run(source, at, rowBytes, width, columns, scratch, to, (long) vectors * BYTES, scratch,
                layout.blockAt);
    }

    /** Takes columns (columns × panel) out of scratch into rows × columns of an operand. */
    static void store(MemorySegment scratch, PanelLayout layout, long from, int columns, int rows, int vectors,
            Operand operand, long to) {
        long panelBytes = (long) vectors * BYTES;
        boolean whole = rows == vectors * COUNT && columns % COUNT == 0;
        if (!VectorPaths.transposes(operand, rows, columns)) {
            storeFew(scratch, from, panelBytes, columns, rows, operand, to);
        } else if (operand.inPlace() && whole) {
            Transpose.run(scratch, from, panelBytes, columns, rows, operand.segment, to, operand.rowStride, scratch,
                    layout.blockAt);
        } else {
            long rowBytes = (long) Transpose.padded(columns) * Float.BYTES;
            Transpose.run(scratch, from, panelBytes, columns, rows, scratch, layout.rowsAt, rowBytes, scratch,
                    layout.blockAt);
            RowStaging.store(scratch, layout.rowsAt, rowBytes, rows, columns, operand, to);
        }
    }

    private static void loadFew(Operand operand, long from, int rows, int vectors, int columns, MemorySegment scratch,
            long to) {
        MemorySegment source = requireNative(operand.segment);
        MemorySegment memory = requireNative(scratch);
        Context.fill(scratch, to, columns * vectors, 0);
        for (int c = 0; c < columns; c++) {
            long at = from + c * operand.columnStride;
            long panel = to + (long) c * vectors * BYTES;
            for (int r = 0; r < rows; r++) {
                memory.set(FLOAT, panel + r * 4L, source.get(FLOAT, at));
                at += operand.rowStride;
            }
        }
    }

    private static void storeFew(MemorySegment scratch, long from, long panelBytes, int columns, int rows,
            Operand operand, long to) {
        MemorySegment memory = requireNative(scratch);
        MemorySegment target = requireNative(operand.segment);
        for (int c = 0; c < columns; c++) {
            long at = to + c * operand.columnStride;
            long panel = from + c * panelBytes;
            for (int r = 0; r < rows; r++) {
                target.set(FLOAT, at, memory.get(FLOAT, panel + r * 4L));
                at += operand.rowStride;
            }
        }
    }
}
