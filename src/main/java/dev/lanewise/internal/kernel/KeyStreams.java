package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.FLOAT;

import dev.lanewise.internal.memory.CachedRows;
import java.lang.foreign.MemorySegment;

/**
 * The order in which one query row goes through a long block of keys. Where a page has few bytes of a head, reading starts anew somewhere else so
 * often that several streams, the same part of the block apart, a key of each in turn, are faster than one. Where runs are long, one stream is as
 * fast as four for float32 from memory on a Zen 5 core, and 1.1 times as fast for narrower types. The order depends on the cache and the number of
 * keys alone.
 */
final class KeyStreams {
    private static final int STREAMS = 8;
    private static final long LONG_RUN = 32 * 1024;
    /** Blocks below this are in a cache as soon as the first stream is. */
    private static final int WORTHWHILE = 256;

    private KeyStreams() {
    }

    /** In how many streams a block of so many rows and keys is read; 1 is the order of the keys. */
    static int count(CachedRows cache, int rows, int keys) {
        boolean broken = cache.pageTokens * cache.keyRowBytes < LONG_RUN;
        return broken && rows == 1 && keys >= WORTHWHILE ? STREAMS : 1;
    }

    /** Puts floats into the order of the streams. */
    static void spread(MemorySegment scratch, long natural, long to, int keys, int streams) {
        MemorySegment memory = Lanes.requireNative(scratch);
        int each = keys / streams;
        for (int s = 0; s < streams; s++) {
            for (int j = 0; j < each; j++) {
                memory.set(FLOAT, to + (j * streams + s) * 4L, memory.get(FLOAT, natural + (s * each + j) * 4L));
            }
        }
        for (int j = each * streams; j < keys; j++) {
            memory.set(FLOAT, to + j * 4L, memory.get(FLOAT, natural + j * 4L));
        }
    }

    /** Puts floats from the order of the streams into that of the keys. */
    static void gather(MemorySegment scratch, long spread, long to, int keys, int streams) {
        MemorySegment memory = Lanes.requireNative(scratch);
        int each = keys / streams;
        for (int s = 0; s < streams; s++) {
            for (int j = 0; j < each; j++) {
                memory.set(FLOAT, to + (s * each + j) * 4L, memory.get(FLOAT, spread + (j * streams + s) * 4L));
            }
        }
        for (int j = each * streams; j < keys; j++) {
            memory.set(FLOAT, to + j * 4L, memory.get(FLOAT, spread + j * 4L));
        }
    }
}
