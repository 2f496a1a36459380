package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lanewise.internal.memory.CachedRows;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;

/** A cache beside plain lists of the tokens that it should have. Every action may be done at any time; which sequence it meets is drawn. */
final class CacheModel {
    private static final int MOST_OPEN = 5;

    /** One token in one layer: its rows, head by head, as they are read back, and the position it was appended at. */
    private record Token(long position, float[] keys, float[] values) {
    }

    /** A sequence and what it should have. */
    private static final class Twin {
        private final KvCache.Sequence sequence;
        private final List<List<Token>> layers = new ArrayList<>();
        private int place;
        private long evicted;

        private Twin(KvCache.Sequence sequence) {
            this.sequence = sequence;
        }

        private int shortest() {
            return layers.stream().mapToInt(List::size).min().getAsInt();
        }

        private int longest() {
            return layers.stream().mapToInt(List::size).max().getAsInt();
        }
    }

    private final CacheCase shape;
    private final KvCache cache;
    private final Arena arena;
    private final List<Twin> open = new ArrayList<>();
    private final CachedRows rows = new CachedRows();
    private final RotaryEmbedding embedding;

    CacheModel(CacheCase shape, Arena arena) {
        this.shape = shape;
        this.arena = arena;
        cache = shape.allocate(arena);
        embedding = shape.embedding();
    }

    private Twin twin(int which) {
        if (open.isEmpty()) {
            newSequence();
        }
        return open.get(which % open.size());
    }

    void newSequence() {
        if (open.size() < MOST_OPEN) {
            Twin twin = new Twin(cache.newSequence());
            for (int layer = 0; layer < shape.layers(); layer++) {
                twin.layers.add(new ArrayList<>());
            }
            open.add(twin);
        }
    }

    void append(int which, int count, long seed, Layout layout) {
        Twin twin = twin(which);
        Random random = new Random(seed);
        int layer = random.nextInt(shape.layers());
        double deviation = random.nextInt(8) == 0 ? 0 : Math.exp(random.nextGaussian());
        Tensor k = layout.normal(arena, random, deviation, 1, shape.heads(), count, shape.depth()).select(0, 0);
        Tensor v = layout.normal(arena, random, deviation, 1, shape.heads(), count, shape.valueDepth()).select(0, 0);
        int missing = missing(twin, layer, count);
        int free = cache.freePages();
        assertEquals(twin.layers.get(layer).size() + twin.evicted, twin.sequence.nextPosition(layer));
        if (count > 0 && missing > free) {
            assertThrows(KvCache.ExhaustedException.class, () -> twin.sequence.append(layer, k, v));
            assertEquals(free, cache.freePages());
            return;
        }
        twin.sequence.append(layer, k, v);
        assertEquals(free - (count == 0 ? 0 : missing), cache.freePages());
        remember(twin, layer, k, v);
    }

    private void remember(Twin twin, int layer, Tensor k, Tensor v) {
        List<Token> tokens = twin.layers.get(layer);
        long position = tokens.size() + twin.evicted;
        Tensor keys = k;
        if (shape.rotary()) {
            keys = Tensor.allocate(arena, ElementType.FLOAT32, k.shape());
            embedding.apply(k, position, keys);
        }
        for (int t = 0; t < k.size(1); t++) {
            tokens.add(new Token(position + t, stored(keys, t), stored(v, t)));
        }
    }

    private float[] stored(Tensor tensor, int token) {
        int columns = (int) tensor.size(2);
        float[] stored = new float[shape.heads() * columns];
        for (int h = 0; h < shape.heads(); h++) {
            float[] row = shape.stored(tensor.select(0, h).select(0, token).toFloats());
            System.arraycopy(row, 0, stored, h * columns, columns);
        }
        return stored;
    }

    /** Pages that an append takes: new ones, and copies of those it would write to and shares. */
    private int missing(Twin twin, int layer, int count) {
        Map<Integer, Integer> holders = new HashMap<>();
        for (Twin other : open) {
            for (int page : pages(other)) {
                holders.merge(page, 1, Integer::sum);
            }
        }
        List<Integer> held = pages(twin);
        twin.sequence.fill(layer, rows);
        int missing = 0;
        int first = rows.slot(rows.length) / shape.pageTokens();
        int end = (rows.slot(rows.length) + count - 1) / shape.pageTokens() + 1;
        for (int i = Math.min(first, held.size()); i < end; i++) {
            missing += i >= held.size() || holders.get(held.get(i)) > 1 ? 1 : 0;
        }
        return missing;
    }

