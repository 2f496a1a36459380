package dev.lanewise.internal.kernel;

import dev.lanewise.ElementType;
import dev.lanewise.internal.memory.Elements;
import dev.lanewise.internal.memory.Operand;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Rows of an operand of any type, stride and kind of segment, copied into scratch as contiguous float32, and back. */
final class RowStaging {
    private RowStaging() {
    }

    /** Copies rows × columns elements, from the byte {@code from} of the operand on. */
    static void load(Operand operand, long from, int rows, int columns, MemorySegment scratch, long at, long rowBytes) {
        boolean copy = operand.type == ElementType.FLOAT32 && operand.columnStride == Float.BYTES;
        long elementBytes = operand.type.bytes();
        boolean even = operand.columnStride == elementBytes && operand.rowStride == columns * elementBytes
                && rowBytes == (long) columns * Float.BYTES && (long) rows * columns < Integer.MAX_VALUE;
        if (even && rows > 1) {
            load(operand, from, 1, rows * columns, scratch, at, 0);
            return;
        }
        for (int r = 0; r < rows; r++) {
            long source = from + r * operand.rowStride;
            long target = at + r * rowBytes;
            if (copy) {
                MemorySegment.copy(operand.segment, source, scratch, target, (long) columns * Float.BYTES);
            } else {
                widen(operand.segment, operand.type, source, operand.columnStride, columns, scratch, target);
            }
        }
    }

    /** Copies one row of columns that lie so many bytes apart. */
    static void widen(MemorySegment segment, ElementType type, long from, long columnStride, int columns,
            MemorySegment scratch, long at) {
        if (type == ElementType.FLOAT32 && columnStride == Float.BYTES) {
            MemorySegment.copy(segment, from, scratch, at, (long) columns * Float.BYTES);
            return;
        }
        MemorySegment target = Lanes.requireNative(scratch);
        int done = 0;
        if (columnStride == type.bytes() && Operand.isNative(segment)) {
            done = switch (type) {
                case BFLOAT16 -> Widening.bfloat16(segment, from, columns, scratch, at);
                case FLOAT16 -> Widening.float16(segment, from, columns, scratch, at);
                case INT8 -> Widening.int8(segment, from, columns, scratch, at);
                default -> 0;
            };
        }
        for (int c = done; c < columns; c++) {
            target.set(ValueLayout.JAVA_FLOAT_UNALIGNED, at + c * 4L,
                    Elements.get(segment, type, from + c * columnStride));
        }
    }

    /** Copies rows × columns elements out of scratch, to the byte {@code to} of the operand on, rounded to its type. */
    static void store(MemorySegment scratch, long at, long rowBytes, int rows, int columns, Operand operand, long to) {
        boolean copy = operand.type == ElementType.FLOAT32 && operand.columnStride == Float.BYTES;
        for (int r = 0; r < rows; r++) {
            long source = at + r * rowBytes;
            long target = to + r * operand.rowStride;
            if (copy) {
                MemorySegment.copy(scratch, source, operand.segment, target, (long) columns * Float.BYTES);
            } else {
                narrow(scratch, source, columns, operand, target);
            }
        }
    }

    private static void narrow(MemorySegment scratch, long at, int columns, Operand operand, long to) {
        MemorySegment source = Lanes.requireNative(scratch);
        for (int c = 0; c < columns; c++) {
            Elements.set(operand.segment, operand.type, to + c * operand.columnStride,
                    source.get(ValueLayout.JAVA_FLOAT_UNALIGNED, at + c * 4L));
        }
    }
}
