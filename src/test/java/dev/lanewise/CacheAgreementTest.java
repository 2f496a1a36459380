package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.fail;

import dev.lanewise.AttentionCase.Hiding;
import dev.lanewise.AttentionCase.Layouts;
import dev.lanewise.AttentionCase.Offset;
import dev.lanewise.AttentionCase.Sizes;
import java.lang.foreign.Arena;
import java.util.Random;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tag;
import net.jqwik.api.constraints.IntRange;

/** Decoding over a cache against prefill over the same tokens: one token after another, in chunks, and all at once. */
@Tag("width")
class CacheAgreementTest {
    /** Causal self-attention: as many queries as keys, the last query at the last key. */
    @Provide
    Arbitrary<AttentionCase> causalCase() {
        Arbitrary<Integer> few = Arbitraries.integers().between(1, 2);
        Arbitrary<Integer> depths = Arbitraries.oneOf(Arbitraries.integers().between(1, 40), Arbitraries.of(64, 80));
        Arbitrary<Integer> lengths = Arbitraries.oneOf(Arbitraries.integers().between(1, 40),
                Arbitraries.of(63, 64, 65, 127, 128, 129, 140));
        Hiding causal = new Hiding(AttentionCase.Mask.NONE, 0, Offset.BOTTOM_RIGHT, 0, true, -1, -1, false, false,
                false);
        return Combinators.combine(few, few, lengths, depths, depths, Arbitraries.longs())
                .as((kvHeads, group, length, depth, valueDepth, seed) -> new AttentionCase(
                        new Sizes(1, kvHeads, group, length, length, depth, valueDepth), AttentionCase.PLAIN_SCORES,
                        causal, Layouts.PLAIN, seed));
    }

    @Provide
    Arbitrary<ElementType> types() {
        return CacheCase.types();
    }

    @Provide
    Arbitrary<Integer> pageSizes() {
        return Arbitraries.of(1, 7, 16, 64, 256);
    }

    /** Appends chunks of so many tokens, each followed by a call with its queries; the contexts of all of them. */
    private static Tensor decode(Arena arena, AttentionCase drawn, AttentionInputs in, ElementType type,
            int pageTokens, int chunk, Kernel kernel) {
        Sizes sizes = drawn.sizes();
        KvCache cache = KvCache.builder(sizes.kvHeads(), sizes.depth())
                .valueDimension(sizes.valueDepth())
                .storage(type)
                .pageTokens(pageTokens)
                .capacity((long) Math.ceilDiv(sizes.keys(), pageTokens) * pageTokens)
                .allocate(arena);
        Tensor context = context(arena, sizes);
        Attention operator = drawn.operator(kernel);
        try (KvCache.Sequence sequence = cache.newSequence()) {
            for (int from = 0; from < sizes.keys(); from += chunk) {
                int to = Math.min(sizes.keys(), from + chunk);
                sequence.append(0, in.k.select(0, 0).slice(1, from, to), in.v.select(0, 0).slice(1, from, to));
                operator.run(AttentionInputs.ofCache(in.q.slice(2, from, to), 0, sequence),
                        AttentionOutputs.of(context.slice(2, from, to)));
            }
        }
        assertEquals(cache.pages(), cache.freePages());
        return context;
    }

    private static Tensor context(Arena arena, Sizes sizes) {
        return Tensor.allocate(arena, ElementType.FLOAT32, 1, sizes.heads(), sizes.queries(), sizes.valueDepth());
    }

    private static Tensor prefill(Arena arena, AttentionCase drawn, AttentionInputs in, Kernel kernel) {
        Tensor context = context(arena, drawn.sizes());
        drawn.operator(kernel).run(in, AttentionOutputs.of(context));
        return context;
    }

    @Property(tries = 60, edgeCases = EdgeCasesMode.NONE)
    void decodingIsWithinTheBoundOfTheTypeOfPrefill(@ForAll("causalCase") AttentionCase drawn,
            @ForAll("types") ElementType type, @ForAll("pageSizes") int pageTokens) {
        try (Arena arena = Arena.ofConfined()) {
            AttentionInputs in = drawn.inputs(arena);
            Kernel kernel = RuntimeInfo.current().kernel();
            double bound = 2 * new ErrorBound(drawn, in).context + rounding(drawn, in, type);
            int chunk = 1 + new Random(drawn.seed()).nextInt(20);
            float[] prefill = prefill(arena, drawn, in, kernel).toFloats();
            near(prefill, decode(arena, drawn, in, type, pageTokens, 1, kernel), bound);
            near(prefill, decode(arena, drawn, in, type, pageTokens, chunk, kernel), bound);
            near(prefill, decode(arena, drawn, in, type, pageTokens, drawn.sizes().keys(), kernel), bound);
        }
    }

