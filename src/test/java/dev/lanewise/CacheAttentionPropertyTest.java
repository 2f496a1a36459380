package dev.lanewise;

import static org.junit.jupiter.api.Assertions.fail;

import dev.lanewise.AttentionCase.Hiding;
import dev.lanewise.AttentionCase.Layouts;
import dev.lanewise.AttentionCase.Mask;
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

/** Attention over a cache of any type and page size, with every option, against float64 over the rows that the cache holds. */
@Tag("width")
class CacheAttentionPropertyTest {
    /** Half of the cases have as few queries as decoding and speculative decoding have. */
    @Provide
    Arbitrary<AttentionCase> anyCase() {
        Arbitrary<AttentionCase.Sizes> sizes = Combinators
                .combine(AttentionCases.anySizes(),
                        Arbitraries.oneOf(Arbitraries.just(-1), Arbitraries.integers().between(1, 17)))
                .as((s, queries) -> new AttentionCase.Sizes(s.batch(), s.kvHeads(), s.group(),
                        queries < 0 ? s.queries() : queries, s.keys(), s.depth(), s.valueDepth()));
        Arbitrary<Hiding> hiding = AttentionCases.anyHiding()
                .map(h -> new Hiding(Mask.NONE, 0, h.offset(), h.offsetValue(), h.causal(), h.left(), h.right(),
                        h.keyLengths(), h.keyStarts(), false));
        return Combinators
                .combine(sizes, AttentionCases.anyScores(), hiding, AttentionCases.anyLayouts(), Arbitraries.longs())
                .as(AttentionCase::new);
    }

    @Provide
    Arbitrary<ElementType> types() {
        return CacheCase.types();
    }

    @Provide
    Arbitrary<Integer> pageSizes() {
        return Arbitraries.of(0, 1, 7, 16, 64, 128);
    }

    @Property(tries = 100, edgeCases = EdgeCasesMode.NONE)
    void everyCombinationOfOptionsIsWithinTheBoundOfFloat64(@ForAll("anyCase") AttentionCase drawn,
            @ForAll("types") ElementType type, @ForAll("pageSizes") int pageTokens) {
        check(drawn, type, pageTokens, RuntimeInfo.current().kernel());
    }

    @Property(tries = 25, edgeCases = EdgeCasesMode.NONE)
    void theScalarKernelIsWithinTheBoundOfFloat64(@ForAll("anyCase") AttentionCase drawn,
            @ForAll("types") ElementType type, @ForAll("pageSizes") int pageTokens) {
        check(drawn, type, pageTokens, Kernel.SCALAR);
    }

    @Property(tries = 10, edgeCases = EdgeCasesMode.NONE)
    void theReferenceIsThatOverTheSameRows(@ForAll("anyCase") AttentionCase drawn, @ForAll("types") ElementType type,
            @ForAll("pageSizes") int pageTokens) {
        check(drawn, type, pageTokens, Kernel.REFERENCE);
    }

    private static void check(AttentionCase drawn, ElementType type, int pageTokens, Kernel kernel) {
        try (Arena arena = Arena.ofConfined()) {
            Random random = new Random(drawn.seed() + 2);
            AttentionInputs operands = drawn.inputs(arena);
            int[] lengths = within(random, drawn.sizes().batch(), drawn.sizes().keys());
            CachedTokens tokens = CachedTokens.of(arena, type, pageTokens, operands.k, operands.v, lengths, random);
            int longest = drawn.sizes().keys();
            AttentionInputs cached = AttentionInputs.ofCache(operands.q, tokens.layer(), tokens.sequences());
            AttentionInputs plain = AttentionInputs
                    .of(operands.q, tokens.keys(arena, longest), tokens.values(arena, longest))
                    .withKeyLengths(Tensor.ofInts(arena, lengths));
            int[] starts = new int[lengths.length];
            int[] ends = new int[lengths.length];
            for (int b = 0; b < lengths.length; b++) {
                starts[b] = random.nextInt(lengths[b] + 1);
                ends[b] = random.nextInt(lengths[b] + 1);
            }
            int from = random.nextInt(3) == 0 ? random.nextInt(longest + 1) : 0;
            long to = random.nextInt(3) == 0 ? from + random.nextInt(longest + 1) : Long.MAX_VALUE;
            cached = withOptions(cached, drawn, operands, Tensor.ofInts(arena, starts)).withKeyRange(from, to);
            plain = withOptions(plain, drawn, operands, Tensor.ofInts(arena, starts)).withKeyRange(from, to);
            if (drawn.hiding().keyLengths()) {
                cached = cached.withKeyLengths(Tensor.ofInts(arena, ends));
                plain = plain.withKeyLengths(Tensor.ofInts(arena, ends));
            }
            compare(arena, drawn, cached, plain, kernel);
        }
    }

    private static int[] within(Random random, int count, int most) {
        return random.ints(count, 0, most + 1).toArray();
    }

    private static AttentionInputs withOptions(AttentionInputs inputs, AttentionCase drawn, AttentionInputs operands,
            Tensor starts) {
        AttentionInputs with = inputs.withPositionBias(operands.positionBias);
        if (drawn.hiding().offset() == AttentionCase.Offset.PAST_LENGTHS) {
            with = with.withPastLengths(operands.pastLengths);
        }
        return drawn.hiding().keyStarts() ? with.withKeyStarts(starts) : with;
    }

    private static void compare(Arena arena, AttentionCase drawn, AttentionInputs cached, AttentionInputs plain,
            Kernel kernel) {
        ErrorBound bound = new ErrorBound(drawn, plain);
        Layouts layouts = drawn.layouts();
        Results actual = Results.of(arena, drawn.operator(kernel), cached, layouts.context(), plain.v.size(3));
        Results expected = Results.of(arena, drawn.operator(Kernel.REFERENCE), plain, Layout.PLAIN, plain.v.size(3));
        compare("context", actual.context, expected.context, kernel == Kernel.REFERENCE ? 0 : bound.context);
        compare("logSumExp", actual.logSumExp, expected.logSumExp, kernel == Kernel.REFERENCE ? 0 : bound.logSumExp);
    }

    private record Results(Tensor context, Tensor logSumExp) {
        static Results of(Arena arena, Attention operator, AttentionInputs inputs, Layout layout, long valueDepth) {
            long[] shape = inputs.q.shape();
            Results results = new Results(layout.allocate(arena, shape[0], shape[1], shape[2], valueDepth),
                    Tensor.allocate(arena, ElementType.FLOAT64, shape[0], shape[1], shape[2], 1));
            operator.run(inputs, AttentionOutputs.of(results.context).withLogSumExp(results.logSumExp));
            return results;
        }
    }

    private static void compare(String name, Tensor actual, Tensor expected, double within) {
        float[] a = actual.toFloats();
        float[] e = expected.toFloats();
        for (int i = 0; i < a.length; i++) {
            double bound = within + ErrorBound.storage(actual.type(), e[i]);
            if (!(Math.abs(a[i] - e[i]) <= bound) && Float.compare(a[i], e[i]) != 0) {
                fail(name + "[" + i + "] is " + a[i] + ", wanted " + e[i] + " within " + bound);
            }
        }
    }
}
