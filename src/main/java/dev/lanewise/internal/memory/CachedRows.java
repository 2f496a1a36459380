package dev.lanewise.internal.memory;

import dev.lanewise.ElementType;
import java.lang.foreign.MemorySegment;

/**
 * The keys and values of one sequence in one layer of a cache, as the kernels see them. Rows lie in pages of {@link #pageTokens} slots;
 * within a page the rows of a head follow each other without a gap. A key's slot is its number, but that {@link #gapSlots} slots of
 * evicted keys are passed over at {@link #gapAt}. Filled in by the cache and reused from call to call, so that a call allocates nothing.
 */
public final class CachedRows {
    /** The native memory of all pages, or null while there is no cache. */
    public MemorySegment segment;
    /** FLOAT32, BFLOAT16, FLOAT16, or INT8: then element times the scale of its row. */
    public ElementType type;
    /** Whether a NaN or an ∞ may be among rows of FLOAT16. */
    public boolean special;
    /** Keys that can be attended to. */
    public int length;
    /** The pages of the sequence, in order; may be longer than needed. */
    public int[] pages;
    /** Slots in a page. */
    public int pageTokens;
    /** Bytes from one page to the next. */
    public long pageBytes;
    /** The byte of key row (page 0, head 0, slot 0) of this layer. */
    public long keysAt;
    /** The same for values. */
    public long valuesAt;
    /** Bytes from one head's keys to the next head's in a page. */
    public long keyHeadStride;
    /** The same for values. */
    public long valueHeadStride;
    /** Bytes in a row of keys. */
    public long keyRowBytes;
    /** Bytes in a row of values. */
    public long valueRowBytes;
    /** The byte of the scale, a float32, of key row (page 0, head 0, slot 0); scales of slots follow each other. */
    public long keyScalesAt;
    /** The same for values. */
    public long valueScalesAt;
    /** Bytes from one head's scales to the next head's in a page. */
    public long scaleHeadStride;
    /** The first key that lies behind evicted slots; any number if there are none. */
    public int gapAt;
    /** How many slots are passed over there. */
    public int gapSlots;

    /** The slot of a key. */
    public int slot(int key) {
        return key < gapAt ? key : key + gapSlots;
    }

    /** How many keys from {@code key} on, and before {@code end}, lie one row after another. */
    public int run(int key, int end) {
        int slot = slot(key);
        int inPage = pageTokens - slot % pageTokens;
        int beforeGap = key < gapAt && gapSlots > 0 ? gapAt - key : Integer.MAX_VALUE;
        return Math.min(Math.min(inPage, beforeGap), end - key);
    }

    /** The byte of a key's row. */
    public long keyAt(int head, int key) {
        return at(keysAt + head * keyHeadStride, keyRowBytes, key);
    }

    /** The byte of a value's row. */
    public long valueAt(int head, int key) {
        return at(valuesAt + head * valueHeadStride, valueRowBytes, key);
    }

    /** The byte of the scale of a key's row. */
    public long keyScaleAt(int head, int key) {
        return at(keyScalesAt + head * scaleHeadStride, Float.BYTES, key);
    }

    /** The byte of the scale of a value's row. */
    public long valueScaleAt(int head, int key) {
        return at(valueScalesAt + head * scaleHeadStride, Float.BYTES, key);
    }

    /** One element of a key's row. */
    public float key(int head, int key, int feature) {
        return element(keyAt(head, key), feature) * scale(keyScaleAt(head, key));
    }

    /** One element of a value's row. */
    public float value(int head, int key, int feature) {
        return element(valueAt(head, key), feature) * scale(valueScaleAt(head, key));
    }

    /** The first elements of a key's row. */
    public void loadKey(int head, int key, float[] to, int at, int count) {
        load(keyAt(head, key), scale(keyScaleAt(head, key)), to, at, count);
    }

    /** The first elements of a value's row. */
    public void loadValue(int head, int key, float[] to, int at, int count) {
        load(valueAt(head, key), scale(valueScaleAt(head, key)), to, at, count);
    }

    private void load(long row, float scale, float[] to, int at, int count) {
        for (int d = 0; d < count; d++) {
            to[at + d] = element(row, d) * scale;
        }
    }

    private float element(long row, int feature) {
        return Elements.get(segment, type, row + (long) feature * type.bytes());
    }

    /** Times 1 changes no bit of a number. */
    private float scale(long at) {
        return type == ElementType.INT8 ? Elements.get(segment, ElementType.FLOAT32, at) : 1;
    }

    private long at(long base, long rowBytes, int key) {
        int slot = slot(key);
        return base + pages[slot / pageTokens] * pageBytes + slot % pageTokens * rowBytes;
    }

    /** Drops the references to the caller's memory. */
    public void clear() {
        segment = null;
        pages = null;
    }
}
