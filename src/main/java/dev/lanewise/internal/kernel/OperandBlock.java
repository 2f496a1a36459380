package dev.lanewise.internal.kernel;

import dev.lanewise.internal.memory.Operand;
import dev.lanewise.internal.plan.KeyBlocks;
import java.lang.foreign.MemorySegment;

/**
 * The rows of k, or of v, of one block as float32: in place where a tile can read them so, else in scratch, where they stay for all panels
 * that meet the block.
 */
final class OperandBlock {
    /** The memory of the rows. */
    MemorySegment segment;
    /** The byte of the first element. */
    long start;
    /** Bytes from a row to the next. */
    long rowStride;
    /** Bytes from an element of a row to the next. */
    long columnStride;
    /** Whether each row has a scale. */
    boolean scaled;

    private final boolean values;
    private final BlockRows cached = new BlockRows(KeyBlocks.KEYS);
    private int kvHead;
    private int row;
    private int rows;

    OperandBlock(boolean values) {
        this.values = values;
    }

    /** Turns to so many rows of a key/value head of a batch row, from one on, unless they are here. */
    void load(AttentionProblem p, int batch, int kvHead, int row, int rows, MemorySegment scratch, long to) {
        boolean here = this.kvHead == kvHead && this.row == row && this.rows >= rows;
        if (here) {
            return;
        }
        this.kvHead = kvHead;
        this.row = row;
        this.rows = rows;
        int columns = values ? p.valueDepth : p.depth;
        if (p.fromCache) {
            cached.load(p.cached(batch), values, kvHead, row, rows, columns, scratch, to);
            point(cached.segment, cached.start(0), cached.stride, Float.BYTES);
            scaled = cached.scaled;
            return;
        }
        Operand operand = values ? p.v : p.k;
        long from = operand.at(batch, kvHead, row);
        if (operand.direct) {
            point(operand.segment, from, operand.rowStride, operand.columnStride);
        } else {
            long rowBytes = (long) columns * Float.BYTES;
            RowStaging.load(operand, from, rows, columns, scratch, to, rowBytes);
            point(scratch, to, rowBytes, Float.BYTES);
        }
        scaled = false;
    }

    /** Copies the scales of the rows from one on, which are in the block, one float32 a row. */
    void loadScales(AttentionProblem p, int batch, int from, int count, MemorySegment scratch, long to) {
        BlockRows.loadScales(p.cached(batch), values, kvHead, from, count, scratch, to);
    }

    private void point(MemorySegment memory, long from, long betweenRows, long betweenColumns) {
        segment = memory;
        start = from;
        rowStride = betweenRows;
        columnStride = betweenColumns;
    }

    /** Before other operands or another batch row. */
    void forget() {
        rows = 0;
    }

    /** Drops the reference to the caller's memory. */
    void clear() {
        forget();
        segment = null;
        cached.clear();
    }
}
