package dev.lanewise.internal.kernel;

import dev.lanewise.internal.memory.Operand;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Who sees what in one tile of scores: a word a key, whose bit r says whether query r of the panel sees the key. The words are made
 * only for tiles where the answer is not the same for all.
 */
final class VisibleBits {
    /** The most keys in a tile. */
    static final int MAX_KEYS = 128;

    private static final int WORD = Long.SIZE;
    private static final VectorSpecies<Byte> B = VectorSpecies.of(byte.class, Lanes.F.vectorShape());

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
        if (structureShowsAll(bounds, query, queries, key, keys)) {
            Arrays.fill(words, 0, keys, all(queries));
            return;
        }
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
                Arrays.fill(square, rows, WORD, 0);
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
        boolean vectors = stride == 1 && Operand.isNative(mask);
        int whole = vectors ? count - count % B.length() : 0;
        long row = vectors ? vectorBits(mask, at, whole) : 0;
        for (int c = whole; c < count; c++) {
            row |= mask.get(ValueLayout.JAVA_BYTE, at + c * stride) != 0 ? 1L << c : 0;
        }
        return row;
    }

    private static long vectorBits(MemorySegment mask, long at, int count) {
        MemorySegment source = Lanes.requireNative(mask);
        long row = 0;
        for (int c = 0; c < count; c += B.length()) {
            row |= ByteVector.fromMemorySegment(B, source, at + c, Lanes.ORDER)
                    .compare(VectorOperators.NE, 0)
                    .toLong() << c;
        }
        return row;
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
