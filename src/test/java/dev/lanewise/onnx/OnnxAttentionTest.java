package dev.lanewise.onnx;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lanewise.ElementType;
import dev.lanewise.Kernel;
import dev.lanewise.Tensor;
import java.lang.foreign.Arena;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The operator's conventions where the stored cases leave them open, written from its specification. */
@Tag("width")
class OnnxAttentionTest {
    private static final float INF = Float.POSITIVE_INFINITY;

    private final Arena arena = Arena.ofConfined();

    @AfterEach
    void close() {
        arena.close();
    }

    static Stream<Kernel> kernels() {
        return TestKernels.all();
    }

    private Tensor floats(long[] shape, double... values) {
        float[] narrow = new float[values.length];
        for (int i = 0; i < narrow.length; i++) {
            narrow[i] = (float) values[i];
        }
        return Tensor.ofFloats(arena, narrow, shape);
    }

    private static long[] shape(long... sizes) {
        return sizes;
    }

    private NodeOutputs run(Kernel kernel, int opset, Map<String, Double> attributes, NodeInputs inputs) {
        return new OnnxAttention(new NodeAttributes(opset, attributes), kernel).run(arena, inputs, true);
    }

    /**
     * Queries of zeros, keys of ones, and values that show which key they are: row i of Y is the weights of query i.
     */
    private NodeInputs telling(int batch, int queries, int keys) {
        return new NodeInputs(Tensor.allocate(arena, ElementType.FLOAT32, batch, 1, queries, 1),
                floats(shape(1, 1, 1, 1), 1).broadcast(0, batch).broadcast(2, keys), unit(keys, 0, keys, batch));
    }

    private Tensor unit(int size, int from, int to, int batch) {
        float[] values = new float[(to - from) * size];
        for (int j = from; j < to; j++) {
            values[(j - from) * size + j] = 1;
        }
        return Tensor.ofFloats(arena, values, 1, 1, to - from, size).broadcast(0, batch);
    }

