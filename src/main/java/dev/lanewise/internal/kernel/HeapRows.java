package dev.lanewise.internal.kernel;

import dev.lanewise.ElementType;
import dev.lanewise.internal.memory.Elements;
import dev.lanewise.internal.memory.Operand;
import java.lang.foreign.MemorySegment;

/**
 * Rows of an operand, of any type, stride and kind of segment, as float32 rows on the heap, and back. As much as possible is copied at
 * once, for the interpreter takes as long for one access of a segment as for a hundred array elements.
 */
final class HeapRows {
    /** Rows on their way. The segments are views of the arrays: a copy to an array by its own name makes a first call spin classes. */
    private float[] line = new float[0];
    private MemorySegment lineSegment = MemorySegment.ofArray(line);
    private short[] narrow = new short[0];
    private MemorySegment narrowSegment = MemorySegment.ofArray(narrow);

    /** A matrix of at least so many rows and columns: the one given if it is large enough. */
    static float[][] matrix(float[][] old, int rows, int columns) {
        boolean fits = old.length >= rows && (rows == 0 || old[0].length >= columns);
        return fits ? old : new float[rows][columns];
    }

    /** Copies rows × columns elements, from the byte {@code from} of the operand on. */
    void load(Operand operand, long from, int rows, int columns, float[][] to) {
        load(operand, from, rows, columns, to, 0);
    }

    /** The same to the rows from {@code first} on. */
    void load(Operand operand, long from, int rows, int columns, float[][] to, int first) {
        int bytes = operand.type.bytes();
        boolean even = operand.columnStride == bytes && operand.rowStride == (long) columns * bytes;
        int together = even ? rows : 1;
        line(together * columns);
        for (int r = 0; r < rows; r += together) {
            load(operand, from + r * operand.rowStride, together * columns);
            for (int i = 0; i < together; i++) {
                System.arraycopy(line, i * columns, to[first + r + i], 0, columns);
            }
        }
    }

    private void load(Operand operand, long from, int count) {
        MemorySegment segment = operand.segment;
        if (operand.type == ElementType.FLOAT32 && operand.columnStride == Float.BYTES) {
            MemorySegment.copy(segment, from, lineSegment, 0, (long) count * Float.BYTES);
        } else if (operand.type.bytes() == Short.BYTES && operand.columnStride == Short.BYTES) {
            if (narrow.length < count) {
                narrow = new short[count];
                narrowSegment = MemorySegment.ofArray(narrow);
            }
            MemorySegment.copy(segment, from, narrowSegment, 0, (long) count * Short.BYTES);
            widen(operand.type, count);
        } else {
            for (int c = 0; c < count; c++) {
                line[c] = Elements.get(segment, operand.type, from + c * operand.columnStride);
            }
        }
    }

    /** Copies columns elements to the byte {@code to} of the operand on, rounded to its type. */
    void store(float[] from, int columns, Operand operand, long to) {
        MemorySegment segment = operand.segment;
        if (operand.type == ElementType.FLOAT32 && operand.columnStride == Float.BYTES) {
            System.arraycopy(from, 0, line(columns), 0, columns);
            MemorySegment.copy(lineSegment, 0, segment, to, (long) columns * Float.BYTES);
        } else {
            for (int c = 0; c < columns; c++) {
                Elements.set(segment, operand.type, to + c * operand.columnStride, from[c]);
            }
        }
    }

    private float[] line(int count) {
        if (line.length < count) {
            line = new float[count];
            lineSegment = MemorySegment.ofArray(line);
        }
        return line;
    }

    private void widen(ElementType type, int count) {
        if (type == ElementType.BFLOAT16) {
            for (int c = 0; c < count; c++) {
                line[c] = Elements.bfloat16ToFloat(narrow[c]);
            }
        } else {
            for (int c = 0; c < count; c++) {
                line[c] = Float.float16ToFloat(narrow[c]);
            }
        }
    }
}
