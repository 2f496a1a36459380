package dev.lanewise.internal.memory;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * The working memory of one call on one thread: a native segment that grows to what the calls need and is kept in a bounded pool
 * between them. The garbage collector frees it; a shared arena that closes would stop every thread (lucene#13325).
 *
 * @param <S> what else a call keeps there
 */
public final class Scratch<S> {
    private static final long ALIGNMENT = 64;
    private static final long PAGE = 4096;

    /** The state that is reused along with the memory. */
    public final S state;
    private MemorySegment memory = MemorySegment.NULL;

    private Scratch(S state) {
        this.state = state;
    }

    /** A native segment of at least so many bytes, aligned to 64; what it holds is undefined. */
    public MemorySegment memory(long bytes) {
        if (memory.byteSize() < bytes) {
            memory = Arena.ofAuto().allocate((bytes + PAGE - 1) / PAGE * PAGE, ALIGNMENT);
        }
        return memory;
    }

    /** Makes the reusable state. */
    public interface Maker<S> {
        /** A new state. */
        S make();
    }

    /** A bounded, lock-free pool: two slots a processor; a caller that finds them empty makes its own and the rest is garbage. */
    public static final class Pool<S> {
        private final AtomicReferenceArray<Scratch<S>> slots = new AtomicReferenceArray<>(
                2 * Runtime.getRuntime().availableProcessors());
        private final Maker<S> maker;

        /** An empty pool. */
        public Pool(Maker<S> maker) {
            this.maker = maker;
        }

        /** Takes a scratch out of the pool, or makes one. */
        public Scratch<S> acquire() {
            for (int i = 0; i < slots.length(); i++) {
                if (slots.getPlain(i) != null) {
                    Scratch<S> found = slots.getAndSet(i, null);
                    if (found != null) {
                        return found;
                    }
                }
            }
            return new Scratch<>(maker.make());
        }

        /** Gives a scratch back. */
        public void release(Scratch<S> scratch) {
            for (int i = 0; i < slots.length(); i++) {
                if (slots.getPlain(i) == null && slots.compareAndSet(i, null, scratch)) {
                    return;
                }
            }
        }
    }
}
