package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lanewise.internal.kernel.AttentionProblem;
import dev.lanewise.internal.plan.VectorPaths;
import java.lang.foreign.Arena;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Assume;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tag;
import net.jqwik.api.constraints.IntRange;

/** A rehearsal is the call itself for one batch row and head, on memory of its own. */
@Tag("width")
@Tag("vector")
class RehearsalOperandsTest {
    @Provide
    Arbitrary<AttentionCase> anyCase() {
        return AttentionCases.any();
    }

    @Property(tries = 100, edgeCases = EdgeCasesMode.NONE)
    void theCopyTakesTheSamePathsAndNeedsNothingOfTheCallers(@ForAll("anyCase") AttentionCase drawn) {
        Attention operator = drawn.operator(RuntimeInfo.current().kernel());
        AttentionInputs copiedInputs;
        AttentionOutputs copiedOutputs;
        long paths;
        int heads;
        try (Arena arena = Arena.ofConfined()) {
            AttentionInputs inputs = drawn.inputs(arena);
            AttentionOutputs outputs = outputs(drawn, arena, inputs);
            AttentionProblem problem = new AttentionProblem();
            AttentionBinding.bind(operator, inputs, outputs, problem);
            Assume.that(VectorPaths.operations(problem) > 0);
            paths = VectorPaths.of(problem);
            float[] before = outputs.context.toFloats();
            heads = VectorPaths.heads(problem);
            copiedInputs = RehearsalOperands.copy(inputs, heads);
            copiedOutputs = RehearsalOperands.copy(outputs, heads);
            Attention one = operator.forHeads(heads);
            one.run(copiedInputs, copiedOutputs);
            assertArrayEquals(before, outputs.context.toFloats());
        }
        AttentionProblem copy = new AttentionProblem();
        AttentionBinding.bind(operator.forHeads(heads), copiedInputs, copiedOutputs, copy);
        assertEquals(heads, copy.heads);
        assertEquals(Long.toBinaryString(paths), Long.toBinaryString(VectorPaths.of(copy)));
        operator.forHeads(heads).run(copiedInputs, copiedOutputs);
    }

    /** Which heads are read together, and how many, shows in the paths. */
    @Property(tries = 60, edgeCases = EdgeCasesMode.NONE)
    void theCopyOfACallOverPagesTakesTheSamePaths(@ForAll("types") ElementType type,
            @ForAll @IntRange(min = 1, max = 40) int kvHeads, @ForAll @IntRange(min = 1, max = 2) int group,
            @ForAll @IntRange(min = 1, max = 2) int queries, @ForAll @IntRange(min = 1, max = 64) int pageTokens,
            @ForAll @IntRange(min = 2, max = 200) int keys, @ForAll @IntRange(min = 1, max = 3) int widths) {
        int depth = 8 * widths * RuntimeInfo.current().lanes();
        Attention operator = Attention.builder().build();
        try (Arena arena = Arena.ofConfined()) {
            KvCache.Sequence sequence = KvCache.builder(kvHeads, depth)
                    .storage(type)
                    .pageTokens(pageTokens)
                    .capacity((long) Math.ceilDiv(keys, pageTokens) * pageTokens)
                    .allocate(arena)
                    .newSequence();
            Tensor tokens = Tensor.allocate(arena, ElementType.FLOAT32, kvHeads, keys, depth);
            sequence.append(0, tokens, tokens);
            Tensor q = Tensor.allocate(arena, ElementType.FLOAT32, 1, (long) kvHeads * group, queries, depth);
            AttentionInputs inputs = AttentionInputs.ofCache(q, 0, sequence);
            AttentionOutputs outputs = AttentionOutputs.of(q);
            AttentionProblem problem = new AttentionProblem();
            AttentionBinding.bind(operator, inputs, outputs, problem);
            int heads = VectorPaths.heads(problem);
            AttentionProblem copy = new AttentionProblem();
            AttentionBinding.bind(operator.forHeads(heads), RehearsalOperands.copy(inputs, heads),
                    RehearsalOperands.copy(outputs, heads), copy);
            assertEquals(heads, copy.heads);
            assertEquals(Long.toBinaryString(VectorPaths.of(problem)), Long.toBinaryString(VectorPaths.of(copy)));
        }
    }

    @Provide
    Arbitrary<ElementType> types() {
        return CacheCase.types();
    }

    private static AttentionOutputs outputs(AttentionCase drawn, Arena arena, AttentionInputs in) {
        long b = in.q.size(0);
        long h = in.q.size(1);
        return AttentionOutputs.of(drawn.layouts().context().allocate(arena, b, h, in.q.size(2), in.v.size(3)))
                .withLogSumExp(Tensor.allocate(arena, ElementType.FLOAT32, b, h, in.q.size(2), 1));
    }
}
