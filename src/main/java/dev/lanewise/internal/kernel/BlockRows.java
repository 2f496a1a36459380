package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.COUNT;
import static dev.lanewise.internal.kernel.Lanes.FLOAT;

import dev.lanewise.ElementType;
import dev.lanewise.internal.memory.CachedRows;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Where the rows of keys, or of values, of one block lie: in the pages of a cache, or copied into scratch as float32, padded with
 * zeros to whole vectors, where they cannot be read in place.
 */
final class BlockRows {
    /** The memory of all of them. */
    MemorySegment segment;
    /** The type of the elements. */
    ElementType type;
    /** The byte of each row, and of the last one again up to a whole vector of rows. */
    final long[] at;
    /** Whether each row has a scale, which is then in scratch. */
    boolean scaled;
    /** Whether the rows follow each other at one distance. */
    boolean even;

    BlockRows(int rows) {
        at = new long[rows + COUNT];
    }

    /** Points at rows of a cache, in the order of the keys or in that of {@link KeyStreams}. */
    void point(CachedRows cache, boolean values, int head, int key, int rows, int streams) {
        segment = cache.segment;
        type = cache.type;
        scaled = type == ElementType.INT8;
        even = streams == 1 && cache.run(key, key + rows) == rows;
        int each = rows / streams;
        for (int s = 0; s < streams; s++) {
            point(cache, values, head, key + s * each, each, s, streams);
        }
        int spread = each * streams;
        point(cache, values, head, key + spread, rows - spread, spread, 1);
        repeatLast(rows);
    }

    private void point(CachedRows cache, boolean values, int head, int key, int rows, int to, int step) {
        long rowBytes = values ? cache.valueRowBytes : cache.keyRowBytes;
        for (int j = 0; j < rows;) {
            int run = cache.run(key + j, key + rows);
            long row = values ? cache.valueAt(head, key + j) : cache.keyAt(head, key + j);
            for (int end = j + run; j < end; j++) {
                at[to + j * step] = row;
                row += rowBytes;
            }
        }
    }

    /** Copies the rows of a cache that were pointed at into scratch, without their scales, and points there. */
    void stage(int rows, int columns, MemorySegment scratch, long to) {
        long rowBytes = (long) Transpose.padded(columns) * Float.BYTES;
        long narrow = (long) columns * type.bytes();
        boolean dense = rowBytes == (long) columns * Float.BYTES;
        for (int j = 0; j < rows;) {
            int run = 1;
            while (dense && j + run < rows && at[j + run] == at[j] + run * narrow) {
                run++;
            }
            RowStaging.widen(segment, type, at[j], type.bytes(), run * columns, scratch, to + j * rowBytes);
            j += run;
        }
        pad(scratch, to, rowBytes, rows, columns);
        pointAtScratch(scratch, to, rowBytes, rows);
    }

    /** Points at rows of a cache as float32 at one distance, copied into scratch if they are not like that where they lie. */
    void load(CachedRows cache, boolean values, int head, int key, int rows, int columns, MemorySegment scratch,
            long to) {
        point(cache, values, head, key, rows, 1);
        if (type != ElementType.FLOAT32 || !even) {
            stage(rows, columns, scratch, to);
        }
    }

    /** Bytes from one row to the next, where they lie at one distance. */
    long stride() {
        return at[1] - at[0];
    }

    /** Copies the scales of rows of a cache, one float32 a row, in the order of the keys. */
    static void loadScales(CachedRows cache, boolean values, int head, int key, int rows, MemorySegment scratch,
            long to) {
        for (int j = 0; j < rows;) {
            int run = cache.run(key + j, key + rows);
            long scale = values ? cache.valueScaleAt(head, key + j) : cache.keyScaleAt(head, key + j);
            MemorySegment.copy(cache.segment, scale, scratch, to + j * 4L, run * 4L);
            j += run;
        }
    }

    /** Drops the reference to the caller's memory. */
    void clear() {
        segment = null;
    }

    private void pointAtScratch(MemorySegment scratch, long to, long rowBytes, int rows) {
        segment = scratch;
        type = ElementType.FLOAT32;
        place(to, rowBytes, rows);
    }

    private void place(long from, long stride, int rows) {
        even = true;
        long row = from;
        for (int j = 0; j < rows; j++) {
            at[j] = row;
            row += stride;
        }
        repeatLast(rows);
    }

    private void repeatLast(int rows) {
        Arrays.fill(at, rows, rows + COUNT, at[rows - 1]);
    }

    private static void pad(MemorySegment scratch, long to, long rowBytes, int rows, int columns) {
        long from = (long) columns * Float.BYTES;
        if (from < rowBytes) {
            for (int j = 0; j < rows; j++) {
                for (long c = from; c < rowBytes; c += Float.BYTES) {
                    scratch.set(FLOAT, to + j * rowBytes + c, 0);
                }
            }
        }
    }
}
