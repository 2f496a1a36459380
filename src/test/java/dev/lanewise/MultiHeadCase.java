package dev.lanewise;

import java.lang.foreign.Arena;
import java.util.Random;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;

/** One drawn layer with its rows. Self-attention if the source's width is 0; rank 2 if the batch is 0. */
record MultiHeadCase(Rows rows, Heads heads, Widths widths, boolean biased, boolean masked, Layout layout, long seed) {
    record Rows(int batch, int queries, int keys) {
    }

    record Heads(int kvHeads, int group, int depth, int valueDepth) {
        int count() {
            return kvHeads * group;
        }
    }

    record Widths(int x, int source, int out) {
    }

    /** A projection's weight (in, out) and its bias, which may be null. */
    record Linear(Tensor weight, Tensor bias) {
    }

    static Arbitrary<MultiHeadCase> any() {
        Arbitrary<Integer> lengths = Arbitraries.integers().between(0, 70);
        Arbitrary<Integer> few = Arbitraries.integers().between(1, 3);
        Arbitrary<Integer> sizes = Arbitraries.integers().between(1, 40);
        Arbitrary<Boolean> flag = Arbitraries.of(false, true);
        return Combinators.combine(
                Combinators.combine(Arbitraries.integers().between(0, 3), lengths, lengths).as(Rows::new),
                Combinators.combine(few, few, sizes, sizes).as(Heads::new),
                Combinators.combine(sizes, Arbitraries.oneOf(Arbitraries.just(0), sizes), sizes).as(Widths::new),
                flag, flag,
                Combinators.combine(Arbitraries.of(Layout.Order.class), Arbitraries.of(Layout.Place.class))
                        .as((order, place) -> new Layout(order, place, ElementType.FLOAT32)),
                Arbitraries.longs()).as(MultiHeadCase::new);
    }

    boolean self() {
        return widths.source == 0;
    }

    boolean flat() {
        return rows.batch == 0;
    }

    int batch() {
        return flat() ? 1 : rows.batch;
    }

    int keys() {
        return self() ? rows.queries : rows.keys;
    }

    int sourceWidth() {
        return self() ? widths.x : widths.source;
    }

    /** (B, L, features) in the drawn layout. */
    Tensor draw(Arena arena, Random random, int length, int features) {
        return layout.normal(arena, random, 1, batch(), 1, length, features).select(1, 0);
    }

    Linear linear(Arena arena, Random random, int in, int out) {
        Tensor weight = layout.normal(arena, random, 1 / Math.sqrt(in), 1, 1, in, out).select(0, 0).select(0, 0);
        Tensor bias = layout.normal(arena, random, 1, 1, 1, 1, out).select(0, 0).select(0, 0).select(0, 0);
        return new Linear(weight, biased ? bias : null);
    }

    /** (B, 1, Lq, Lk), with rows that see nothing where anything is masked at all. */
    Tensor mask(Arena arena, Random random) {
        boolean[] mask = new boolean[batch() * rows.queries * keys()];
        for (int i = 0; i < mask.length; i++) {
            mask[i] = !masked || i / keys() % 7 != 3 && random.nextInt(3) > 0;
        }
        return Tensor.ofBooleans(arena, mask, batch(), 1, rows.queries, keys());
    }
}
