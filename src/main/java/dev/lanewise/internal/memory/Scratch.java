package dev.lanewise.internal.memory;

import dev.lanewise.internal.observe.Tally;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.SoftReference;
import java.lang.ref.WeakReference;

/**
 * The working memory of one call on one thread: native memory that grows to what the calls need, and the state that is reused along
 * with it. It comes from a {@link ScratchPool}, or is a part of the caller's workspace.
 *
 * @param <S> what else a call keeps there
 */
public final class Scratch<S> {
    private static final long ALIGNMENT = 64;
    private static final long PAGE = 4096;

    /** The state that is reused along with the memory. */
    public final S state;
    /** Where the calls that use this scratch are counted. */
    public final Tally tally;
    /** Its slot in the pool; none if negative. */
    final int slot;
    /** What the slot holds while no call uses this scratch; made once, so that a call makes none. */
    final SoftReference<Scratch<S>> free = new SoftReference<>(this);
    /** What the slot holds while a call does. */
    final WeakReference<Scratch<S>> claimed = new WeakReference<>(this);
    /** The caller's memory does not grow. */
    private final boolean fixed;
    /** Owns the memory of a temporary scratch; otherwise null, and the garbage collector frees what it grew to. */
    private final Arena own;
    private MemorySegment memory;

    private Scratch(S state, Tally tally, int slot, MemorySegment memory, boolean fixed, Arena own) {
        this.state = state;
        this.tally = tally;
        this.slot = slot;
        this.memory = memory;
        this.fixed = fixed;
        this.own = own;
    }

    /** A scratch of a pool. A shared arena that closes would stop every thread (lucene#13325), so the garbage collector frees it. */
    static <S> Scratch<S> pooled(S state, Tally tally, int slot) {
        return new Scratch<>(state, tally, slot, MemorySegment.NULL, false, null);
    }

    /** A scratch for one call: of the calling thread, to be {@linkplain #free() freed} by it, or for all threads. */
    static <S> Scratch<S> temporary(S state, boolean shared) {
        return new Scratch<>(state, Tally.SHARED, -1, MemorySegment.NULL, false, shared ? null : Arena.ofConfined());
    }

    /** A scratch in the caller's memory, which should be aligned to 64 bytes. */
    public static <S> Scratch<S> over(MemorySegment memory, S state) {
        return new Scratch<>(state, Tally.SHARED, -1, memory, true, null);
    }

    /**
     * A native segment of at least so many bytes, aligned to 64; what it holds is undefined.
     *
     * @throws OutOfMemoryError if there is no native memory left; the scratch stays as it was
     */
    public MemorySegment memory(long bytes) {
        if (memory.byteSize() < bytes) {
            grow(bytes);
        }
        return memory;
    }

    private void grow(long bytes) {
        if (fixed) {
            throw new IllegalArgumentException(
                    "workspace: " + memory.byteSize() + " bytes a thread, wanted at least " + bytes);
        }
        long roomy = Math.max(bytes, Math.min(memory.byteSize() / 2 * 3, ScratchPool.KEPT_BYTES));
        long wanted = (roomy + PAGE - 1) / PAGE * PAGE;
        try {
            memory = allocate(wanted);
        } catch (OutOfMemoryError full) {
            ScratchPool.trimAll();
            try {
                memory = allocate(wanted);
            } catch (OutOfMemoryError none) {
                throw new OutOfMemoryError("scratch: no native memory for " + wanted + " bytes: " + none.getMessage());
            }
        }
    }

    private MemorySegment allocate(long bytes) {
        return (own == null ? Arena.ofAuto() : own).allocate(bytes, ALIGNMENT);
    }

    /** The native bytes it holds. */
    public long bytes() {
        return memory.byteSize();
    }

    /** Whether it is for one call. */
    boolean isTemporary() {
        return slot < 0;
    }

    /** Returns the memory of a temporary scratch. */
    void free() {
        if (own != null) {
            own.close();
        }
    }
}
