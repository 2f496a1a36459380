package dev.lanewise;

import dev.lanewise.AttentionCase.Hiding;
import dev.lanewise.AttentionCase.Mask;
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
        return cases(sizes);
    }

    /** One row or a few a key/value head, features in whole vectors of any type at any width, and keys enough for several blocks. */
    @Provide
    Arbitrary<AttentionCase> inPlace() {
        Arbitrary<Integer> features = Arbitraries.of(64, 128, 192, 256);
        return cases(Combinators
                .combine(Arbitraries.integers().between(1, 2), Arbitraries.integers().between(1, 2),
                        Arbitraries.of(1, 1, 1, 2, 4, 7, 9, 27), Arbitraries.integers().between(1, 700), features,
                        features)
                .as((batch, kvHeads, group, keys, depth, valueDepth) -> new AttentionCase.Sizes(batch, kvHeads, group,
                        1, keys, depth, valueDepth)));
    }

    private static Arbitrary<AttentionCase> cases(Arbitrary<AttentionCase.Sizes> sizes) {
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
        CacheAgainstReference.check(drawn, type, pageTokens, RuntimeInfo.current().kernel());
    }

    @Property(tries = 60, edgeCases = EdgeCasesMode.NONE)
    void rowsThatAreReadInPlaceAreWithinTheBoundOfFloat64(@ForAll("inPlace") AttentionCase drawn,
            @ForAll("types") ElementType type, @ForAll("pageSizes") int pageTokens) {
        CacheAgainstReference.check(drawn, type, pageTokens, RuntimeInfo.current().kernel());
    }

    @Property(tries = 25, edgeCases = EdgeCasesMode.NONE)
    void theScalarKernelIsWithinTheBoundOfFloat64(@ForAll("anyCase") AttentionCase drawn,
            @ForAll("types") ElementType type, @ForAll("pageSizes") int pageTokens) {
        CacheAgainstReference.check(drawn, type, pageTokens, Kernel.SCALAR);
    }

    @Property(tries = 10, edgeCases = EdgeCasesMode.NONE)
    void theReferenceIsThatOverTheSameRows(@ForAll("anyCase") AttentionCase drawn, @ForAll("types") ElementType type,
            @ForAll("pageSizes") int pageTokens) {
        CacheAgainstReference.check(drawn, type, pageTokens, Kernel.REFERENCE);
    }
}
