package dev.lanewise.internal.memory;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicIntegerArray;

/**
 * The pages and lengths of one sequence. Keys are numbered without regard to evicted ones; slots, numbered page by page, have a gap where
 * evicted keys were, of which whole pages have gone back to the pool. One thread at a time changes a list. A length is published after
 * what it counts, so that readers who look at the length first see everything below it.
 */
public final class PageList {
    private static final int FIRST_PAGES = 16;

    private final CacheLayout layout;
    private final PagePool pool;
    private final MemorySegment segment;
    /** The number of keys of each layer; none below {@link #gapAt} where keys have been evicted. */
    private final AtomicIntegerArray lengths;
    private int[] pages;
    private int pageCount;
    /** The key that stands behind the evicted ones. */
    private int gapAt;
    /** Slots that are passed over before it. */
    private int gapSlots;
    /** Keys evicted in all. */
    private long evicted;
    private boolean special;

    /** An empty list. */
    public PageList(CacheLayout layout, PagePool pool, MemorySegment segment) {
        this.layout = layout;
        this.pool = pool;
        this.segment = segment;
        lengths = new AtomicIntegerArray(layout.layers);
        pages = new int[Math.min(FIRST_PAGES, layout.pages)];
    }

    /** A list that shares all pages of another. */
    public PageList(PageList other) {
        this(other.layout, other.pool, other.segment);
        StackProbe.require();
        for (int layer = 0; layer < layout.layers; layer++) {
            lengths.setPlain(layer, other.lengths.get(layer));
        }
        pages = other.pages.clone();
        pageCount = other.pageCount;
        gapAt = other.gapAt;
        gapSlots = other.gapSlots;
        evicted = other.evicted;
        special = other.special;
        for (int i = 0; i < pageCount; i++) {
            pool.retain(pages[i]);
        }
    }

    /** The number of keys of a layer. */
    public int length(int layer) {
        return lengths.getAcquire(layer);
    }

    /** The number of keys that every layer has. */
    public int shortest() {
        int shortest = length(0);
        for (int layer = 1; layer < layout.layers; layer++) {
            shortest = Math.min(shortest, length(layer));
        }
        return shortest;
    }

    /** The number of keys of the layer that has the most. */
    public int longest() {
        int longest = 0;
        for (int layer = 0; layer < layout.layers; layer++) {
            longest = Math.max(longest, length(layer));
        }
        return longest;
    }

    /** The number of keys that have been evicted. */
    public long evicted() {
        return evicted;
    }

    /** The key that stands behind the evicted ones, if there are any. */
    public int gapAt() {
        return gapAt;
    }

    /** The pages held. */
    public int pageCount() {
        return pageCount;
    }

    /** The number of slots that a number of keys, not below {@link #gapAt}, takes. */
    public long slots(long keys) {
        return keys + gapSlots;
    }

    /** Tells a kernel where the keys of a layer lie. */
    public void fill(CachedRows rows, int layer) {
        rows.length = length(layer);
        rows.segment = segment;
        rows.special = special;
        rows.pages = pages;
        rows.gapAt = gapAt;
        rows.gapSlots = gapSlots;
        layout.fill(rows, layer);
    }

    /**
     * Gets pages of this sequence's own for the slots of so many new keys of a layer, at least one. Returns the number of pages that the pool has too few, and has
     * then changed nothing; or 0.
     */
    public int reserve(int layer, int keys) {
        int length = length(layer);
        int first = (int) (slots(length) / layout.pageTokens);
        int end = (int) ((slots((long) length + keys) - 1) / layout.pageTokens) + 1;
        int wanted = Math.max(0, end - pageCount);
        for (int i = first; i < Math.min(end, pageCount); i++) {
            wanted += pool.shared(pages[i]) ? 1 : 0;
        }
        if (wanted == 0) {
            return 0;
        }
        StackProbe.require();
        if (end > pages.length && end <= layout.pages) {
            pages = Arrays.copyOf(pages, Math.max(end, (int) Math.min(2L * pages.length, layout.pages)));
        }
        if (!pool.reserve(wanted)) {
            return Math.max(1, wanted - pool.free());
        }
        for (int i = first; i < Math.min(end, pageCount); i++) {
            if (pool.shared(pages[i])) {
                pages[i] = copied(pages[i]);
                wanted--;
            }
        }
        for (; pageCount < end; pageCount++) {
            pages[pageCount] = pool.take();
            wanted--;
        }
        // Somebody else may have let go of a page since it was counted.
        pool.unreserve(wanted);
        return 0;
    }

    private int copied(int page) {
        int copy = pool.take();
        long bytes = layout.pageBytes();
        MemorySegment.copy(segment, page * bytes, segment, copy * bytes, bytes);
        pool.release(page);
        return copy;
    }

    /** Makes so many new keys of a layer, whose rows have been written, part of the sequence. */
    public void publish(int layer, int keys) {
        lengths.setRelease(layer, lengths.getPlain(layer) + keys);
    }

    /** Remembers that a NaN or an ∞ was stored as float16; to be called before it is published. */
    public void markSpecial() {
        special = true;
    }

    /** Takes back all keys from a length on; layers that are shorter keep theirs. */
    public void truncate(int length) {
        StackProbe.require();
        for (int layer = 0; layer < layout.layers; layer++) {
            lengths.set(layer, Math.min(length, lengths.get(layer)));
        }
        if (length < gapAt) {
            gapAt = 0;
            gapSlots = 0;
            evicted = 0;
        }
        giveBack();
    }

    /** Drops keys of all layers. If keys have been evicted before, the new ones are next to the place where they were. */
    public void evict(int keepFirst, int keys) {
        StackProbe.require();
        for (int layer = 0; layer < layout.layers; layer++) {
            lengths.set(layer, lengths.get(layer) - keys);
        }
        gapAt = keepFirst;
        gapSlots += keys;
        evicted += keys;
        int first = Math.ceilDiv(gapAt, layout.pageTokens);
        int end = (gapAt + gapSlots) / layout.pageTokens;
        if (first < end) {
            release(first, end);
            System.arraycopy(pages, end, pages, first, pageCount - end);
            pageCount -= end - first;
            gapSlots -= (end - first) * layout.pageTokens;
        }
        giveBack();
    }

    /** Gives back the pages that no key lies in. */
    public void trim() {
        StackProbe.require();
        giveBack();
    }

    /** A gap at the very end is none. */
    private void giveBack() {
        int longest = longest();
        if (longest <= gapAt) {
            gapSlots = 0;
        }
        int needed = (int) Math.ceilDiv(slots(longest), (long) layout.pageTokens);
        if (needed < pageCount) {
            release(needed, pageCount);
            pageCount = needed;
        }
    }

    /** Gives back every page. */
    public void clear() {
        StackProbe.require();
        release(0, pageCount);
        pageCount = 0;
    }

    private void release(int first, int end) {
        for (int i = first; i < end; i++) {
            pool.release(pages[i]);
        }
    }
}
