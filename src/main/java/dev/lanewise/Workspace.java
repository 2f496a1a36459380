package dev.lanewise;

import dev.lanewise.internal.kernel.AttentionScratch;
import dev.lanewise.internal.memory.Scratch;
import dev.lanewise.internal.memory.ScratchPool;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;

/**
 * Scratch of the caller's for {@link Attention} calls, instead of the library's pool: native memory whose size, place and end the
 * caller decides. {@link Attention#workspaceBytes} says how much a call needs; {@link Execution#withWorkspace} hands it over.
 *
 * <p>It serves one call at a time, from any thread that its arena allows: a second call at the same time is refused with
 * {@link IllegalStateException} and does no harm. What it holds between calls is of no meaning. If its arena is closed in the
 * middle of a call, the call ends in {@link IllegalStateException}.
 */
public final class Workspace {
    /** Each part starts at a multiple of so many bytes, and is one. */
    static final int LINE = 64;
    private static final VarHandle BUSY;

    static {
        try {
            BUSY = MethodHandles.lookup().findVarHandle(Workspace.class, "busy", boolean.class);
        } catch (ReflectiveOperationException impossible) {
            throw new ExceptionInInitializerError(impossible);
        }
    }

    private final MemorySegment memory;
    /** One for each thread of a call. */
    final List<Scratch<AttentionScratch>> parts;
    /** Whether a call runs. Ending one is a plain write of this, no call, so that a stack overflow cannot keep it from happening. */
    volatile boolean busy;

    private Workspace(MemorySegment memory, int threads) {
        this.memory = memory;
        long part = memory.byteSize() / threads / LINE * LINE;
        parts = IntStream.range(0, threads)
                .mapToObj(i -> Scratch.over(memory.asSlice(i * part, part), new AttentionScratch()))
                .toList();
    }

    /**
     * Allocates a workspace.
     *
     * @param arena owns the memory; a confined one serves calls of its own thread, on that thread alone
     * @param bytes how much, from {@link Attention#workspaceBytes} for the largest call; at least 0
     * @param threads how many threads a call may use, each with an equal part
     * @return the workspace
     * @throws IllegalArgumentException if the bytes are negative or there is no thread
     * @throws OutOfMemoryError if there is not so much native memory
     */
    public static Workspace allocate(Arena arena, long bytes, int threads) {
        Objects.requireNonNull(arena, "arena");
        if (bytes < 0 || threads < 1) {
            throw new IllegalArgumentException(
                    "workspace: " + bytes + " bytes for " + threads + " threads, wanted at least 0 for at least 1");
        }
        return new Workspace(arena.allocate(Math.max(1, bytes), LINE), threads);
    }

    /**
     * Its size.
     *
     * @return the bytes of all threads' parts
     */
    public long bytes() {
        return memory.byteSize();
    }

    /**
     * How many threads a call may use.
     *
     * @return the number of parts
     */
    public int threads() {
        return parts.size();
    }

    /**
     * Lets go of the scratch in the library's pool that no call uses at the moment; the garbage collector returns its memory, and
     * calls allocate anew. The pool also lets go by itself when the heap gets scarce. For a service that was busy and will be idle.
     */
    public static void trimPool() {
        ScratchPool.trimAll();
    }

    /** Claims it for a call on so many threads. */
    Scratch<AttentionScratch> claim(int threads) {
        if (threads > parts.size()) {
            throw new IllegalArgumentException(
                    "workspace: made for " + parts.size() + " threads, wanted at least " + threads);
        }
        TensorChecks.readable("workspace", memory);
        if (threads > 1) {
            TensorChecks.shared("workspace", memory);
        }
        if (!BUSY.compareAndSet(this, false, true)) {
            throw new IllegalStateException("workspace: in use by another call, wanted one call at a time");
        }
        return parts.getFirst();
    }

    /** Refuses a call that needs more than a part has. */
    void require(long bytesPerThread) {
        long part = parts.getFirst().bytes();
        if (part < bytesPerThread) {
            throw new IllegalArgumentException(
                    "workspace: " + part + " bytes a thread, wanted at least " + bytesPerThread);
        }
    }
}
