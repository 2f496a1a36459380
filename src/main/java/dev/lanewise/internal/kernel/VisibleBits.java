package dev.lanewise.internal.kernel;

import dev.lanewise.internal.memory.Operand;
import dev.lanewise.internal.plan.KeyBlocks;
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
    private static final int WORD = Long.SIZE;
    private static final VectorSpecies<Byte> B = VectorSpecies.of(byte.class, Lanes.F.vectorShape());

    /** One word for each key of the tile. */
    final long[] words = new long[KeyBlocks.KEYS];
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
        long at = p.mask.at(bounds.batch, head, bounds.queryRow + (long) query)
                + (bounds.keyRow + (long) key) * p.mask.columnStride;
        for (int j = 0; j < keys; j += WORD) {
            int count = Math.min(WORD, keys - j);
            maskRows(p.mask, at + j * p.mask.columnStride, rows, count);
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

    /** How many keys, from the first on, all queries see. */
    int commonPrefix(int queries, int keys) {
        long all = all(queries);
        int prefix = 0;
        while (prefix < keys && words[prefix] == all) {
            prefix++;
        }
        return prefix;
    }

    /** The queries that see any key of the tile. */
    long seen(int keys) {
        long seen = 0;
        for (int j = 0; j < keys; j++) {
            seen |= words[j];
        }
        return seen;
    }

    /** The booleans of up to 64 keys as bits, the first key lowest, a word of {@link #square} a query. */
    private void maskRows(Operand mask, long at, int rows, int count) {
        int whole = 0;
        if (mask.columnStride == 1 && Operand.isNative(mask.segment)) {
            whole = count - count % B.length();
            vectorBits(mask.segment, at, mask.rowStride, rows, whole, square);
        } else {
            Arrays.fill(square, 0, rows, 0);
        }
        for (int r = 0; r < rows; r++) {
            for (int c = whole; c < count; c++) {
                boolean shown = mask.segment.get(ValueLayout.JAVA_BYTE,
                        at + r * mask.rowStride + c * mask.columnStride) != 0;
                square[r] |= shown ? 1L << c : 0;
            }
        }
    }

    /** One loop over all rows, so that the loads of many, each a cache miss, are under way at once. */
    private static void vectorBits(MemorySegment mask, long at, long rowBytes, int rows, int count, long[] square) {
        MemorySegment source = Lanes.requireNative(mask);
        for (int r = 0; r < rows; r++) {
            long row = 0;
            for (int c = 0; c < count; c += B.length()) {
                row |= ByteVector.fromMemorySegment(B, source, at + c, Lanes.ORDER)
                        .compare(VectorOperators.NE, 0)
                        .toLong() << c;
            }
            square[r] = row;
            at += rowBytes;
        }
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
