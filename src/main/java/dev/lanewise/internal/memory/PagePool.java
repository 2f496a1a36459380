package dev.lanewise.internal.memory;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicLong;

/**
 * The pages of a cache: which are free, and how many sequences hold each of the others. Lock-free, for any number of threads. Free pages
 * make a stack (Treiber, 1986) whose head counts its changes, so that a page that came back in between is noticed.
 */
public final class PagePool {
    private static final int NONE = 0;

    /** The number of changes in the upper half, the first free page + 1 in the lower. */
    private final AtomicLong head;
    /** The free page below each free page, + 1. */
    private final AtomicIntegerArray below;
    private final AtomicIntegerArray holders;
    /** Free pages that nobody has reserved: never more than the stack has. */
    private final AtomicInteger free;

    /** A pool of free pages, of which page 0 is the first to be taken. */
    public PagePool(int pages) {
        head = new AtomicLong(pages == 0 ? NONE : 1);
        below = new AtomicIntegerArray(pages);
        holders = new AtomicIntegerArray(pages);
        free = new AtomicInteger(pages);
        for (int page = 0; page < pages; page++) {
            below.setPlain(page, page + 1 == pages ? NONE : page + 2);
        }
    }

    /** Free pages at some moment. */
    public int free() {
        return free.get();
    }

    /** Lays claim to so many pages at once, or to none if there are fewer. */
    boolean reserve(int pages) {
        for (;;) {
            int now = free.get();
            if (now < pages) {
                return false;
            }
            if (free.compareAndSet(now, now - pages)) {
                return true;
            }
        }
    }

    /** Gives up a claim. */
    void unreserve(int pages) {
        free.addAndGet(pages);
    }

    /** Takes a page that was reserved, for one holder. */
    int take() {
        for (;;) {
            long now = head.get();
            int page = (int) now - 1;
            if (head.compareAndSet(now, next(now, below.get(page)))) {
                holders.set(page, 1);
                return page;
            }
        }
    }

    /** One more holder of a page that the caller holds. */
    void retain(int page) {
        holders.incrementAndGet(page);
    }

    /** One holder less; without any the page is free. */
    void release(int page) {
        if (holders.decrementAndGet(page) > 0) {
            return;
        }
        for (;;) {
            long now = head.get();
            below.set(page, (int) now);
            if (head.compareAndSet(now, next(now, page + 1))) {
                break;
            }
        }
        free.incrementAndGet();
    }

    /** Whether others than the caller hold a page that it holds. */
    boolean shared(int page) {
        return holders.get(page) > 1;
    }

    private static long next(long now, int top) {
        return (now >>> Integer.SIZE) + 1 << Integer.SIZE | top;
    }
}
