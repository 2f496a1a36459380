package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import dev.lanewise.internal.kernel.AttentionProblem;
import dev.lanewise.internal.plan.VectorPaths;
import java.lang.foreign.Arena;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Tag;
import net.jqwik.api.constraints.IntRange;

/** What a call that has been seen fast says of another. */
@Tag("width")
@Tag("vector")
class VectorPathsTest {
    /** Features that fill no vector at any width. */
    private static final int DEPTH = 3;

    /** As many queries as fit one vector, so that nothing but the transposition tells the calls apart. */
    @Property(tries = 100)
    void aCallWithoutTranspositionDoesNotVouchForOneThatTransposes(@ForAll @IntRange(min = 1, max = 4) int queries,
            @ForAll @IntRange(min = 86, max = 300) int times) {
        long few = paths(queries, DEPTH);
        long many = paths(queries, DEPTH * times * 2 + 1);
        assertEquals(0, few & ~many);
        assertNotEquals(0, many & ~few);
    }

    private static long paths(int queries, int depth) {
        try (Arena arena = Arena.ofConfined()) {
            Tensor q = Tensor.allocate(arena, ElementType.FLOAT32, 1, 1, queries, depth);
            Tensor k = Tensor.allocate(arena, ElementType.FLOAT32, 1, 1, 70, depth);
            AttentionProblem problem = new AttentionProblem();
            AttentionBinding.bind(Attention.builder().build(), AttentionInputs.of(q, k, k),
                    AttentionOutputs.of(Tensor.allocate(arena, ElementType.FLOAT32, 1, 1, queries, depth)), problem);
            return VectorPaths.of(problem);
        }
    }
}
