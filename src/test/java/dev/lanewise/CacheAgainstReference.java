package dev.lanewise;

import dev.lanewise.AttentionCase.Layouts;
import java.lang.foreign.Arena;
import java.util.Random;

/** A drawn call over a cache that holds the keys and values of the case, held to float64 over the rows as they are read back. */
final class CacheAgainstReference {
    private CacheAgainstReference() {
    }

    static void check(AttentionCase drawn, ElementType type, int pageTokens, Kernel kernel) {
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
                throw new AssertionError(name + "[" + i + "] is " + a[i] + ", wanted " + e[i] + " within " + bound);
            }
        }
    }
}
