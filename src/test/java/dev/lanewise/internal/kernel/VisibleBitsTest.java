package dev.lanewise.internal.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lanewise.ElementType;
import dev.lanewise.Tensor;
import dev.lanewise.internal.plan.KeyBlocks;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Random;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.statistics.Statistics;

/** The words of a tile against the question asked for one query and one key at a time. */
class VisibleBitsTest {
    private static final int MAX_QUERIES = 64;

    /** A call's structure, and a tile in it: first query, queries, first key, keys. */
    record Tile(int queryLength, int keyLength, long offset, boolean causal, long left, long right, long rangeStart,
            long rangeEnd, int query, int queries, int key, int keys) {

        RowBounds bounds() {
            RowBounds bounds = new RowBounds();
            bounds.resolve(problem(), 0);
            return bounds;
        }

        AttentionProblem problem() {
            AttentionProblem problem = new AttentionProblem();
            problem.batch = 1;
            problem.heads = 2;
            problem.queries = queryLength;
            problem.keys = keyLength;
            problem.causal = causal;
            problem.offset = offset;
            problem.windowLeft = left;
            problem.windowRight = right;
            problem.rangeStart = rangeStart;
            problem.rangeEnd = rangeEnd;
            return problem;
        }

        /** The rule in the words of the design: position i + offset, causal, window, range. */
        boolean shows(int r, int j) {
            long distance = key + j - (query + r + offset);
            return (!causal || distance <= 0) && (left < 0 || distance >= -left)
                    && (causal || right < 0 || distance <= right) && key + j >= rangeStart && key + j < rangeEnd
                    && key + j < keyLength;
        }
    }

    private static void assertWords(VisibleBits bits, Tile tile, boolean[][] wanted) {
        boolean all = true;
        long seen = 0;
        for (int j = 0; j < tile.keys; j++) {
            long word = 0;
            for (int r = 0; r < tile.queries; r++) {
                all &= wanted[r][j];
                word |= wanted[r][j] ? 1L << r : 0;
            }
            int key = j;
            assertEquals(word, bits.words[j], () -> "key " + key + " of " + tile);
            seen |= word;
        }
        assertEquals(all, bits.showsAll(tile.queries, tile.keys), "all see all");
        assertEquals(seen, bits.seen(tile.keys), "who sees any");
    }

    private static boolean[][] structure(Tile tile) {
        boolean[][] shows = new boolean[tile.queries][tile.keys];
        for (int r = 0; r < tile.queries; r++) {
            for (int j = 0; j < tile.keys; j++) {
                shows[r][j] = tile.shows(r, j);
            }
        }
        return shows;
    }

    @Property
    void structureIsTheRuleAskedForEachPair(@ForAll("tiles") Tile tile) {
        VisibleBits bits = new VisibleBits();
        RowBounds bounds = tile.bounds();
        bits.structure(bounds, tile.query, tile.queries, tile.key, tile.keys);
        boolean[][] wanted = structure(tile);
        assertWords(bits, tile, wanted);
        for (int r = 0; r < tile.queries; r++) {
            for (int j = 0; j < tile.keys; j++) {
                int key = tile.key + j;
                assertEquals(wanted[r][j], key >= bounds.first(tile.query + r) && key < bounds.end(tile.query + r));
            }
        }
    }

    @Property
    void aTileIsTakenAsFullyVisibleExactlyWhenItIs(@ForAll("tiles") Tile tile) {
        boolean claim = VisibleBits.structureShowsAll(tile.bounds(), tile.query, tile.queries, tile.key, tile.keys);
        boolean truth = true;
        for (boolean[] row : structure(tile)) {
            for (boolean shows : row) {
                truth &= shows;
            }
        }
        assertEquals(truth, claim);
        Statistics.label("all see all").collect(truth).coverage(check -> check.check(true).percentage(p -> p > 3));
    }

    /** Rows and columns that any query of the panel may see lie between the first key of its first and the end of its last. */
    @Property
    void noKeyOutsideThePanelsRangeIsSeen(@ForAll("tiles") Tile tile) {
        RowBounds bounds = tile.bounds();
        int first = bounds.first(tile.query);
        int end = bounds.end(tile.query + tile.queries - 1L);
        boolean[][] wanted = structure(tile);
        for (int j = 0; j < tile.keys; j++) {
            boolean inside = tile.key + j >= first && tile.key + j < end;
            for (int r = 0; r < tile.queries; r++) {
                assertTrue(inside || !wanted[r][j], () -> first + " to " + end + " for " + tile);
            }
        }
    }

