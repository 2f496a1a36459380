package dev.lanewise.internal.kernel;

import dev.lanewise.ElementType;
import dev.lanewise.internal.memory.CachedRows;
import java.lang.foreign.MemorySegment;

/**
 * Where the rows of keys, or of values, of one block lie: in the pages of a cache, or copied into scratch as float32, padded with
 * zeros to whole vectors, where they cannot be read in place. Rows that follow each other are a run; kernels go from row to row by
 * {@link #stride} and look up an address only where a run ends, because memory waits for addresses that have to be read first.
 */
final class BlockRows {
    /** The memory of all of them. */
    MemorySegment segment;
    /** The type of the elements. */
    ElementType type;
    /** Whether each row has a scale, which is then in scratch. */
    boolean scaled;
    /** Bytes from a row to the next of its run. */
    long stride;

    private int runs;
    /** The byte of the first row of each run. */
    private final long[] starts;
    /** One past the last row of each run. */
    private final int[] ends;

    BlockRows(int rows) {
        starts = new long[rows + 1];
        ends = new int[rows + 1];
    }

    /** Points at rows of a cache. */
    void point(CachedRows cache, boolean values, int head, int key, int rows) {
        segment = cache.segment;
        type = cache.type;
        scaled = type == ElementType.INT8;
        stride = values ? cache.valueRowBytes : cache.keyRowBytes;
        runs = 0;
        for (int j = 0; j < rows;) {
            starts[runs] = values ? cache.valueAt(head, key + j) : cache.keyAt(head, key + j);
            j += cache.run(key + j, key + rows);
            ends[runs++] = j;
        }
    }

    /** Points at rows of float32 that lie at one distance. */
    void point(MemorySegment memory, long first, long rowBytes, int rows) {
        segment = memory;
        type = ElementType.FLOAT32;
        scaled = false;
        stride = rowBytes;
        runs = 1;
        starts[0] = first;
        ends[0] = rows;
    }

    /** Moves the only run there is to another byte. */
    void move(long first) {
        starts[0] = first;
    }

    /** The run of a row. */
    int run(int row) {
        int low = 0;
        for (int high = runs - 1; low < high;) {
            int middle = (low + high) >>> 1;
            if (ends[middle] > row) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        return low;
    }

    /** The byte of the first row of a run; of any byte for the one behind the last. */
    long start(int run) {
        return starts[run];
    }

    /** One past the last row of a run. */
    int end(int run) {
        return ends[run];
    }

    /** The byte of a row of a run. */
    long at(int run, int row) {
        return starts[run] + (row - (run == 0 ? 0 : ends[run - 1])) * stride;
    }

    /** Copies the rows of a cache that were pointed at into scratch, without their scales, and points there. */
    void stage(int columns, MemorySegment scratch, long to) {
        long rowBytes = (long) Transpose.padded(columns) * Float.BYTES;
        boolean dense = rowBytes == (long) columns * Float.BYTES;
        int rows = ends[runs - 1];
        for (int run = 0, j = 0; run < runs; run++) {
            int together = dense ? ends[run] - j : 1;
            for (long from = starts[run]; j < ends[run]; j += together) {
                RowStaging.widen(segment, type, from, type.bytes(), together * columns, scratch, to + j * rowBytes);
                from += stride;
            }
        }
        pad(scratch, to, rowBytes, rows, columns);
        segment = scratch;
        type = ElementType.FLOAT32;
        stride = rowBytes;
        runs = 1;
        starts[0] = to;
        ends[0] = rows;
    }

    /** Points at rows of a cache as float32 in one run, copied into scratch if they are not like that where they lie. */
    void load(CachedRows cache, boolean values, int head, int key, int rows, int columns, MemorySegment scratch,
            long to) {
        point(cache, values, head, key, rows);
        if (type != ElementType.FLOAT32 || runs > 1) {
            stage(columns, scratch, to);
        }
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

    private static void pad(MemorySegment scratch, long to, long rowBytes, int rows, int columns) {
        long from = (long) columns * Float.BYTES;
        if (from < rowBytes) {
            for (int j = 0; j < rows; j++) {
                for (long c = from; c < rowBytes; c += Float.BYTES) {
                    scratch.set(Lanes.FLOAT, to + j * rowBytes + c, 0);
                }
            }
        }
    }
}
