package dev.lanewise.internal.kernel;

import dev.lanewise.ElementType;
import dev.lanewise.Tensor;
import dev.lanewise.internal.memory.CachedRows;
import dev.lanewise.internal.memory.Elements;
import dev.lanewise.internal.memory.Operand;
import dev.lanewise.internal.memory.RotaryTable;
import dev.lanewise.internal.memory.Scratch;
import dev.lanewise.internal.memory.ScratchPool;
import dev.lanewise.internal.plan.StartUp;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Rows on their way into a cache: rotated, rounded or quantised, vectors and single elements to the same bits. A row of INT8 is its scale, the
 * largest magnitude / 127, and each element / scale, rounded to nearest even.
 */
public final class RowStore {
    /** Every append of this JVM draws from one pool. */
    public static final ScratchPool<RowStore> POOL = new ScratchPool<>(RowStore::new);

    private static final boolean VECTORS = StartUp.CHOICE.vector();
    private static final int INFINITY = 0x7F800000;

    private final Operand source = new Operand();
    private CachedRows rows;
    private boolean special;
    private int columns;
    private MemorySegment scratch;

    private RowStore() {
    }

    /** Stores keys (heads, n, D) as those from {@code first} on; the first stands at {@code position} of the rotation, if there is one. */
    public void keys(Tensor tensor, CachedRows to, int first, RotaryTable rotation, int position, Scratch<?> memory) {
        begin(tensor, to, memory);
        int heads = (int) tensor.size(0);
        int count = (int) tensor.size(1);
        for (int t = 0; t < count;) {
            int run = to.run(first + t, first + count);
            long at = to.keyAt(0, first + t);
            long scaleAt = to.keyScaleAt(0, first + t);
            for (int h = 0; h < heads; h++) {
                store(h, t, run, at + h * to.keyHeadStride, to.keyRowBytes, scaleAt + h * to.scaleHeadStride, rotation,
                        position + t);
            }
            t += run;
        }
    }

    /** Stores values (heads, n, Dv) as those of the keys from {@code first} on. */
    public void values(Tensor tensor, CachedRows to, int first, Scratch<?> memory) {
        begin(tensor, to, memory);
        int heads = (int) tensor.size(0);
        int count = (int) tensor.size(1);
        for (int t = 0; t < count;) {
            int run = to.run(first + t, first + count);
            long at = to.valueAt(0, first + t);
            long scaleAt = to.valueScaleAt(0, first + t);
            for (int h = 0; h < heads; h++) {
                store(h, t, run, at + h * to.valueHeadStride, to.valueRowBytes, scaleAt + h * to.scaleHeadStride, null,
                        0);
            }
            t += run;
        }
    }

    /** Whether a NaN or an ∞ was stored as float16 since the last {@link #clear}, as far as a vector kernel has to know. */
    public boolean special() {
        return special;
    }

    /** Drops the references to the caller's memory. */
    public void clear() {
        source.clear();
        rows = null;
        special = false;
        scratch = null;
    }

    private void begin(Tensor tensor, CachedRows to, Scratch<?> memory) {
        source.set(tensor, false);
        rows = to;
        columns = (int) tensor.size(2);
        scratch = memory.memory((long) columns * Float.BYTES);
    }

    /** Rows of one head that lie one after another in the cache. */
    private void store(int head, int row, int count, long at, long rowBytes, long scaleAt, RotaryTable rotation,
            int position) {
        run(head, row, count, at, rowBytes, scaleAt, rotation, position);
        if (VECTORS && rows.type == ElementType.FLOAT16) {
            special |= Float16Rows.special(rows.segment, at, (long) count * columns);
        }
    }

    private void run(int head, int row, int count, long at, long rowBytes, long scaleAt, RotaryTable rotation,
            int position) {
        long from = source.at(0, head, row);
        boolean contiguous = source.columnStride == source.type.bytes();
        if (contiguous && source.type == rows.type && rotation == null) {
            boolean even = source.rowStride == rowBytes || count == 1;
            for (int i = 0; i < (even ? 1 : count); i++) {
                MemorySegment.copy(source.segment, from + i * source.rowStride, rows.segment, at + i * rowBytes,
                        even ? count * rowBytes : rowBytes);
            }
            return;
        }
        boolean staged = !source.direct || !contiguous || rotation != null;
        for (int i = 0; i < count; i++) {
            long element = from + i * source.rowStride;
            if (staged) {
                stage(element);
            }
            if (rotation != null) {
                rotation.rotate(scratch, 0, position + i);
            }
            narrow(staged ? scratch : source.segment, staged ? 0 : element, at + i * rowBytes, scaleAt + 4L * i);
        }
    }

    private void stage(long from) {
        if (VECTORS) {
            RowStaging.load(source, from, 1, columns, scratch, 0, 0);
            return;
        }
        for (int c = 0; c < columns; c++) {
            scratch.set(ValueLayout.JAVA_FLOAT_UNALIGNED, c * 4L,
                    Elements.get(source.segment, source.type, from + c * source.columnStride));
        }
    }

    private void narrow(MemorySegment from, long at, long to, long scaleAt) {
        switch (rows.type) {
            case FLOAT32 -> MemorySegment.copy(from, at, rows.segment, to, (long) columns * Float.BYTES);
            case INT8 -> quantise(from, at, to, scaleAt);
            default -> {
                int done = 0;
                if (VECTORS) {
                    done = rows.type == ElementType.BFLOAT16
                            ? Narrowing.bfloat16(from, at, columns, rows.segment, to)
                            : Narrowing.float16(from, at, columns, rows.segment, to);
                }
                for (int c = done; c < columns; c++) {
                    Elements.set(rows.segment, rows.type, to + c * 2L,
                            from.get(ValueLayout.JAVA_FLOAT_UNALIGNED, at + c * 4L));
                }
            }
        }
    }

    /** A row with a NaN or ∞ gets the scale NaN; one so small that 127 / largest overflows counts as zero, and has the scale 0. */
    private void quantise(MemorySegment from, long at, long to, long scaleAt) {
        int largest = largest(from, at);
        float magnitude = Float.intBitsToFloat(largest);
        float factor = 127 / magnitude;
        boolean zero = factor == Float.POSITIVE_INFINITY;
        float scale = largest >= INFINITY ? Float.NaN : zero ? 0 : magnitude / 127;
        rows.segment.set(ValueLayout.JAVA_FLOAT_UNALIGNED, scaleAt, scale);
        if (!(scale > 0)) {
            for (int c = 0; c < columns; c++) {
                rows.segment.set(ValueLayout.JAVA_BYTE, to + c, (byte) 0);
            }
            return;
        }
        int done = VECTORS ? Narrowing.int8(from, at, columns, factor, rows.segment, to) : 0;
        for (int c = done; c < columns; c++) {
            float shifted = from.get(ValueLayout.JAVA_FLOAT_UNALIGNED, at + c * 4L) * factor + 0x1.8p23f;
            rows.segment.set(ValueLayout.JAVA_BYTE, to + c, (byte) Float.floatToRawIntBits(shifted));
        }
    }

    private int largest(MemorySegment from, long at) {
        int largest = VECTORS ? Narrowing.largest(from, at, columns) : 0;
        int done = VECTORS ? columns - columns % Lanes.COUNT : 0;
        for (int c = done; c < columns; c++) {
            int bits = from.get(ValueLayout.JAVA_INT_UNALIGNED, at + c * 4L) & Integer.MAX_VALUE;
            largest = Math.max(largest, bits);
        }
        return largest;
    }
}