    /** The scalar kernel goes through the keys of a query in the same blocks, whatever the number of queries and the pages. */
    @Property(tries = 30, edgeCases = EdgeCasesMode.NONE)
    void theScalarKernelGivesTheSameBitsTokenByTokenInChunksAndInPrefill(@ForAll("causalCase") AttentionCase drawn,
            @ForAll("pageSizes") int pageTokens) {
        try (Arena arena = Arena.ofConfined()) {
            AttentionInputs in = drawn.inputs(arena);
            float[] prefill = prefill(arena, drawn, in, Kernel.SCALAR).toFloats();
            for (int chunk : new int[]{1, 5, drawn.sizes().keys()}) {
                assertArrayEquals(prefill,
                        decode(arena, drawn, in, ElementType.FLOAT32, pageTokens, chunk, Kernel.SCALAR).toFloats(), 0);
            }
        }
    }

    /** More than 48 queries go to the kernel of prefill: if every chunk is so large, and keys are stored as they are, chunks show in no bit. */
    @Property(tries = 12, edgeCases = EdgeCasesMode.NONE)
    void largeChunksGiveTheBitsOfPrefill(@ForAll("causalCase") AttentionCase drawn,
            @ForAll @IntRange(min = 98, max = 300) int length, @ForAll("pageSizes") int pageTokens) {
        Sizes few = drawn.sizes();
        AttentionCase large = new AttentionCase(
                new Sizes(1, few.kvHeads(), few.group(), length, length, few.depth(), few.valueDepth()),
                AttentionCase.PLAIN_SCORES, drawn.hiding(), Layouts.PLAIN, drawn.seed());
        try (Arena arena = Arena.ofConfined()) {
            AttentionInputs in = large.inputs(arena);
            Kernel kernel = RuntimeInfo.current().kernel();
            float[] prefill = prefill(arena, large, in, kernel).toFloats();
            for (int chunk = 49; chunk <= length; chunk += 17) {
                if (length % chunk == 0 || length % chunk > 48) {
                    assertArrayEquals(prefill,
                            decode(arena, large, in, ElementType.FLOAT32, pageTokens, chunk, kernel).toFloats(), 0);
                }
            }
        }
    }

    /** Token by token, in chunks or all at once, into pages of any size: how the tokens were appended shows in no bit of a call of any number of queries. */
    @Property(tries = 12, edgeCases = EdgeCasesMode.NONE)
    void appendsAndPagesChangeNoBit(@ForAll("causalCase") AttentionCase drawn, @ForAll("types") ElementType type) {
        try (Arena arena = Arena.ofConfined()) {
            AttentionInputs in = drawn.inputs(arena);
            Sizes sizes = drawn.sizes();
            int length = sizes.keys();
            Random random = new Random(drawn.seed());
            Attention operator = drawn.operator(RuntimeInfo.current().kernel());
            Tensor q = in.q.slice(2, random.nextInt(length), length);
            float[] expected = null;
            int some = 2 + random.nextInt(20);
            for (int[] chunkAndPage : new int[][]{{length, length}, {some, 7}, {1, 64}}) {
                int chunk = chunkAndPage[0];
                int pageTokens = chunkAndPage[1];
                KvCache cache = KvCache.builder(sizes.kvHeads(), sizes.depth())
                        .valueDimension(sizes.valueDepth())
                        .storage(type)
                        .pageTokens(pageTokens)
                        .capacity((long) Math.ceilDiv(length, pageTokens) * pageTokens)
                        .allocate(arena);
                KvCache.Sequence sequence = cache.newSequence();
                for (int from = 0; from < length; from += chunk) {
                    int to = Math.min(length, from + chunk);
                    sequence.append(0, in.k.select(0, 0).slice(1, from, to), in.v.select(0, 0).slice(1, from, to));
                }
                Tensor context = Tensor.allocate(arena, ElementType.FLOAT32, 1, sizes.heads(), q.size(2),
                        sizes.valueDepth());
                operator.run(AttentionInputs.ofCache(q, 0, sequence), AttentionOutputs.of(context));
                float[] actual = context.toFloats();
                expected = expected == null ? actual : expected;
                assertArrayEquals(expected, actual, 0);
            }
        }
    }

