package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import dev.lanewise.internal.kernel.AttentionProblem;
import dev.lanewise.internal.plan.StartUp;
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

    /** Values that are passed in eights go through another loop where a row is one pass, and with 16 registers two eights of a key are a pass of sixteen. */
    @Property(tries = 20)
    void rowsOfOnePassAndOfSeveralDoNotVouchForEachOther(@ForAll @IntRange(min = 4, max = 8) int queries,
            @ForAll @IntRange(min = 2, max = 4) int passes) {
        long one = cachedPaths(queries, 8);
        long several = cachedPaths(queries, 8 * passes);
        assertEquals(StartUp.CHOICE.manyRegisters(), (one & ~several) != 0);
        assertNotEquals(0, several & ~one);
    }

    /** One row meets narrow rows in loops of their own where a head's lie in one page. */
    @Property(tries = 20)
    void narrowRowsInOnePageAndInSmallOnesDoNotVouchForEachOther(@ForAll @IntRange(min = 1, max = 69) int pageTokens) {
        long one = cachedPaths(1, 4, 70);
        long several = cachedPaths(1, 4, pageTokens);
        assertNotEquals(0, one & ~several);
        assertEquals(0, cachedPaths(2, 4, 70) & one & ~several);
    }

    private static long cachedPaths(int queries, int vectors) {
        return cachedPaths(queries, vectors, 70);
    }

    private static long cachedPaths(int queries, int vectors, int pageTokens) {
        int depth = vectors * StartUp.CHOICE.lanes();
        try (Arena arena = Arena.ofConfined()) {
            KvCache.Sequence sequence = KvCache.builder(1, depth)
                    .pageTokens(pageTokens)
                    .capacity((long) Math.ceilDiv(70, pageTokens) * pageTokens)
                    .allocate(arena)
                    .newSequence();
            Tensor tokens = Tensor.allocate(arena, ElementType.FLOAT32, 1, 70, depth);
            sequence.append(0, tokens, tokens);
            Tensor q = Tensor.allocate(arena, ElementType.FLOAT32, 1, 1, queries, depth);
            return paths(AttentionInputs.ofCache(q, 0, sequence), q);
        }
    }

    private static long paths(int queries, int depth) {
        try (Arena arena = Arena.ofConfined()) {
            Tensor q = Tensor.allocate(arena, ElementType.FLOAT32, 1, 1, queries, depth);
            Tensor k = Tensor.allocate(arena, ElementType.FLOAT32, 1, 1, 70, depth);
            return paths(AttentionInputs.of(q, k, k),
                    Tensor.allocate(arena, ElementType.FLOAT32, 1, 1, queries, depth));
        }
    }

    private static long paths(AttentionInputs inputs, Tensor context) {
        AttentionProblem problem = new AttentionProblem();
        AttentionBinding.bind(Attention.builder().build(), inputs, AttentionOutputs.of(context), problem);
        return VectorPaths.of(problem);
    }
}
