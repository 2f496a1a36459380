package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.COUNT;
import static dev.lanewise.internal.kernel.Lanes.FLOAT;

import dev.lanewise.ElementType;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;

/**
 * The order of the features where rows of narrow elements are read as vectors of ints, 2 or 4 elements an int: first the first
 * element of each int of a vector, then the second of each, and so on; then the next vector. Queries and the context take that order while they meet
 * such rows.
 */
final class RowOrder {
    private RowOrder() {
    }

    /** Elements that share an int, or 0 if rows of so many columns cannot be read in vectors of ints. */
    static int parts(ElementType type, int columns) {
        int parts = Integer.BYTES / type.bytes();
        boolean ordered = parts == 1 || ByteOrder.nativeOrder() == ByteOrder.LITTLE_ENDIAN;
        return ordered && columns % (parts * COUNT) == 0 ? parts : 0;
    }

    /** Puts a row of features into the order of so many parts. */
    static void split(MemorySegment scratch, long from, int columns, int parts, long to) {
        MemorySegment memory = Lanes.requireNative(scratch);
        for (int c = 0; c < columns; c++) {
            memory.set(FLOAT, to + place(c, parts) * 4L, memory.get(FLOAT, from + c * 4L));
        }
    }

    /** Puts a row of features from the order of so many parts back into their own. */
    static void join(MemorySegment scratch, long from, int columns, int parts, long to) {
        MemorySegment memory = Lanes.requireNative(scratch);
        for (int c = 0; c < columns; c++) {
            memory.set(FLOAT, to + c * 4L, memory.get(FLOAT, from + place(c, parts) * 4L));
        }
    }

    private static int place(int feature, int parts) {
        int lane = feature / parts;
        return (lane / COUNT * parts + feature % parts) * COUNT + lane % COUNT;
    }
}
