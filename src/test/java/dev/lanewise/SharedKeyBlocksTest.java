package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import dev.lanewise.AttentionCase.Hiding;
import dev.lanewise.AttentionCase.Layouts;
import dev.lanewise.AttentionCase.Mask;
import dev.lanewise.AttentionCase.Offset;
import dev.lanewise.AttentionCase.Sizes;
import java.lang.foreign.Arena;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tag;
import net.jqwik.api.constraints.IntRange;

/** Calls with so many panels of queries that several take a block of keys together, where a kernel does that. */
@Tag("width")
class SharedKeyBlocksTest {
    /** At least 64 panels of 24 queries, over one to three blocks of 256 keys. */
    @Provide
    Arbitrary<Sizes> manyPanels() {
        Arbitrary<Integer> depths = Arbitraries.of(8, 16, 20, 32);
        Arbitrary<Integer> keys = Arbitraries.oneOf(Arbitraries.integers().between(1, 40),
                Arbitraries.integers().between(200, 600));
        return Combinators
                .combine(Arbitraries.integers().between(1, 2), Arbitraries.of(1, 4),
                        Arbitraries.integers().between(0, 4),
                        Arbitraries.integers().between(180, 330), keys, depths, depths)
                .as((batch, kvHeads, more, queries, count, depth, valueDepth) -> new Sizes(batch, kvHeads,
                        8 / kvHeads + more / kvHeads, queries, count, depth, valueDepth));
    }

    @Provide
    Arbitrary<AttentionCase> anyCase() {
        return Combinators
                .combine(manyPanels(), AttentionCases.anyScores(), AttentionCases.anyHiding(),
                        AttentionCases.anyLayouts(), Arbitraries.longs())
                .as(AttentionCase::new);
    }

    @Provide
    Arbitrary<AttentionCase> windows() {
        Arbitrary<Integer> reach = Arbitraries.of(-1, -1, 0, 30, 300);
        Arbitrary<Hiding> hiding = Combinators
                .combine(Arbitraries.of(Offset.TOP_LEFT, Offset.BOTTOM_RIGHT), Arbitraries.of(false, true), reach,
                        reach)
                .as((offset, causal, left, right) -> new Hiding(Mask.NONE, 0, offset, 0, causal, left, right, false,
                        false, false));
        return Combinators.combine(manyPanels(), hiding, AttentionCases.anyLayouts(), Arbitraries.longs())
                .as((sizes, hidden, layouts, seed) -> new AttentionCase(sizes, AttentionCase.PLAIN_SCORES, hidden,
                        layouts, seed));
    }

    @Provide
    Arbitrary<ElementType> types() {
        return CacheCase.types();
    }

    @Property(tries = 12, edgeCases = EdgeCasesMode.NONE)
    void everyCombinationOfOptionsIsWithinTheBoundOfFloat64(@ForAll("anyCase") AttentionCase drawn) {
        AgainstReference.check(drawn, RuntimeInfo.current().kernel());
    }

    /** One head alone has few panels, which meet the keys one after another. */
    @Property(tries = 20, edgeCases = EdgeCasesMode.NONE)
    void theHeadsAroundItChangeNoBitOfAHead(@ForAll("windows") AttentionCase drawn) {
        try (Arena arena = Arena.ofConfined()) {
            AttentionInputs in = drawn.inputs(arena);
            Attention operator = drawn.operator(RuntimeInfo.current().kernel());
            Tensor all = run(arena, operator, in);
            for (int b = 0; b < drawn.sizes().batch(); b++) {
                for (int h = 0; h < drawn.sizes().heads(); h++) {
                    int kvHead = h / drawn.sizes().group();
                    AttentionInputs head = AttentionInputs.of(one(in.q, b, h), one(in.k, b, kvHead),
                            one(in.v, b, kvHead));
                    assertArrayEquals(run(arena, operator, head).toFloats(), one(all, b, h).toFloats(), 0);
                }
            }
        }
    }

    /** A few queries of a head have few panels; more than 48 go to the kernel of prefill. */
    @Property(tries = 12, edgeCases = EdgeCasesMode.NONE)
    void theQueriesAroundThemChangeNoBitOfQueriesOverACache(@ForAll("manyPanels") Sizes sizes,
            @ForAll("types") ElementType type, @ForAll @IntRange(min = 1, max = 700) int pageTokens,
            @ForAll long seed) {
        AttentionCase drawn = new AttentionCase(sizes, AttentionCase.PLAIN_SCORES, AttentionCase.NOTHING_HIDDEN,
                Layouts.PLAIN, seed);
        try (Arena arena = Arena.ofConfined()) {
            AttentionInputs in = drawn.inputs(arena);
            KvCache cache = KvCache.builder(sizes.kvHeads(), sizes.depth())
                    .valueDimension(sizes.valueDepth())
                    .storage(type)
                    .pageTokens(pageTokens)
                    .capacity((long) Math.ceilDiv(sizes.keys(), pageTokens) * pageTokens)
                    .allocate(arena);
            KvCache.Sequence sequence = cache.newSequence();
            sequence.append(0, in.k.select(0, 0), in.v.select(0, 0));
            Attention operator = drawn.operator(RuntimeInfo.current().kernel());
            Tensor q = in.q.slice(0, 0, 1);
            Tensor all = context(arena, q, sizes.valueDepth());
            operator.run(AttentionInputs.ofCache(q, 0, sequence), AttentionOutputs.of(all));
            for (int from = 0; from + 60 <= sizes.queries(); from += 60) {
                Tensor few = q.slice(2, from, from + 60);
                Tensor context = context(arena, few, sizes.valueDepth());
                operator.run(AttentionInputs.ofCache(few, 0, sequence), AttentionOutputs.of(context));
                assertArrayEquals(context.toFloats(), all.slice(2, from, from + 60).toFloats(), 0);
            }
        }
    }

    private static Tensor run(Arena arena, Attention operator, AttentionInputs in) {
        Tensor context = context(arena, in.q, (int) in.v.size(3));
        operator.run(in, AttentionOutputs.of(context));
        return context;
    }

    private static Tensor context(Arena arena, Tensor q, int valueDepth) {
        return Tensor.allocate(arena, ElementType.FLOAT32, q.size(0), q.size(1), q.size(2), valueDepth);
    }

    private static Tensor one(Tensor tensor, int batch, int head) {
        return tensor.slice(0, batch, batch + 1).slice(1, head, head + 1);
    }
}
