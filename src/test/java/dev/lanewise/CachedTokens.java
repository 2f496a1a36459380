package dev.lanewise;

import dev.lanewise.internal.memory.CachedRows;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.Random;

/**
 * A cache that holds the first keys and values of each batch row of two tensors, in its last layer. Its pages are those of several sequences in
 * turn, tokens have been evicted and taken back, and every row that no key is in has NaN.
 */
record CachedTokens(KvCache cache, KvCache.Sequence[] sequences, int[] lengths) {
    private static final int LAYERS = 2;
    /** The most tokens that are in the way for a while. */
    private static final int IN_THE_WAY = 40;

    /** Of as many keys of row b as lengths[b]; one page for each sequence if {@code pageTokens} is 0. */
    static CachedTokens of(Arena arena, ElementType type, int pageTokens, Tensor k, Tensor v, int[] lengths,
            Random random) {
        int most = Arrays.stream(lengths).max().getAsInt() + 2 * IN_THE_WAY;
        int page = pageTokens == 0 ? most : pageTokens;
        long pages = (long) lengths.length * Math.ceilDiv(most, page) + 1;
        KvCache cache = KvCache.builder((int) k.size(1), (int) k.size(3))
                .valueDimension((int) v.size(3))
                .layers(LAYERS)
                .storage(type)
                .pageTokens(page)
                .capacity(pages * page)
                .allocate(arena);
        KvCache.Sequence[] sequences = new KvCache.Sequence[lengths.length];
        int[] done = new int[lengths.length];
        for (int row = 0; row < lengths.length; row++) {
            sequences[row] = cache.newSequence();
        }
        for (boolean all = false; !all;) {
            all = true;
            for (int row = 0; row < lengths.length; row++) {
                int count = Math.min(lengths[row] - done[row], 1 + random.nextInt(50));
                append(sequences[row], k.select(0, row), v.select(0, row), done[row], done[row] + count);
                if (done[row] == 0) {
                    evictSome(arena, sequences[row], k, v, count, random);
                }
                done[row] += count;
                all &= done[row] == lengths[row];
            }
        }
        for (int row = 0; row < lengths.length; row++) {
            appendNaN(arena, sequences[row], k, v, random.nextInt(IN_THE_WAY));
            sequences[row].truncate(lengths[row]);
        }
        return new CachedTokens(cache, sequences, lengths);
    }

    private static void append(KvCache.Sequence sequence, Tensor k, Tensor v, int from, int to) {
        for (int layer = 0; layer < LAYERS; layer++) {
            sequence.append(layer, k.slice(1, from, to), v.slice(1, from, to));
        }
    }

    private static void evictSome(Arena arena, KvCache.Sequence sequence, Tensor k, Tensor v, int keepFirst,
            Random random) {
        int count = random.nextInt(IN_THE_WAY);
        appendNaN(arena, sequence, k, v, count);
        sequence.evict(keepFirst, count);
    }

    private static void appendNaN(Arena arena, KvCache.Sequence sequence, Tensor k, Tensor v, int count) {
        append(sequence, Layout.PLAIN.allocate(arena, 1, k.size(1), count, k.size(3)).select(0, 0),
                Layout.PLAIN.allocate(arena, 1, v.size(1), count, v.size(3)).select(0, 0), 0, count);
    }

    int layer() {
        return LAYERS - 1;
    }

    /** The keys as they are read back, (B, Hkv, Lk, D); 0 after a row's length. */
    Tensor keys(Arena arena, long longest) {
        return readBack(arena, longest, cache.headDimension(), CachedRows::key);
    }

    /** The values. */
    Tensor values(Arena arena, long longest) {
        return readBack(arena, longest, cache.valueDimension(), CachedRows::value);
    }

    private interface Element {
        float of(CachedRows rows, int head, int key, int feature);
    }

    private Tensor readBack(Arena arena, long longest, int columns, Element element) {
        Tensor tensor = Tensor.allocate(arena, ElementType.FLOAT32, lengths.length, cache.kvHeads(), longest, columns);
        CachedRows rows = new CachedRows();
        for (int b = 0; b < lengths.length; b++) {
            sequences[b].fill(layer(), rows);
            for (int h = 0; h < cache.kvHeads(); h++) {
                for (int key = 0; key < lengths[b]; key++) {
                    for (int d = 0; d < columns; d++) {
                        tensor.setFloat(element.of(rows, h, key, d), b, h, key, d);
                    }
                }
            }
        }
        return tensor;
    }
}
