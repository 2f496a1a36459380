package dev.lanewise;

import dev.lanewise.AttentionCase.Hiding;
import dev.lanewise.AttentionCase.Layouts;
import dev.lanewise.AttentionCase.Mask;
import dev.lanewise.AttentionCase.Offset;
import dev.lanewise.AttentionCase.Scores;
import dev.lanewise.AttentionCase.Sizes;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;

/** Draws calls of the operator. */
final class AttentionCases {
    private AttentionCases() {
    }

    /** Every option with every other, sizes on both sides of every tile and block boundary. */
    static Arbitrary<AttentionCase> any() {
        return Combinators.combine(anySizes(), anyScores(), anyHiding(), anyLayouts(), Arbitraries.longs())
                .as(AttentionCase::new);
    }

    /** Any sizes, nothing else. */
    static Arbitrary<AttentionCase> plain() {
        return Combinators.combine(anySizes(), Arbitraries.longs())
                .as((sizes, seed) -> new AttentionCase(sizes, AttentionCase.PLAIN_SCORES, AttentionCase.NOTHING_HIDDEN,
                        Layouts.PLAIN, seed));
    }

    /** Few queries, and rows of whole vectors at every width, read in place: what another kernel serves than a panel of queries. */
    static Arbitrary<AttentionCase> fewRows() {
        Arbitrary<Integer> queries = Arbitraries.oneOf(Arbitraries.integers().between(1, 4),
                Arbitraries.integers().between(1, 26));
        Arbitrary<Integer> keys = Arbitraries.oneOf(Arbitraries.integers().between(0, 20),
                Arbitraries.integers().between(0, 300), Arbitraries.of(255, 256, 257, 511, 513, 600));
        Arbitrary<Integer> depths = Arbitraries.of(16, 32, 48, 64, 80, 128);
        Arbitrary<Integer> few = Arbitraries.integers().between(1, 3);
        Arbitrary<Sizes> sizes = Combinators
                .combine(Arbitraries.integers().between(1, 2), few, few, queries, keys, depths, depths)
                .as(Sizes::new);
        return Combinators.combine(sizes, anyScores(), anyHiding(), Arbitraries.longs())
                .as((size, scores, hiding, seed) -> new AttentionCase(size, scores, hiding, Layouts.PLAIN, seed));
    }

    /** As many queries and keys as a few vectors have lanes, many heads, nothing hidden: what has a short cut at some widths. */
    static Arbitrary<AttentionCase> fewKeys() {
        Arbitrary<Integer> depths = Arbitraries.of(16, 32, 64, 128);
        Arbitrary<Sizes> sizes = Combinators
                .combine(Arbitraries.integers().between(1, 2), Arbitraries.integers().between(1, 12),
                        Arbitraries.integers().between(1, 6), Arbitraries.integers().between(1, 17), depths, depths)
                .as((batch, heads, fours, keys, depth, valueDepth) -> new Sizes(batch, heads, 1, 4 * fours, keys, depth,
                        valueDepth));
        Arbitrary<Scores> scores = Arbitraries.of(0.01, 1.0, 5.0)
                .map(deviation -> new Scores(0, deviation, 0, false, false, false));
        return Combinators.combine(sizes, scores, anyLayouts(), Arbitraries.longs())
                .as((size, score, layouts, seed) -> new AttentionCase(size, score, AttentionCase.NOTHING_HIDDEN,
                        layouts, seed));
    }

    static Arbitrary<Sizes> anySizes() {
        Arbitrary<Integer> lengths = Arbitraries.oneOf(Arbitraries.integers().between(0, 9),
                Arbitraries.integers().between(0, 150),
                Arbitraries.of(15, 16, 17, 31, 33, 47, 48, 49, 63, 64, 65, 127, 128, 129));
        Arbitrary<Integer> keys = Arbitraries.oneOf(lengths, Arbitraries.integers().between(120, 300));
        Arbitrary<Integer> depths = Arbitraries.oneOf(Arbitraries.integers().between(1, 130),
                Arbitraries.of(1, 3, 4, 16, 32, 64, 80));
        Arbitrary<Integer> few = Arbitraries.integers().between(1, 3);
        return Combinators.combine(Arbitraries.integers().between(1, 2), few, few, lengths, keys, depths, depths)
                .as(Sizes::new);
    }

    static Arbitrary<Scores> anyScores() {
        Arbitrary<Boolean> flag = Arbitraries.of(false, true);
        return Combinators
                .combine(Arbitraries.of(0.0, 1.0, 0.1, -0.5), Arbitraries.of(1.0, 1.0, 0.01, 5.0),
                        Arbitraries.of(0, 0, 2, 30),
                        flag, flag, flag)
                .as(Scores::new);
    }

    static Arbitrary<Hiding> anyHiding() {
        Arbitrary<Boolean> flag = Arbitraries.of(false, true);
        Arbitrary<Integer> reach = Arbitraries.oneOf(Arbitraries.just(-1), Arbitraries.just(-1),
                Arbitraries.integers().between(0, 100));
        Arbitrary<Boolean> rarely = Arbitraries.of(false, false, true);
        return Combinators
                .combine(
                        Combinators.combine(Arbitraries.of(Mask.class), Arbitraries.integers().between(0, 15))
                                .as(Pair::new),
                        Arbitraries.of(Offset.class), Arbitraries.integers().between(-80, 200), flag, reach, reach,
                        Combinators.combine(rarely, rarely).as(Pair::new), rarely)
                .as((mask, offset, value, causal, left, right, lengths, packed) -> new Hiding(mask.first(),
                        mask.second(), offset, value,
                        causal && offset != Offset.NONE, left, right, lengths.first(), lengths.second(), packed));
    }

    private record Pair<A, B>(A first, B second) {
    }

    static Arbitrary<Layouts> anyLayouts() {
        Arbitrary<Layout> layout = Combinators
                .combine(Arbitraries.of(Layout.Order.class), Arbitraries.of(Layout.Place.class),
                        Arbitraries.of(ElementType.FLOAT32, ElementType.FLOAT32, ElementType.BFLOAT16,
                                ElementType.FLOAT16))
                .as(Layout::new);
        Arbitrary<ElementType> maskType = Arbitraries.of(ElementType.FLOAT32, ElementType.FLOAT32, ElementType.BFLOAT16,
                ElementType.FLOAT16);
        Arbitrary<Layouts> any = Combinators.combine(layout, layout, layout, layout, maskType).as(Layouts::new);
        return Arbitraries.oneOf(Arbitraries.just(Layouts.PLAIN), any);
    }
}
