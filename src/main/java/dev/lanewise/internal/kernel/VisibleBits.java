package dev.lanewise.internal.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Who sees what in one tile of scores: a word a key, whose bit r says whether query r of the panel sees the key. The words are made
 * only for tiles where the answer is not the same for all.
 */
final class VisibleBits {
    /** The most keys in a tile. */
    static final int MAX_KEYS = 128;

    private static final int WORD = Long.SIZE;
    private static final ValueLayout.OfLong LITTLE_ENDIAN = ValueLayout.JAVA_LONG_UNALIGNED
            .withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final long LOW_BITS = 0x7F7F7F7F7F7F7F7FL;
    private static final long HIGH_BITS = ~LOW_BITS;
    private static final long GATHER = 0x0102040810204080L;

    /** One word for each key of the tile. */
    final long[] words = new long[MAX_KEYS];
    private final long[] square = new long[WORD];

    /** The word of a tile row that all its queries see. */
    static long all(int queries) {
        return -1L >>> WORD - queries;
    }

    /** Whether the structure of the call alone lets every query of the tile see every key of it. */
    static boolean structureShowsAll(RowBounds bounds, int query, int queries, int key, int keys) {
        return key >= bounds.first(query + queries - 1L) && key + keys <= bounds.end(query);
    }

    /** Sets the words to what the structure of the call lets be seen. */
    void structure(RowBounds bounds, int query, int queries, int key, int keys) {
        for (int j = 0; j < keys; j++) {
            int from = bounds.firstQuery(key + j, query, queries);
            int to = bounds.endQuery(key + j, query, queries);
            words[j] = to <= from ? 0 : all(to - from) << from;
        }
    }

    /** Takes out of the words what a boolean mask hides. */
    void applyMask(AttentionProblem p, RowBounds bounds, int head, int query, int queries, int key, int keys) {
        boolean sameForAll = p.mask.rowStride == 0;
        int rows = sameForAll ? 1 : queries;
        for (int j = 0; j < keys; j += WORD) {
            int count = Math.min(WORD, keys - j);
            for (int r = 0; r < rows; r++) {
                square[r] = maskRow(p, p.mask.at(bounds.batch, head, bounds.queryRow + query + r)
                        + (bounds.keyRow + key + j) * p.mask.columnStride, count);
            }
            if (!sameForAll) {
                java.util.Arrays.fill(square, rows, WORD, 0);
                transpose(square);
            }
            for (int c = 0; c < count; c++) {
                words[j + c] &= sameForAll ? -(square[0] >>> c & 1) : square[c];
            }
        }
    }

    /** Takes a word out of the words, of the keys that query bits hide. */
    void and(int j, long word) {
        words[j] &= word;
    }

    /** Whether all queries see all keys of the tile. */
    boolean showsAll(int queries, int keys) {
        long all = all(queries);
        long common = all;
        for (int j = 0; j < keys; j++) {
            common &= words[j];
        }
        return common == all;
    }

    /** The queries that see any key of the tile. */
    long seen(int keys) {
        long seen = 0;
        for (int j = 0; j < keys; j++) {
            seen |= words[j];
        }
        return seen;
    }

    /** The booleans of up to 64 keys for one query as bits, the first key lowest. */
    private static long maskRow(AttentionProblem p, long at, int count) {
        MemorySegment mask = p.mask.segment;
        long stride = p.mask.columnStride;
        long row = 0;
        int c = 0;
        if (stride == 1) {
            for (; c + Byte.SIZE <= count; c += Byte.SIZE) {
                row |= nonZeroBytes(mask.get(LITTLE_ENDIAN, at + c)) << c;
            }
        }
        for (; c < count; c++) {
            row |= mask.get(ValueLayout.JAVA_BYTE, at + c * stride) != 0 ? 1L << c : 0;
        }
        return row;
    }

    /**
     * One bit for each byte that is not 0: adding 0x7F to the low seven bits carries into the eighth unless they are 0, and the
     * product moves bit 8k + 7 to bit 56 + k.
     */
    private static long nonZeroBytes(long bytes) {
        long high = ((bytes & LOW_BITS) + LOW_BITS | bytes) & HIGH_BITS;
        return (high >>> 7) * GATHER >>> 56;
    }

    /** Transposes a square of 64 × 64 bits in place, by halves (Warren, Hacker's Delight, 7-3). */
    private static void transpose(long[] square) {
        long mask = 0x00000000FFFFFFFFL;
        for (int distance = WORD / 2; distance != 0; distance >>>= 1, mask ^= mask << distance) {
            for (int r = 0; r < WORD; r = (r + distance + 1) & ~distance) {
                long swap = (square[r] >>> distance ^ square[r + distance]) & mask;
                square[r] ^= swap << distance;
                square[r + distance] ^= swap;
            }
        }
    }
}