    /** The pages that a sequence should hold: those up to the slot of its last token. */
    private List<Integer> pages(Twin twin) {
        twin.sequence.fill(0, rows);
        int longest = twin.longest();
        int slots = longest == 0 ? 0 : rows.slot(longest - 1) + 1;
        List<Integer> pages = new ArrayList<>();
        for (int i = 0; i < Math.ceilDiv(slots, shape.pageTokens()); i++) {
            pages.add(rows.pages[i]);
        }
        return pages;
    }

    void truncate(int which, int back) {
        Twin twin = twin(which);
        int length = Math.max(0, twin.longest() - back);
        twin.sequence.truncate(length);
        twin.layers.forEach(tokens -> tokens.subList(Math.min(length, tokens.size()), tokens.size()).clear());
        if (length < twin.place) {
            twin.evicted = 0;
            twin.place = 0;
        }
    }

    void fork(int which) {
        Twin twin = twin(which);
        if (open.size() < MOST_OPEN) {
            Twin fork = new Twin(twin.sequence.fork());
            twin.layers.forEach(tokens -> fork.layers.add(new ArrayList<>(tokens)));
            fork.place = twin.place;
            fork.evicted = twin.evicted;
            open.add(fork);
        }
    }

    void evict(int which, int keep, int count) {
        Twin twin = twin(which);
        int shortest = twin.shortest();
        int keepFirst = keep % (shortest + 1);
        int dropped = Math.min(count, shortest - keepFirst);
        boolean elsewhere = keepFirst > twin.place || keepFirst + dropped < twin.place;
        if (dropped > 0 && twin.evicted > 0 && elsewhere) {
            assertThrows(IllegalArgumentException.class, () -> twin.sequence.evict(keepFirst, dropped));
            return;
        }
        twin.sequence.evict(keepFirst, dropped);
        twin.layers.forEach(tokens -> tokens.subList(keepFirst, keepFirst + dropped).clear());
        if (dropped > 0) {
            twin.place = keepFirst;
            twin.evicted += dropped;
        }
    }

    void close(int which) {
        Twin twin = twin(which);
        twin.sequence.close();
        twin.sequence.close();
        assertThrows(IllegalStateException.class, () -> twin.sequence.length());
        open.remove(twin);
    }

    /** Closes everything: all pages are free. */
    void end() {
        while (!open.isEmpty()) {
            close(0);
        }
        assertEquals(cache.pages(), cache.freePages());
    }

    /** Contents, lengths, positions and pages are those of the lists. */
    void check() {
        Set<Integer> held = new HashSet<>();
        for (Twin twin : open) {
            List<Integer> pages = pages(twin);
            assertEquals(pages.size(), new HashSet<>(pages).size(), "a page is there twice");
            held.addAll(pages);
            assertEquals(twin.shortest(), twin.sequence.length());
            for (int layer = 0; layer < shape.layers(); layer++) {
                checkLayer(twin, layer);
            }
        }
        assertEquals(cache.pages() - held.size(), cache.freePages());
    }

    private void checkLayer(Twin twin, int layer) {
        List<Token> tokens = twin.layers.get(layer);
        assertEquals(tokens.size(), twin.sequence.length(layer));
        twin.sequence.fill(layer, rows);
        assertEquals(tokens.size(), rows.length);
        assertTrue(rows.gapSlots >= 0 && rows.gapSlots <= 2 * (shape.pageTokens() - 1), () -> rows.gapSlots + " slots");
        for (int key = 0; key < tokens.size(); key++) {
            Token token = tokens.get(key);
            assertEquals(key < twin.place ? key : key + twin.evicted, token.position);
            float[] keys = new float[token.keys.length];
            float[] values = new float[token.values.length];
            for (int h = 0; h < shape.heads(); h++) {
                rows.loadKey(h, key, keys, h * shape.depth(), shape.depth());
                rows.loadValue(h, key, values, h * shape.valueDepth(), shape.valueDepth());
            }
            assertArrayEquals(token.keys, keys);
            assertArrayEquals(token.values, values);
        }
    }

    @Override
    public String toString() {
        return shape + ", " + open.size() + " open, " + cache.freePages() + " pages free";
    }
}
