package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.COUNT;

import dev.lanewise.internal.memory.Operand;
import java.lang.foreign.MemorySegment;

/** Rows of an operand of any type, stride and kind of segment, transposed into panels in scratch, and back. */
final class PanelStaging {
    private PanelStaging() {
    }

    /** Brings rows × columns of an operand into scratch as (columns × panel); what the panel has beyond the rows is 0. */
    static void load(Operand operand, long from, int rows, int vectors, int columns, MemorySegment scratch,
            PanelLayout layout, long to) {
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
        if (operand.inPlace() && whole) {
            Transpose.run(scratch, from, panelBytes, columns, rows, operand.segment, to, operand.rowStride, scratch,
                    layout.blockAt);
        } else {
            long rowBytes = (long) Transpose.padded(columns) * Float.BYTES;
            Transpose.run(scratch, from, panelBytes, columns, rows, scratch, layout.rowsAt, rowBytes, scratch,
                    layout.blockAt);
            RowStaging.store(scratch, layout.rowsAt, rowBytes, rows, columns, operand, to);
        }
    }
}
