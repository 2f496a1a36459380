package dev.lanewise.internal.memory;

import dev.lanewise.ElementType;

/**
 * Where everything lies in the memory of a cache: page by page, in a page layer by layer, in a layer all keys, all values, and for INT8
 * the scales of both; in each of these head by head, slot by slot. Each part starts at a multiple of 64 bytes. Immutable.
 */
public final class CacheLayout {
    /** What every part is aligned to: a cache line, and the widest vector register. */
    public static final long ALIGNMENT = 64;

    /** Key/value heads. */
    public final int heads;
    /** D. */
    public final int depth;
    /** Dv. */
    public final int valueDepth;
    /** Layers. */
    public final int layers;
    /** What the rows are stored as. */
    public final ElementType type;
    /** Slots in a page. */
    public final int pageTokens;
    /** Pages in the pool. */
    public final int pages;
    /** Bytes of all pages. */
    public final long bytes;

    private final long keyBytes;
    private final long valueBytes;
    private final long scaleBytes;
    private final long layerBytes;
    private final long pageBytes;

    /** Throws {@link ArithmeticException} if a {@code long} cannot count the bytes. */
    public CacheLayout(int heads, int depth, int valueDepth, int layers, ElementType type, int pageTokens, int pages) {
        this.heads = heads;
        this.depth = depth;
        this.valueDepth = valueDepth;
        this.layers = layers;
        this.type = type;
        this.pageTokens = pageTokens;
        this.pages = pages;
        long rows = (long) heads * pageTokens;
        keyBytes = part(rows, depth, type.bytes());
        valueBytes = part(rows, valueDepth, type.bytes());
        scaleBytes = type == ElementType.INT8 ? part(rows, 1, Float.BYTES) : 0;
        layerBytes = Math.addExact(Math.addExact(keyBytes, valueBytes), Math.multiplyExact(2, scaleBytes));
        pageBytes = Math.multiplyExact(layers, layerBytes);
        bytes = Math.multiplyExact(pages, pageBytes);
    }

    private static long part(long rows, int columns, int elementBytes) {
        long exact = Math.multiplyExact(rows, (long) columns * elementBytes);
        return Math.multiplyExact(Math.ceilDiv(exact, ALIGNMENT), ALIGNMENT);
    }

    /** Tells the kernels where the rows of a layer lie. */
    void fill(CachedRows rows, int layer) {
        rows.type = type;
        rows.pageTokens = pageTokens;
        rows.pageBytes = pageBytes;
        rows.keyRowBytes = (long) depth * type.bytes();
        rows.valueRowBytes = (long) valueDepth * type.bytes();
        rows.keyHeadStride = pageTokens * rows.keyRowBytes;
        rows.valueHeadStride = pageTokens * rows.valueRowBytes;
        rows.scaleHeadStride = (long) pageTokens * Float.BYTES;
        rows.keysAt = layer * layerBytes;
        rows.valuesAt = rows.keysAt + keyBytes;
        rows.keyScalesAt = rows.valuesAt + valueBytes;
        rows.valueScalesAt = rows.keyScalesAt + scaleBytes;
    }

    /** Bytes from one page to the next. */
    long pageBytes() {
        return pageBytes;
    }
}
