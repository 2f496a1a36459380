package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What the operator means where the well-known implementations disagree, one test a rule, for every kernel. */
@Tag("width")
class SemanticsTest {
    private static final int HEADS = 2;
    /** More than one panel of queries and one block of keys, and a tail of each. */
    private static final int QUERIES = 70;
    private static final int KEYS = 150;
    private static final int DEPTH = 9;

    private Arena arena;
    private Tensor q;
    private Tensor k;
    private Tensor v;

    @BeforeEach
    void draw() {
        arena = Arena.ofConfined();
        Random random = new Random(7);
        q = Layout.PLAIN.normal(arena, random, 1, 1, HEADS, QUERIES, DEPTH);
        k = Layout.PLAIN.normal(arena, random, 1, 1, HEADS, KEYS, DEPTH);
        v = Layout.PLAIN.normal(arena, random, 1, 1, HEADS, KEYS, DEPTH);
    }

    @AfterEach
    void close() {
        arena.close();
    }

    static Kernel[] kernels() {
        return RuntimeInfo.current().kernel() == Kernel.VECTOR
                ? Kernel.values()
                : new Kernel[]{Kernel.SCALAR, Kernel.REFERENCE};
    }

    private AttentionCase.Results run(Attention.Builder builder, Kernel kernel, AttentionInputs inputs) {
        return AttentionCase.run(arena, builder.kernel(kernel).build(), inputs, Layout.PLAIN, ScoreStage.BIASED);
    }

    private AttentionInputs inputs() {
        return AttentionInputs.of(q, k, v);
    }

    private Tensor keyMask(java.util.function.IntPredicate visible) {
        boolean[] mask = new boolean[KEYS];
        for (int j = 0; j < KEYS; j++) {
            mask[j] = visible.test(j);
        }
        return Tensor.ofBooleans(arena, mask, 1, KEYS);
    }

