package dev.lanewise.internal.memory;

import dev.lanewise.internal.observe.Tally;
import java.lang.ref.Reference;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * A bounded, lock-free pool of scratch: two slots a processor, at least 8. A call claims a slot; one that finds none free gets a
 * temporary scratch, which is freed when the call ends: so native memory is bounded by the slots and by the calls at work, whatever the
 * number of threads. A free scratch is reached softly, and goes when the heap gets scarce. A claimed one is reached
 * weakly: if a stack overflow kept a call from giving it back, its slot can be taken once the garbage collector has noticed.
 *
 * @param <S> what else a call keeps in a scratch
 */
public final class ScratchPool<S> {
    /** A larger scratch is not kept: 64 MiB hold the projections of 2048 rows of 2048 features. */
    static final long KEPT_BYTES = 64L << 20;
    private static final int FEWEST = 8;
    private static final List<ScratchPool<?>> ALL = new CopyOnWriteArrayList<>();

    private final AtomicReferenceArray<Reference<Scratch<S>>> slots;
    private final Tally.Own[] tallies;
    private final Maker<S> maker;

    /** Makes the reusable state. */
    public interface Maker<S> {
        /** A new state. */
        S make();
    }

    /** An empty pool. */
    public ScratchPool(Maker<S> maker) {
        int wanted = Math.max(FEWEST, 2 * Runtime.getRuntime().availableProcessors());
        int size = Integer.highestOneBit(2 * wanted - 1);
        this.maker = maker;
        slots = new AtomicReferenceArray<>(size);
        tallies = new Tally.Own[size];
        for (int slot = 0; slot < size; slot++) {
            tallies[slot] = new Tally.Own();
        }
        ALL.add(this);
    }

    /** Claims a scratch for the calling thread. A thread comes back to the slot it had before. */
    public Scratch<S> acquire() {
        return acquire(false);
    }

    /** Claims a scratch whose memory other threads may use too. */
    public Scratch<S> acquireShared() {
        return acquire(true);
    }

    private Scratch<S> acquire(boolean shared) {
        int size = slots.length();
        int first = (int) Thread.currentThread().threadId();
        for (int i = 0; i < size; i++) {
            int slot = first + i & size - 1;
            Reference<Scratch<S>> found = slots.get(slot);
            Scratch<S> scratch = found == null ? null : found.get();
            if (scratch == null) {
                scratch = Scratch.pooled(maker.make(), tallies[slot], slot);
            } else if (found != scratch.free) {
                continue;
            }
            if (slots.compareAndSet(slot, found, scratch.claimed)) {
                return scratch;
            }
        }
        return Scratch.temporary(maker.make(), shared);
    }

    /** Gives a scratch back, on the thread that claimed it. */
    public void release(Scratch<S> scratch) {
        if (scratch.isTemporary()) {
            scratch.free();
        } else {
            slots.set(scratch.slot, scratch.bytes() <= KEPT_BYTES ? scratch.free : null);
        }
    }

    /** Lets go of every scratch that no call uses; the garbage collector frees the memory. */
    public static void trimAll() {
        ALL.forEach(ScratchPool::trim);
    }

    private void trim() {
        for (int slot = 0; slot < slots.length(); slot++) {
            Reference<Scratch<S>> found = slots.get(slot);
            Scratch<S> scratch = found == null ? null : found.get();
            if (scratch != null && found == scratch.free) {
                slots.compareAndSet(slot, found, null);
            }
        }
    }

    /** The native bytes of all pools that calls hold, or that wait for the next call. Temporary scratch is not among them. */
    public static long bytes(boolean inUse) {
        long sum = 0;
        for (ScratchPool<?> pool : ALL) {
            sum += pool.held(inUse);
        }
        return sum;
    }

    private long held(boolean inUse) {
        long sum = 0;
        for (int slot = 0; slot < slots.length(); slot++) {
            Reference<Scratch<S>> found = slots.get(slot);
            Scratch<S> scratch = found == null ? null : found.get();
            sum += scratch != null && found == scratch.claimed == inUse ? scratch.bytes() : 0;
        }
        return sum;
    }

    /** Adds up what the calls of all pools have counted. */
    public static void sum(Tally.Sum sum) {
        for (ScratchPool<?> pool : ALL) {
            for (Tally.Own tally : pool.tallies) {
                tally.addTo(sum);
            }
        }
        Tally.SHARED.addTo(sum);
    }
}