    /** The same call over the same tokens: what the batch around it is, and how the tokens came, does not show. */
    @Property(tries = 30, edgeCases = EdgeCasesMode.NONE)
    void howTheTokensCameAndTheBatchAroundThemChangeNoBit(@ForAll("causalCase") AttentionCase drawn,
            @ForAll("types") ElementType type, @ForAll("pageSizes") int pageTokens) {
        try (Arena arena = Arena.ofConfined()) {
            AttentionInputs in = drawn.inputs(arena);
            Sizes sizes = drawn.sizes();
            int length = sizes.keys();
            Random random = new Random(drawn.seed());
            KvCache cache = KvCache.builder(sizes.kvHeads(), sizes.depth())
                    .valueDimension(sizes.valueDepth())
                    .storage(type)
                    .pageTokens(pageTokens)
                    .capacity(4L * Math.ceilDiv(length, pageTokens) * pageTokens)
                    .allocate(arena);
            Tensor k = in.k.select(0, 0);
            Tensor v = in.v.select(0, 0);
            KvCache.Sequence whole = cache.newSequence();
            KvCache.Sequence pieces = cache.newSequence();
            whole.append(0, k, v);
            for (int from = 0, to; from < length; from = to) {
                to = Math.min(length, from + 1 + random.nextInt(9));
                pieces.append(0, k.slice(1, from, to), v.slice(1, from, to));
                pieces.fork().close();
            }
            KvCache.Sequence shorter = whole.fork();
            shorter.truncate(length / 2);
            Attention operator = drawn.operator(RuntimeInfo.current().kernel());
            Tensor q = in.q.slice(2, length - Math.min(length, 3), length);
            Tensor alone = Tensor.allocate(arena, ElementType.FLOAT32, 1, sizes.heads(), q.size(2), sizes.valueDepth());
            operator.run(AttentionInputs.ofCache(q, 0, whole), AttentionOutputs.of(alone));
            Tensor three = Tensor.allocate(arena, ElementType.FLOAT32, 3, sizes.heads(), q.size(2),
                    sizes.valueDepth());
            operator.run(
                    AttentionInputs.ofCache(q.select(0, 0).unsqueeze(0).broadcast(0, 3), 0, shorter, pieces, whole),
                    AttentionOutputs.of(three));
            assertArrayEquals(alone.toFloats(), three.slice(0, 1, 2).toFloats(), 0);
            assertArrayEquals(alone.toFloats(), three.slice(0, 2, 3).toFloats(), 0);
        }
    }

    /**
     * What storing k and v in a type can change in the context. A key that is off by e makes a score off by at most ‖q‖·‖e‖·scale, scores off by s make a
     * weight off by a factor of at most exp(2s); and a value is off by its own rounding.
     */
    private static double rounding(AttentionCase drawn, AttentionInputs in, ElementType type) {
        Sizes sizes = drawn.sizes();
        double q = Math.sqrt(sizes.depth()) * largest(in.q);
        double k = Math.sqrt(sizes.depth()) * off(type, largest(in.k));
        double score = q * k / Math.sqrt(sizes.depth());
        return Math.expm1(2 * score) * largest(in.v) + off(type, largest(in.v));
    }

    /** The most that an element of a row of so large numbers is off. */
    private static double off(ElementType type, double largest) {
        return switch (type) {
            case BFLOAT16 -> 0x1p-8 * largest;
            case FLOAT16 -> 0x1p-11 * largest + 0x1p-25;
            case INT8 -> largest / 254 * 1.0001;
            default -> 0;
        };
    }

    private static double largest(Tensor tensor) {
        double largest = 0;
        for (float x : tensor.toFloats()) {
            largest = Math.max(largest, Math.abs(x));
        }
        return largest;
    }

    private static void near(float[] expected, Tensor actual, double bound) {
        float[] a = actual.toFloats();
        for (int i = 0; i < a.length; i++) {
            if (!(Math.abs(a[i] - expected[i]) <= bound)) {
                fail("context[" + i + "] is " + a[i] + ", wanted " + expected[i] + " within " + bound);
            }
        }
    }
}