    private void setRow(Tensor tensor, int row, float value) {
        for (int h = 0; h < HEADS; h++) {
            for (int d = 0; d < DEPTH; d++) {
                tensor.setFloat(value, 0, h, row, d);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void causalTopLeftLetsQuerySeeKeysUpToItself(Kernel kernel) {
        assertVisible(kernel, Attention.builder().causal(PositionOffset.topLeft()), inputs(), (i, j) -> j <= i);
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void causalBottomRightPutsTheLastQueryAtTheLastKey(Kernel kernel) {
        assertVisible(kernel, Attention.builder().causal(PositionOffset.bottomRight()), inputs(),
                (i, j) -> j <= i + KEYS - QUERIES);
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void causalOffsetMayBeNegativeAndLeavesEmptyRows(Kernel kernel) {
        Attention.Builder builder = Attention.builder().causal(PositionOffset.of(-3));
        assertVisible(kernel, builder, inputs(), (i, j) -> j <= i - 3);
        assertRowIsEmpty(run(builder, kernel, inputs()), 2);
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void pastLengthsAreTheOffsetOfEachBatchRow(Kernel kernel) {
        AttentionInputs inputs = inputs().withPastLengths(Tensor.ofInts(arena, 40));
        assertVisible(kernel, Attention.builder().causal(PositionOffset.pastLengths()), inputs, (i, j) -> j <= i + 40);
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void windowIsCentredOnThePositionAndZeroIsItselfOnly(Kernel kernel) {
        PositionOffset offset = PositionOffset.of(5);
        assertVisible(kernel, Attention.builder().positionOffset(offset).window(3, 2), inputs(),
                (i, j) -> j >= i + 2 && j <= i + 7);
        assertVisible(kernel, Attention.builder().window(0, 0), inputs(), (i, j) -> j == i);
        assertVisible(kernel, Attention.builder().window(-1, 0), inputs(), (i, j) -> j <= i);
        assertVisible(kernel, Attention.builder().window(0, -1), inputs(), (i, j) -> j >= i);
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void masksCompose(Kernel kernel) {
        AttentionInputs inputs = inputs().withMask(keyMask(j -> j % 3 != 0))
                .withKeyLengths(Tensor.ofInts(arena, 60))
                .withKeyStarts(Tensor.ofInts(arena, 4));
        assertVisible(kernel, Attention.builder().causal(PositionOffset.of(10)).window(30, -1), inputs,
                (i, j) -> j % 3 != 0 && j < 60 && j >= 4 && j <= i + 10 && j >= i - 20);
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void packedSequencesSeeOnlyTheirOwnKeys(Kernel kernel) {
        AttentionInputs inputs = inputs().withPackedSequences(Tensor.ofInts(arena, 0, 20, 20, 70),
                Tensor.ofInts(arena, 0, 90, 100, 150));
        assertVisible(kernel, Attention.builder(), inputs, (i, j) -> i < 20 ? j < 90 : j >= 100);
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void fullyMaskedRowIsExactlyZeroAndItsLogSumExpMinusInfinity(Kernel kernel) {
        boolean[] mask = new boolean[QUERIES * KEYS];
        Arrays.fill(mask, true);
        Arrays.fill(mask, 69 * KEYS, 70 * KEYS, false);
        Arrays.fill(mask, 5 * KEYS, 6 * KEYS, false);
        Tensor rows = Tensor.ofBooleans(arena, mask, QUERIES, KEYS);
        setRow(v, 3, Float.NaN);
        setRow(k, 4, Float.POSITIVE_INFINITY);
        AttentionCase.Results results = run(Attention.builder(), kernel, inputs().withMask(rows));
        assertRowIsEmpty(results, 5);
        assertRowIsEmpty(results, 69);
        assertTrue(Float.isNaN(results.context().getFloat(0, 1, 6, 0)));
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void minusInfinityInAnAdditiveMaskHides(Kernel kernel) {
        Tensor mask = Layout.PLAIN.normal(arena, new Random(3), 0, 1, 1, 1, KEYS).select(0, 0).select(0, 0);
        for (int j = 0; j < KEYS; j++) {
            mask.setFloat(j == 11 || j == 149 ? Float.NEGATIVE_INFINITY : 0, 0, j);
        }
        setRow(k, 11, Float.NaN);
        setRow(v, 149, Float.POSITIVE_INFINITY);
        assertVisible(kernel, Attention.builder(), inputs().withMask(mask), (i, j) -> j != 11 && j != 149);
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void maskedNaNAndInfinityInKeysOrValuesNeverReachTheOutput(Kernel kernel) {
        AttentionInputs masked = inputs().withMask(keyMask(j -> j != 30 && j != 140));
        Attention.Builder causal = Attention.builder().causal(PositionOffset.topLeft());
        float[] clean = run(Attention.builder(), kernel, masked).context().toFloats();
        float[] cleanCausal = run(causal, kernel, masked).context().toFloats();
        for (float poison : new float[]{Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
            for (int row : new int[]{30, 140}) {
                setRow(k, row, poison);
                setRow(v, row, poison);
            }
            // Multiplied one by one instead of by tiles, the sums may round differently.
            assertArrayEquals(clean, run(Attention.builder(), kernel, masked).context().toFloats(), 1e-5f);
            assertArrayEquals(cleanCausal, run(causal, kernel, masked).context().toFloats(), 1e-5f);
        }
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void causallyHiddenNaNReachesOnlyTheQueriesThatSeeIt(Kernel kernel) {
        setRow(v, 33, Float.NaN);
        setRow(k, 50, Float.NaN);
        float[] context = run(Attention.builder().causal(PositionOffset.topLeft()), kernel, inputs()).context()
                .toFloats();
        for (int i = 0; i < QUERIES; i++) {
            assertEquals(i >= 33, Float.isNaN(context[i * DEPTH]), "query " + i);
        }
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void visibleNaNGivesNaN(Kernel kernel) {
        setRow(k, 149, Float.NaN);
        AttentionCase.Results results = run(Attention.builder(), kernel, inputs());
        for (float value : results.context().toFloats()) {
            assertTrue(Float.isNaN(value));
        }
        assertTrue(Float.isNaN(results.logSumExp().getFloat(0, 0, 0, 0)));
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void visibleNaNInTheQueryGivesNaNInItsRowOnly(Kernel kernel) {
        setRow(q, 8, Float.NaN);
        float[] context = run(Attention.builder(), kernel, inputs()).context().toFloats();
        for (int i = 0; i < QUERIES; i++) {
            assertEquals(i == 8, Float.isNaN(context[i * DEPTH]), "query " + i);
        }
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void visibleScoresOfMinusInfinityAloneGiveNaNNotZero(Kernel kernel) {
        for (int j = 0; j < KEYS; j++) {
            setRow(k, j, Float.NEGATIVE_INFINITY);
        }
        setRow(q, 0, 1);
        assertTrue(Float.isNaN(run(Attention.builder(), kernel, inputs()).context().getFloat(0, 0, 0, 0)));
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void largeFiniteNegativesAreOrdinaryNumbers(Kernel kernel) {
        float[] bias = new float[KEYS];
        Arrays.fill(bias, -1e30f);
        AttentionInputs inputs = inputs().withMask(Tensor.ofFloats(arena, bias, 1, KEYS));
        AttentionCase.Results results = run(Attention.builder(), kernel, inputs);
        // All scores round to −1e30, so all keys weigh the same: no row is empty.
        assertEquals(1.0 / KEYS, results.weights().getFloat(0, 0, 0, 0), 1e-7);
        assertEquals(-1e30f, results.logSumExp().getFloat(0, 1, 9, 0));
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void queryHeadsShareKeyHeadsInConsecutiveGroups(Kernel kernel) {
        Tensor q4 = Layout.PLAIN.normal(arena, new Random(9), 1, 1, 4, QUERIES, DEPTH);
        Tensor context = run(Attention.builder(), kernel, AttentionInputs.of(q4, k, v)).context();
        for (int h = 0; h < 4; h++) {
            AttentionInputs one = AttentionInputs.of(q4.slice(1, h, h + 1), k.slice(1, h / 2, h / 2 + 1),
                    v.slice(1, h / 2, h / 2 + 1));
            assertArrayEquals(run(Attention.builder(), kernel, one).context().toFloats(),
                    context.slice(1, h, h + 1).toFloats());
        }
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void sinkJoinsTheDenominatorOnly(Kernel kernel) {
        AttentionCase.Results plain = run(Attention.builder(), kernel, inputs());
        AttentionCase.Results sunk = run(Attention.builder().sinks(1, 2), kernel, inputs());
        for (int h = 0; h < HEADS; h++) {
            double lse = plain.logSumExp().getFloat(0, h, 0, 0);
            double share = Math.exp(lse) / (Math.exp(lse) + Math.exp(h + 1));
            assertEquals(plain.context().getFloat(0, h, 0, 0) * share, sunk.context().getFloat(0, h, 0, 0), 1e-6);
            assertEquals(lse - Math.log(share), sunk.logSumExp().getFloat(0, h, 0, 0), 2e-6);
        }
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void noKeysAtAllGiveZeroAndMinusInfinity(Kernel kernel) {
        AttentionCase.Results results = run(Attention.builder(), kernel,
                AttentionInputs.of(q, k.slice(2, 0, 0), v.slice(2, 0, 0)));
        for (int i = 0; i < QUERIES; i++) {
            assertRowIsEmpty(results, i);
        }
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void scoresOfTenThousandNeitherOverflowNorUnderflow(Kernel kernel) {
        setRow(q, 0, 1e3f);
        setRow(k, 17, 1e1f / 3);
        AttentionCase.Results results = run(Attention.builder(), kernel, inputs());
        assertEquals(1e4, results.scores().getFloat(0, 0, 0, 17), 1e-2);
        assertEquals(1, results.weights().getFloat(0, 0, 0, 17));
        assertEquals(0, results.weights().getFloat(0, 0, 0, 18));
        assertEquals(v.getFloat(0, 0, 17, 2), results.context().getFloat(0, 0, 0, 2));
        assertEquals(results.scores().getFloat(0, 0, 0, 17), results.logSumExp().getFloat(0, 0, 0, 0), 1e-3);
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void theSameCallGivesTheSameBitsAloneAndInABatch(Kernel kernel) {
        Tensor q3 = new Layout(Layout.Order.HEADS_INSIDE, Layout.Place.UNALIGNED, ElementType.FLOAT32).normal(arena,
                new Random(5), 1, 3,
                HEADS, QUERIES, DEPTH);
        Tensor k3 = Layout.PLAIN.normal(arena, new Random(6), 1, 3, HEADS, KEYS, DEPTH);
        float[] whole = run(Attention.builder(), kernel, AttentionInputs.of(q3, k3, k3)).context()
                .slice(0, 1, 2)
                .toFloats();
        Tensor aligned = Tensor.ofFloats(arena, q3.slice(0, 1, 2).toFloats(), 1, HEADS, QUERIES, DEPTH);
        AttentionInputs alone = AttentionInputs.of(aligned, k3.slice(0, 1, 2), k3.slice(0, 1, 2));
        assertArrayEquals(whole, run(Attention.builder(), kernel, alone).context().toFloats());
        assertArrayEquals(whole, run(Attention.builder(), kernel, alone).context().toFloats());
    }

    private void assertRowIsEmpty(AttentionCase.Results results, int i) {
        for (int h = 0; h < HEADS; h++) {
            for (int d = 0; d < DEPTH; d++) {
                assertEquals(0f, results.context().getFloat(0, h, i, d));
            }
            assertEquals(Float.NEGATIVE_INFINITY, results.logSumExp().getFloat(0, h, i, 0));
        }
    }

    private interface Visible {
        boolean test(int query, int key);
    }

    /** The weight of a key is 0 where it is hidden and is not where it is seen, and the context is the weighted sum. */
    private void assertVisible(Kernel kernel, Attention.Builder builder, AttentionInputs inputs, Visible visible) {
        AttentionCase.Results results = run(builder, kernel, inputs);
        for (int h = 0; h < HEADS; h++) {
            for (int i = 0; i < QUERIES; i++) {
                double sum = 0;
                for (int j = 0; j < KEYS; j++) {
                    float weight = results.weights().getFloat(0, h, i, j);
                    float score = results.scores().getFloat(0, h, i, j);
                    if (visible.test(i, j)) {
                        assertNotEquals(0f, weight, "query " + i + " key " + j);
                        sum += weight * v.getFloat(0, h, j, 0);
                    } else {
                        assertEquals(0f, weight, "query " + i + " key " + j);
                        assertEquals(Float.NEGATIVE_INFINITY, score, "query " + i + " key " + j);
                    }
                }
                assertEquals(sum, results.context().getFloat(0, h, i, 0), 1e-5);
            }
        }
    }
}