    @Property
    void aBooleanMaskOfAnyStridesTakesOutWhatItHides(@ForAll("tiles") Tile tile, @ForAll("layouts") Layout layout,
            @ForAll Random random) {
        try (Arena arena = Arena.ofConfined()) {
            AttentionProblem problem = tile.problem();
            Tensor mask = layout.mask(arena, tile, random);
            problem.mask.set(mask, false);
            VisibleBits bits = new VisibleBits();
            RowBounds bounds = tile.bounds();
            bits.structure(bounds, tile.query, tile.queries, tile.key, tile.keys);
            int head = random.nextInt(problem.heads);
            bits.applyMask(problem, bounds, head, tile.query, tile.queries, tile.key, tile.keys);
            boolean[][] wanted = structure(tile);
            for (int r = 0; r < tile.queries; r++) {
                for (int j = 0; j < tile.keys; j++) {
                    wanted[r][j] &= mask.getFloat(mask.size(0) == 1 ? 0 : head,
                            mask.size(1) == 1 ? 0 : tile.query + r,
                            mask.size(2) == 1 ? 0 : tile.key + j) != 0;
                }
            }
            assertWords(bits, tile, wanted);
        }
    }

    /** How a mask (2, Lq, Lk) lies in memory: which axes it has, whether it is turned or reversed, and how densely true it is. */
    record Layout(boolean perHead, boolean perQuery, boolean perKey, boolean columnMajor, boolean backward, int step,
            int percentTrue) {

        Tensor mask(Arena arena, Tile tile, Random random) {
            long heads = perHead ? 2 : 1;
            long rows = perQuery ? tile.queryLength : 1;
            long columns = perKey ? tile.keyLength : 1;
            MemorySegment memory = arena.allocate(heads * rows * columns * step);
            for (long i = 0; i < memory.byteSize(); i++) {
                byte any = (byte) (1 + random.nextInt(255));
                memory.set(java.lang.foreign.ValueLayout.JAVA_BYTE, i, random.nextInt(100) < percentTrue ? any : 0);
            }
            long rowStride = columnMajor ? step : columns * step;
            long columnStride = columnMajor ? rows * step : step;
            long start = backward ? (columns - 1) * columnStride : 0;
            return Tensor.of(memory, ElementType.BOOL, start, new long[]{heads, rows, columns},
                    new long[]{rows * columns * step, rowStride, backward ? -columnStride : columnStride});
        }
    }

    @Provide
    Arbitrary<Tile> tiles() {
        Arbitrary<Integer> lengths = Arbitraries.integers().between(1, 200);
        Arbitrary<Long> offsets = Arbitraries.longs().between(-220, 220);
        Arbitrary<Long> windows = Arbitraries.oneOf(Arbitraries.just(-1L), Arbitraries.longs().between(0, 250));
        Arbitrary<Long> starts = Arbitraries.oneOf(Arbitraries.just(0L), Arbitraries.longs().between(0, 210));
        Arbitrary<Long> ends = Arbitraries.oneOf(Arbitraries.just(Long.MAX_VALUE), Arbitraries.longs().between(0, 210));
        return Combinators
                .combine(lengths, lengths, offsets, Arbitraries.of(true, false), windows, windows, starts, ends)
                .flatAs((queryLength, keyLength, offset, causal, left, right, start, end) -> {
                    Arbitrary<int[]> rows = stretches(queryLength, MAX_QUERIES);
                    Arbitrary<int[]> columns = stretches(keyLength, KeyBlocks.KEYS);
                    return Combinators.combine(rows, columns)
                            .as((row, column) -> new Tile(queryLength, keyLength, offset, causal, left, right,
                                    start, end, row[0], row[1], column[0], column[1]));
                });
    }

    /** A first index and a count, within a length and at most so many. */
    private static Arbitrary<int[]> stretches(int length, int most) {
        return Arbitraries.integers()
                .between(0, length - 1)
                .flatMap(first -> Arbitraries.integers()
                        .between(1, Math.min(most, length - first))
                        .map(count -> new int[]{first, count}));
    }

    @Provide
    Arbitrary<Layout> layouts() {
        Arbitrary<Boolean> coin = Arbitraries.of(true, false);
        return Combinators.combine(coin, coin, Arbitraries.of(true, true, true, false), coin, coin,
                Arbitraries.integers().between(1, 3), Arbitraries.of(0, 10, 50, 90, 100))
                .as(Layout::new);
    }
}
