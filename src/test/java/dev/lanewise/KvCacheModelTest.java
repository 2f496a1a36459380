package dev.lanewise;

import java.lang.foreign.Arena;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.ShrinkingMode;
import net.jqwik.api.state.Action;
import net.jqwik.api.state.ActionChain;
import net.jqwik.api.state.Transformer;

/** Whatever is done to the sequences of a cache, they have the tokens that plain lists have, and no page is lost or there twice. */
class KvCacheModelTest {
    private static final int ACTIONS = 40;

    @Provide
    Arbitrary<ActionChain<CacheModel>> anyChain() {
        return CacheCase.any()
                .flatMap(shape -> ActionChain.startWith(() -> new CacheModel(shape, Arena.ofAuto()))
                        .withAction(1, mutation(just("new", CacheModel::newSequence)))
                        .withAction(6, mutation(append()))
                        .withAction(2, mutation(numbers("truncate", CacheModel::truncate, 9)))
                        .withAction(2, mutation(numbers("fork", (model, which, _) -> model.fork(which), 1)))
                        .withAction(2, mutation(evict()))
                        .withAction(1, mutation(numbers("close", (model, which, _) -> model.close(which), 1)))
                        .withMaxTransformations(ACTIONS));
    }

    private interface Mutation {
        void run(CacheModel model);
    }

    private interface NumbersMutation {
        void run(CacheModel model, int which, int number);
    }

    private static Action.Independent<CacheModel> mutation(Arbitrary<Transformer<CacheModel>> transformers) {
        return () -> transformers;
    }

    private static Arbitrary<Transformer<CacheModel>> just(String name, Mutation mutation) {
        return Arbitraries.just(Transformer.mutate(name, mutation::run));
    }

    private static Arbitrary<Integer> which() {
        return Arbitraries.integers().between(0, 9);
    }

    private static Arbitrary<Transformer<CacheModel>> numbers(String name, NumbersMutation mutation, int most) {
        return Combinators.combine(which(), Arbitraries.integers().between(0, most))
                .as((which, number) -> Transformer.mutate(name + " " + which + " " + number,
                        model -> mutation.run(model, which, number)));
    }

    private static Arbitrary<Transformer<CacheModel>> evict() {
        Arbitrary<Integer> keep = Arbitraries.oneOf(Arbitraries.just(2), Arbitraries.integers().between(0, 12));
        return Combinators.combine(which(), keep, Arbitraries.integers().between(0, 12))
                .as((which, first, count) -> Transformer.mutate("evict " + which + " " + first + " " + count,
                        model -> model.evict(which, first, count)));
    }

    private static Arbitrary<Transformer<CacheModel>> append() {
        Arbitrary<Integer> counts = Arbitraries.oneOf(Arbitraries.just(1), Arbitraries.integers().between(0, 14));
        Arbitrary<Layout> layouts = Combinators
                .combine(Arbitraries.of(Layout.Order.class), Arbitraries.of(Layout.Place.class),
                        Arbitraries.of(ElementType.FLOAT32, ElementType.FLOAT32, ElementType.BFLOAT16,
                                ElementType.FLOAT16))
                .as(Layout::new);
        return Combinators.combine(which(), counts, Arbitraries.longs(), layouts)
                .as((which, count, seed, layout) -> Transformer.mutate(
                        "append " + which + " " + count + " seed " + seed + " " + layout,
                        model -> model.append(which, count, seed, layout)));
    }

    @Property(tries = 250, shrinking = ShrinkingMode.BOUNDED)
    void sequencesHaveTheTokensThatListsHave(@ForAll("anyChain") ActionChain<CacheModel> chain) {
        chain.withInvariant(CacheModel::check).run().end();
    }
}