    /** One character a key, # if the query sees it; all of a row's weights are the same. */
    private static void assertVisible(NodeOutputs outputs, int batch, String... rows) {
        for (int i = 0; i < rows.length; i++) {
            long seen = rows[i].chars().filter(c -> c == '#').count();
            for (int j = 0; j < rows[i].length(); j++) {
                double weight = rows[i].charAt(j) == '#' ? 1.0 / seen : 0;
                assertEquals(weight, outputs.y().getFloat(batch, 0, i, j), 1e-6, "query " + i + " key " + j);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void withoutACacheCausalIsLowerTriangularHoweverManyKeysThereAre(Kernel kernel) {
        assertVisible(run(kernel, 23, Map.of("is_causal", 1.0), telling(1, 3, 5)), 0, "#....", "##...", "###..");
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void causalQueriesStandAfterThePast(Kernel kernel) {
        Tensor past = floats(shape(1, 1, 1, 1), 1).broadcast(2, 3);
        NodeInputs step = telling(1, 2, 2);
        NodeInputs inputs = new NodeInputs(step.q(), step.k(), unit(5, 3, 5, 1)).withPast(past, unit(5, 0, 3, 1));
        assertVisible(run(kernel, 23, Map.of("is_causal", 1.0), inputs), 0, "####.", "#####");
    }

    /** The specification's own pictures, and a length that leaves the first queries nothing. */
    @ParameterizedTest
    @MethodSource("kernels")
    void causalQueriesEndAtTheLastValidKeyOfTheirBatchRow(Kernel kernel) {
        NodeOutputs outputs = run(kernel, 24, Map.of("is_causal", 1.0, "qk_matmul_output_mode", 3.0),
                telling(3, 4, 8).withNonpadKvSeqlen(Tensor.ofInts(arena, 4, 8, 2)));
        assertVisible(outputs, 0, "#.......", "##......", "###.....", "####....");
        assertVisible(outputs, 1, "#####...", "######..", "#######.", "########");
        assertVisible(outputs, 2, "........", "........", "#.......", "##......");
        assertArrayEquals(outputs.y().toFloats(), outputs.qkMatmulOutput().toFloats());
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void paddingIsHiddenFromEveryQueryWithoutCausalToo(Kernel kernel) {
        NodeInputs inputs = telling(2, 2, 4).withNonpadKvSeqlen(Tensor.ofInts(arena, 3, 0));
        NodeOutputs outputs = run(kernel, 24, Map.of(), inputs);
        assertVisible(outputs, 0, "###.", "###.");
        assertVisible(outputs, 1, "....", "....");
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void maskShorterThanTheKeysHidesTheRest(Kernel kernel) {
        Tensor additive = floats(shape(2, 3), 0, -INF, 0, 0, 0, 0);
        Tensor bool = Tensor.ofBooleans(arena, new boolean[]{true, false, true, true, true, true}, 2, 3);
        for (Tensor mask : new Tensor[]{additive, bool}) {
            assertVisible(run(kernel, 24, Map.of(), telling(1, 2, 5).withMask(mask)), 0, "#.#..", "###..");
            assertVisible(run(kernel, 24, Map.of("is_causal", 1.0), telling(1, 2, 5).withMask(mask)), 0, "#....",
                    "##...");
            assertVisible(run(kernel, 24, Map.of(), telling(1, 2, 5).withMask(mask)
                    .withNonpadKvSeqlen(Tensor.ofInts(arena, 2))), 0, "#....", "##...");
        }
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void maskOfOneKeyIsBroadcastInOpset23AndPaddedSince24(Kernel kernel) {
        NodeInputs inputs = telling(1, 2, 3).withMask(Tensor.ofBooleans(arena, new boolean[]{true, false}, 2, 1));
        assertVisible(run(kernel, 23, Map.of(), inputs), 0, "###", "...");
        assertVisible(run(kernel, 24, Map.of(), inputs), 0, "#..", "...");
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void maskOfRankThreeStartsWithTheHeads(Kernel kernel) {
        NodeInputs one = telling(2, 1, 2);
        NodeInputs inputs = new NodeInputs(one.q().broadcast(1, 2), one.k(), one.v())
                .withMask(Tensor.ofBooleans(arena, new boolean[]{true, false, false, true}, 2, 1, 2));
        NodeOutputs outputs = run(kernel, 24, Map.of(), inputs);
        assertArrayEquals(new float[]{1, 0, 0, 1, 1, 0, 0, 1}, outputs.y().toFloats());
    }

    /** The specification's own picture, and the same window after a past, in a padded cache and under a causal mask. */
    @ParameterizedTest
    @MethodSource("kernels")
    void windowIsCentredOnTheAbsolutePosition(Kernel kernel) {
        Map<String, Double> window = Map.of("left_window_size", 2.0, "right_window_size", 1.0);
        assertVisible(run(kernel, 25, window, telling(1, 4, 6)), 0, "##....", "###...", "####..", ".####.");
        NodeInputs cached = telling(2, 2, 6).withNonpadKvSeqlen(Tensor.ofInts(arena, 5, 6));
        NodeOutputs outputs = run(kernel, 25, window, cached);
        assertVisible(outputs, 0, ".####.", "..###.");
        assertVisible(outputs, 1, "..####", "...###");
        Tensor past = floats(shape(1, 1, 1, 1), 1).broadcast(2, 3);
        NodeInputs step = telling(1, 2, 2);
        NodeInputs stepping = new NodeInputs(step.q(), step.k(), unit(5, 3, 5, 1)).withPast(past, unit(5, 0, 3, 1));
        assertVisible(run(kernel, 25, window, stepping), 0, ".####", "..###");
        assertVisible(run(kernel, 25, Map.of("left_window_size", 0.0, "right_window_size", 1.0, "is_causal", 1.0),
                stepping), 0, "...#.", "....#");
        assertVisible(run(kernel, 25, Map.of("left_window_size", -1.0, "right_window_size", 0.0), telling(1, 2, 3)), 0,
                "#..", "##.");
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void presentIsThePastAndThenTheNew(Kernel kernel) {
        NodeInputs inputs = new NodeInputs(floats(shape(1, 1, 2), 0, 0), floats(shape(1, 1, 2), 3, 4),
                floats(shape(1, 1, 4), 30, 31, 40, 41)).withPast(floats(shape(1, 2, 1, 1), 1, 2),
                        floats(shape(1, 2, 1, 2), 10, 11, 20, 21));
        NodeOutputs outputs = run(kernel, 23, Map.of("q_num_heads", 2.0, "kv_num_heads", 2.0), inputs);
        assertArrayEquals(shape(1, 2, 2, 1), outputs.presentKey().shape());
        assertArrayEquals(new float[]{1, 3, 2, 4}, outputs.presentKey().toFloats());
        assertArrayEquals(new float[]{10, 11, 30, 31, 20, 21, 40, 41}, outputs.presentValue().toFloats());
        assertArrayEquals(shape(1, 1, 4), outputs.y().shape());
        assertArrayEquals(new float[]{20, 21, 30, 31}, outputs.y().toFloats());
    }

    /** Four query heads over two key/value heads, whose values are 10 times the batch row plus the head. */
    @ParameterizedTest
    @MethodSource("kernels")
    void rankThreeHoldsTheHeadsSideBySideInEachRow(Kernel kernel) {
        NodeInputs inputs = new NodeInputs(Tensor.allocate(arena, ElementType.FLOAT32, 2, 2, 12),
                Tensor.allocate(arena, ElementType.FLOAT32, 2, 1, 6),
                floats(shape(2, 1, 4), 0, 0, 1, 1, 10, 10, 11, 11));
        NodeOutputs outputs = run(kernel, 23, Map.of("q_num_heads", 4.0, "kv_num_heads", 2.0), inputs);
        assertArrayEquals(shape(2, 2, 8), outputs.y().shape());
        assertArrayEquals(new float[]{0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 10, 10, 10, 10, 11, 11, 11, 11,
            10, 10, 10, 10, 11, 11, 11, 11}, outputs.y().toFloats());
        assertArrayEquals(shape(2, 4, 2, 1), outputs.qkMatmulOutput().shape());
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void qkMatmulOutputModesAreTheStagesInOrder(Kernel kernel) {
        // Scores of 2·3·0.5 and 2·(−1)·0.5; the softcap comes before the mask, so that the mask is not capped.
        NodeInputs inputs = new NodeInputs(floats(shape(1, 1, 1, 1), 2), floats(shape(1, 1, 3, 1), 3, -1, 7),
                floats(shape(1, 1, 3, 1), 1, 2, 4)).withMask(floats(shape(1, 3), 5, 6, -INF));
        double[] capped = {2 * Math.tanh(1.5), 2 * Math.tanh(-0.5), 2 * Math.tanh(3.5)};
        double first = 1 / (1 + Math.exp(capped[1] + 6 - capped[0] - 5));
        double[][] stages = {{3, -1, 7}, capped, {capped[0] + 5, capped[1] + 6, -INF}, {first, 1 - first, 0}};
        for (int opset = 23; opset <= 25; opset++) {
            for (int mode = 0; mode < stages.length; mode++) {
                NodeOutputs outputs = run(kernel, opset,
                        Map.of("scale", 0.5, "softcap", 2.0, "qk_matmul_output_mode", (double) mode), inputs);
                for (int j = 0; j < 3; j++) {
                    assertEquals(stages[mode][j], outputs.qkMatmulOutput().getFloat(0, 0, 0, j), 2e-6);
                }
                assertEquals(2 - first, outputs.y().getFloat(0, 0, 0, 0), 1e-6);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void rawScoresAreThoseOfPaddingToo(Kernel kernel) {
        NodeInputs inputs = new NodeInputs(floats(shape(1, 1, 1, 1), 2), floats(shape(1, 1, 3, 1), 3, -1, 7),
                floats(shape(1, 1, 3, 1), 1, 2, 4)).withNonpadKvSeqlen(Tensor.ofInts(arena, 2));
        assertArrayEquals(new float[]{6, -2, 14}, run(kernel, 24, Map.of(), inputs).qkMatmulOutput().toFloats());
        assertArrayEquals(new float[]{6, -2, -INF},
                run(kernel, 24, Map.of("qk_matmul_output_mode", 2.0), inputs).qkMatmulOutput().toFloats());
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void fullyMaskedRowIsZeroInTheOutputAndInModeThree(Kernel kernel) {
        Tensor additive = floats(shape(2, 2), 0, 0, -INF, -INF);
        Tensor bool = Tensor.ofBooleans(arena, new boolean[]{true, true, false, false}, 2, 2);
        for (Tensor mask : new Tensor[]{additive, bool}) {
            for (int opset = 23; opset <= 25; opset++) {
                NodeOutputs outputs = run(kernel, opset, Map.of("qk_matmul_output_mode", 3.0),
                        telling(1, 2, 2).withMask(mask));
                assertArrayEquals(new float[]{0.5f, 0.5f, 0, 0}, outputs.y().toFloats());
                assertArrayEquals(new float[]{0.5f, 0.5f, 0, 0}, outputs.qkMatmulOutput().toFloats());
            }
        }
    }

    @ParameterizedTest
    @MethodSource("kernels")
    void outputsHaveTheTypesOfTheInputs(Kernel kernel) {
        Tensor half = Tensor.allocate(arena, ElementType.FLOAT16, 1, 1, 2, 1);
        half.setFloat(1 / 3f, 0, 0, 1, 0);
        NodeOutputs outputs = run(kernel, 24, Map.of("softmax_precision", 1.0),
                new NodeInputs(half, half, half).withPast(half, half));
        for (Tensor output : new Tensor[]{outputs.y(), outputs.presentKey(), outputs.presentValue(),
            outputs.qkMatmulOutput()}) {
            assertEquals(ElementType.FLOAT16, output.type());
        }
        assertEquals(half.getFloat(0, 0, 1, 0), outputs.presentValue().getFloat(0, 0, 3, 0));
    }

    @Test
    void refusesWhatTheOpsetDoesNotHave() {
        Kernel kernel = Kernel.REFERENCE;
        NodeInputs inputs = telling(1, 2, 3);
        NodeInputs padded = inputs.withNonpadKvSeqlen(Tensor.ofInts(arena, 2));
        Tensor threeRows = Tensor.allocate(arena, ElementType.FLOAT32, 1, 3, 2);
        assertRefused("left_window_size: no attribute of Attention in opset 24",
                () -> new NodeAttributes(24, Map.of("left_window_size", 1.0)));
        assertRefused("opset: 22, wanted 23 to 25", () -> new NodeAttributes(22, Map.of()));
        assertRefused("nonpad_kv_seqlen: no input of Attention in opset 23", () -> run(kernel, 23, Map.of(), padded));
        assertRefused("past_value: absent, wanted past_key and past_value together",
                () -> inputs.withPast(inputs.k(), null));
        assertRefused("nonpad_kv_seqlen: given with past_key, wanted one of the two",
                () -> padded.withPast(inputs.k(), inputs.v()));
        assertRefused("q_num_heads: absent, wanted with inputs of rank 3",
                () -> run(kernel, 23, Map.of("kv_num_heads", 2.0), new NodeInputs(threeRows, threeRows, threeRows)));
        assertRefused("qk_matmul_output_mode: 4, wanted 0 to 3",
                () -> run(kernel, 23, Map.of("qk_matmul_output_mode", 4.0), inputs));
        assertRefused("mask: axis 3 has 2 elements, wanted 1 or 3",
                () -> run(kernel, 23, Map.of(), inputs.withMask(Tensor.allocate(arena, ElementType.BOOL, 2, 2))));
        assertRefused("window: left -2, right -1, wanted at least -1",
                () -> run(kernel, 25, Map.of("left_window_size", -2.0), inputs));
        assertThrows(UnsupportedOperationException.class,
                () -> run(kernel, 23, Map.of("softmax_precision", 11.0), inputs));
    }

    private static void assertRefused(String message, Executable call) {
        assertEquals(message, assertThrows(IllegalArgumentException.class, call).getMessage());
    }
}
