package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.lang.foreign.Arena;
import java.util.SplittableRandom;
import java.util.concurrent.ForkJoinPool;
import java.util.random.RandomGenerator;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tag;
import net.jqwik.api.constraints.IntRange;

/** Pages decide in which order heads and keys are read; that shows in no bit. */
@Tag("width")
@Tag("vector")
class PageSizeTest {
    private static final int MOST_KEYS = 300;
    /** So many heads that pages of few tokens are read head by head. */
    private static final int SHARED = 43;

    /** How many heads there are, how they share keys, and their features in vectors. */
    private record Heads(int kvHeads, int group, int vectors) {
    }

    @Provide
    Arbitrary<Heads> heads() {
        Arbitrary<Integer> vectors = Arbitraries.of(1, 4, 8, 8, 16);
        return vectors.flatMap(v -> Arbitraries.of(1, 2, 3, 5, SHARED)
                .flatMap(kvHeads -> Arbitraries.of(1, 1, 2).map(group -> new Heads(kvHeads, group, v))));
    }

    @Provide
    Arbitrary<ElementType> types() {
        return CacheCase.types();
    }

    @Provide
    Arbitrary<Integer> pageSizes() {
        return Arbitraries.of(1, 3, 7, 16, 17, 32, 64, 257);
    }

    @Property(tries = 100, edgeCases = EdgeCasesMode.NONE)
    void pagesOfAnySizeGiveTheBitsOfOne(@ForAll("heads") Heads heads, @ForAll("types") ElementType type,
            @ForAll("pageSizes") int pageTokens, @ForAll @IntRange(min = 1, max = MOST_KEYS) int keys,
            @ForAll @IntRange(min = 1, max = 3) int queries, @ForAll @IntRange(min = 1, max = 2) int threads,
            @ForAll boolean window, @ForAll long seed) {
        check(heads, type, pageTokens, keys, queries, threads, window, seed);
    }

    @Provide
    Arbitrary<Integer> widths() {
        return Arbitraries.of(4, 8, 16);
    }

    /** Pages that few heads do not share are read by other loops than one page. */
    @Property(tries = 60, edgeCases = EdgeCasesMode.NONE)
    void oneRowAHeadOverNarrowRowsOfOnePageHasTheBitsOfPages(@ForAll @IntRange(min = 1, max = 6) int kvHeads,
            @ForAll @IntRange(min = 1, max = 10) int pageTokens,
            @ForAll @IntRange(min = 11, max = MOST_KEYS) int keys, @ForAll @IntRange(min = 1, max = 2) int threads,
            @ForAll boolean window, @ForAll long seed) {
        check(new Heads(kvHeads, 1, 4), ElementType.FLOAT32, pageTokens, keys, 1, threads, window, seed);
    }

    /** The loops that go from head to head. */
    @Property(tries = 60, edgeCases = EdgeCasesMode.NONE)
    void oneRowAHeadOverSharedPagesHasTheBitsOfOnePage(@ForAll("types") ElementType type,
            @ForAll("widths") int vectors,
            @ForAll @IntRange(min = 12, max = 40) int pageTokens,
            @ForAll @IntRange(min = 41, max = MOST_KEYS) int keys, @ForAll @IntRange(min = 1, max = 2) int threads,
            @ForAll boolean window, @ForAll long seed) {
        check(new Heads(SHARED, 1, vectors), type, pageTokens, keys, 1, threads, window, seed);
    }

    /** The loop that goes through the rows of all heads of a page: of float32 or bfloat16, eight vectors, and whole vectors of keys. */
    @Property(tries = 30, edgeCases = EdgeCasesMode.NONE)
    void oneLoopThroughTheHeadsOfAPageHasTheBitsOfOnePage(@ForAll boolean narrow,
            @ForAll @IntRange(min = 1, max = 2) int sixteens,
            @ForAll @IntRange(min = 41, max = MOST_KEYS) int keys, @ForAll @IntRange(min = 1, max = 2) int threads,
            @ForAll boolean window, @ForAll long seed) {
        check(new Heads(SHARED, 1, 8), narrow ? ElementType.BFLOAT16 : ElementType.FLOAT32, 16 * sixteens, keys, 1,
                threads, window, seed);
    }

    private static void check(Heads heads, ElementType type, int pageTokens, int keys, int queries, int threads,
            boolean window, long seed) {
        RandomGenerator random = new SplittableRandom(seed);
        int evicted = random.nextInt(keys);
        int kept = random.nextInt(keys - evicted);
        Attention.Builder builder = Attention.builder().causal(PositionOffset.bottomRight()).bitStable();
        Attention attention = (window ? builder.window(random.nextInt(keys), 0) : builder).build();
        try (Arena arena = Arena.ofShared()) {
            int depth = heads.vectors * RuntimeInfo.current().lanes();
            Tensor k = Layout.PLAIN.normal(arena, random, 1, 1, heads.kvHeads, keys, depth).select(0, 0);
            Tensor v = Layout.PLAIN.normal(arena, random, 1, 1, heads.kvHeads, keys, depth).select(0, 0);
            Tensor q = Layout.PLAIN.normal(arena, random, 1, 1, heads.kvHeads * heads.group, queries, depth);
            float[][] contexts = new float[2][];
            for (int i = 0; i < 2; i++) {
                int tokens = i == 0 ? keys : pageTokens;
                KvCache.Sequence sequence = KvCache.builder(heads.kvHeads, depth)
                        .storage(type)
                        .pageTokens(tokens)
                        .capacity((long) Math.ceilDiv(keys, tokens) * tokens)
                        .allocate(arena)
                        .newSequence();
                sequence.append(0, k, v);
                sequence.evict(kept, evicted);
                Tensor context = Layout.PLAIN.allocate(arena, 1, heads.kvHeads * heads.group, queries, depth);
                attention.run(AttentionInputs.ofCache(q, 0, sequence), AttentionOutputs.of(context),
                        ForkJoinPool.commonPool(), threads);
                contexts[i] = context.toFloats();
            }
            assertArrayEquals(contexts[0], contexts[1]);
        }
    }
}
