package dev.lanewise.internal.kernel;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** The states that the chunks of a call leave for the thread that merges them; memory that grows and is kept from call to call. */
final class ChunkParts {
    private static final long ALIGNMENT = 64;

    /** Whether a unit of the call is a chunk. */
    boolean used;
    /** Key/value heads in a unit. */
    int heads;
    private MemorySegment memory = MemorySegment.NULL;

    /** Provides for so many bytes. */
    void reserve(long bytes) {
        if (memory.byteSize() < bytes) {
            memory = Arena.ofAuto().allocate(bytes, ALIGNMENT);
        }
    }

    /** What was provided. */
    MemorySegment memory() {
        return memory;
    }
}
