package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.FLOAT;

import java.lang.foreign.MemorySegment;

/**
 * What a softmax over some of the keys leaves behind, for a block of rows: maximum, sums, context relative to the maximum, and whether the row
 * saw a key at all. One contiguous piece of memory, so that it can be handed from thread to thread. Those of several heads follow each other.
 */
final class RowState {
    /** Maxima (rows). */
    long maxAt;
    /** Sums, one a lane (rows × lanes). */
    long sumsAt;
    /** 1 where a row saw a key (rows). */
    long seenAt;
    /** The context (rows × Dv). */
    long contextAt;
    /** The byte of the state of the first head. */
    private long firstAt;
    private long start;
    private long bytes;
    private int rows;
    private int vectors;

    /** Lays out a state of so many rows, and vectors of context, from a byte on. */
    void set(long from, int stateRows, int valueVectors) {
        firstAt = from;
        start = from;
        rows = stateRows;
        vectors = valueVectors;
        maxAt = from;
        seenAt = maxAt + Transpose.padded(rows) * 4L;
        sumsAt = seenAt + Transpose.padded(rows) * 4L;
        contextAt = sumsAt + (long) rows * BYTES;
        bytes = contextAt + (long) rows * vectors * BYTES - start;
    }

    /** Turns to the state of one of the heads. */
    void turnTo(int head) {
        long distance = firstAt + head * bytes - start;
        start += distance;
        maxAt += distance;
        seenAt += distance;
        sumsAt += distance;
        contextAt += distance;
    }

    /** Bytes of the state of one head. */
    long bytes() {
        return bytes;
    }

    /** Where the context of a row lies. */
    long context(int row) {
        return contextAt + (long) row * vectors * BYTES;
    }

    /** Where the sums of a row lie. */
    long sums(int row) {
        return sumsAt + (long) row * BYTES;
    }

    /** The state of having seen nothing. */
    void clear(MemorySegment scratch) {
        int rowVectors = Transpose.padded(rows) / Lanes.COUNT;
        Context.fill(scratch, maxAt, rowVectors, Float.NEGATIVE_INFINITY);
        Context.fill(scratch, seenAt, rowVectors + rows * (1 + vectors), 0);
    }

    /** Copies the state out of scratch. */
    void store(MemorySegment scratch, MemorySegment to, long at) {
        MemorySegment.copy(scratch, start, to, at, bytes);
    }

    /** Copies a state into scratch. */
    void load(MemorySegment from, long at, MemorySegment scratch) {
        MemorySegment.copy(from, at, scratch, start, bytes);
    }
}
