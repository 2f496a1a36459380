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

    private static AttentionOutputs outputs(AttentionCase drawn, Arena arena, AttentionInputs in) {
        long b = in.q.size(0);
        long h = in.q.size(1);
        return AttentionOutputs.of(drawn.layouts().context().allocate(arena, b, h, in.q.size(2), in.v.size(3)))
                .withLogSumExp(Tensor.allocate(arena, ElementType.FLOAT32, b, h, in.q.size(2), 1));
    }
}
