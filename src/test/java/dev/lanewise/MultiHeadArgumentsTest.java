package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.concurrent.CompletableFuture;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** A layer or a call that is refused says what was wrong with which argument, and has written nothing. */
class MultiHeadArgumentsTest {
    private static final int HEADS = 4;
    private static final int KV_HEADS = 2;

    private final Arena arena = Arena.ofConfined();

    @AfterEach
    void close() {
        arena.close();
    }

    private Tensor floats(long... shape) {
        return Tensor.allocate(arena, ElementType.FLOAT32, shape);
    }

    /** D is 3, Dv 5; rows of x have 7 features, of the source 6, of the result 8. */
    private MultiHeadAttention.Builder layer() {
        return MultiHeadAttention.builder(HEADS, KV_HEADS)
                .query(floats(7, 12), floats(12))
                .key(floats(6, 6), null)
                .value(floats(6, 10), floats(10))
                .output(floats(20, 8), floats(8));
    }

    private static void assertRefused(String message, Executable call) {
        assertEquals(message, assertThrows(IllegalArgumentException.class, call).getMessage());
    }

    /** Also that the arena owns nothing more: a layer that is refused has packed nothing. */
    private void assertNoLayer(String message, MultiHeadAttention.Builder builder) {
        Arena untouched = new Arena() {
            @Override
            public MemorySegment allocate(long bytes, long alignment) {
                throw new AssertionError("allocated " + bytes + " bytes");
            }

            @Override
            public MemorySegment.Scope scope() {
                return arena.scope();
            }

            @Override
            public void close() {
                throw new UnsupportedOperationException();
            }
        };
        assertRefused(message, () -> builder.build(untouched));
    }

    @Test
    void headsAreAMultipleOfTheKeyValueHeads() {
        assertRefused("heads: 3 with kvHeads 2, wanted a multiple of it, at least 1",
                () -> MultiHeadAttention.builder(3, 2));
        assertRefused("heads: 0 with kvHeads 1, wanted a multiple of it, at least 1",
                () -> MultiHeadAttention.builder(0, 1));
        assertRefused("heads: 1 with kvHeads 0, wanted a multiple of it, at least 1",
                () -> MultiHeadAttention.builder(1, 0));
    }

    @Test
    void projectionsFitEachOther() {
        assertNoLayer("query: 13 columns, wanted a multiple of 4 heads", layer().query(floats(7, 13), null));
        assertNoLayer("query: 0 columns, wanted a multiple of 4 heads", layer().query(floats(7, 0), null));
        assertNoLayer("key: 7 columns, wanted a multiple of 2 heads", layer().key(floats(6, 7), null));
        assertNoLayer("value: 9 columns, wanted a multiple of 2 heads", layer().value(floats(6, 9), null));
        assertNoLayer("key: head dimension 4, wanted query's 3", layer().key(floats(6, 8), null));
        assertNoLayer("value: rows 9, wanted key's 6", layer().value(floats(9, 10), null));
        assertNoLayer("output: rows 19, wanted heads times the head dimension of value, 20",
                layer().output(floats(19, 8), null));
    }

    @Test
    void weightsAreMatricesAndBiasesVectorsOfFloats() {
        assertNoLayer("query: rank 3, wanted 2", layer().query(floats(1, 7, 12), null));
        assertNoLayer("value: BOOL, wanted FLOAT32, BFLOAT16 or FLOAT16",
                layer().value(Tensor.allocate(arena, ElementType.BOOL, 6, 10), null));
        assertNoLayer("key bias: axis 0 has 5 elements, wanted 6", layer().key(floats(6, 6), floats(5)));
        assertNoLayer("output bias: rank 2, wanted 1", layer().output(floats(20, 8), floats(1, 8)));
        assertNoLayer("query bias: INT32, wanted FLOAT32, BFLOAT16 or FLOAT16",
                layer().query(floats(7, 12), Tensor.ofInts(arena, new int[12])));
    }

    @Test
    void fusedWeightHasColumnsForAllHeads() {
        assertRefused("weight: 9 columns, wanted a multiple of 8 heads",
                () -> layer().queryKeyValue(floats(7, 9), null));
        assertRefused("weight: rank 1, wanted 2", () -> layer().queryKeyValue(floats(16), null));
        assertRefused("bias: axis 0 has 15 elements, wanted weight's 16",
                () -> layer().queryKeyValue(floats(7, 16), floats(15)));
    }

    @Test
    void noProjectionIsMissing() {
        MultiHeadAttention.Builder builder = MultiHeadAttention.builder(1, 1)
                .query(floats(2, 2), null)
                .key(floats(2, 2), null)
                .value(floats(2, 2), null);
        assertEquals("output", assertThrows(NullPointerException.class, () -> builder.build(arena)).getMessage());
        assertEquals("weight",
                assertThrows(NullPointerException.class, () -> builder.output(null, null)).getMessage());
    }

    /** Also that nothing is written: the result keeps its pattern. */
    private void assertNoCall(String message, Tensor x, Tensor source, UnaryOperator<AttentionInputs> inputs,
            Tensor out) {
        float[] pattern = new float[(int) out.elementCount()];
        Arrays.fill(pattern, Float.intBitsToFloat(0x5A5A5A5A));
        out.segment().fill((byte) 0x5A);
        MultiHeadAttention layer = layer().build(arena);
        assertRefused(message, () -> layer.run(x, source, inputs, UnaryOperator.identity(), out));
        assertArrayEquals(pattern, out.toFloats());
    }

    private void assertNoCall(String message, Tensor x, Tensor source, Tensor out) {
        assertNoCall(message, x, source, UnaryOperator.identity(), out);
    }

    @Test
    void rowsFitTheProjectionsAndEachOther() {
        Tensor x = floats(2, 4, 7);
        Tensor source = floats(2, 9, 6);
        Tensor out = floats(2, 4, 8);
        assertNoCall("x: axis 2 has 6 elements, wanted 7", floats(2, 4, 6), source, out);
        assertNoCall("source: axis 2 has 7 elements, wanted 6", x, floats(2, 9, 7), out);
        assertNoCall("out: axis 2 has 7 elements, wanted 8", x, source, floats(2, 4, 7));
        assertNoCall("out: axis 1 has 5 elements, wanted x's 4", x, source, floats(2, 5, 8));
        assertNoCall("out: axis 0 has 3 elements, wanted x's 2", x, source, floats(3, 4, 8));
        assertNoCall("source: axis 0 has 1 elements, wanted x's 2", x, floats(1, 9, 6), out);
        assertNoCall("x: rank 4, wanted 2 (L, E) or 3 (B, L, E)", floats(1, 2, 4, 7), source, out);
        assertNoCall("source: rank 1, wanted 2 (L, E) or 3 (B, L, E)", x, floats(6), out);
        assertNoCall("x: BOOL, wanted FLOAT32, BFLOAT16 or FLOAT16", Tensor.allocate(arena, ElementType.BOOL, 2, 4, 7),
                source, out);
        assertNoCall("mask: axis 3 has 8 elements, wanted 1 or 9", x, source,
                in -> in.withMask(Tensor.allocate(arena, ElementType.BOOL, 1, 1, 4, 8)), out);
    }

    @Test
    void resultHasMemoryOfItsOwn() {
        Tensor memory = floats(2, 4, 8);
        Tensor part = memory.slice(2, 0, 7);
        Tensor source = floats(2, 9, 6);
        assertNoCall("out: " + memory + " overlaps x: " + part + ", wanted memory of its own", part, source, memory);
        Tensor sourcePart = memory.slice(2, 0, 6);
        assertNoCall("out: " + memory + " overlaps source: " + sourcePart + ", wanted memory of its own",
                floats(2, 4, 7), sourcePart, memory);
        Tensor repeated = floats(2, 1, 8).broadcast(1, 4);
        assertNoCall("out: " + repeated + " shows an element twice, wanted an output without overlap",
                floats(2, 4, 7), source, repeated);
    }

    @Test
    void closedArenasAreRefused() {
        Tensor x = floats(2, 4, 7);
        Tensor out = floats(2, 4, 8);
        MultiHeadAttention closed;
        Tensor source;
        try (Arena brief = Arena.ofConfined()) {
            closed = layer().build(brief);
            source = Tensor.allocate(brief, ElementType.FLOAT32, 2, 9, 6);
        }
        assertEquals("source: its arena is closed, wanted an open one",
                assertThrows(IllegalStateException.class, () -> layer().build(arena)
                        .run(x, source,
                                UnaryOperator.identity(), UnaryOperator.identity(), out))
                        .getMessage());
        Tensor open = floats(2, 9, 6);
        assertClosed("layer", () -> closed.run(x, open, in -> in, to -> to, out));
        assertClosed("layer", () -> WarmUp.of(closed, x, open, in -> in, to -> to, out));
    }

    @Test
    void closedWeightsAreNamed() {
        Tensor weight;
        Tensor bias;
        try (Arena brief = Arena.ofConfined()) {
            weight = Tensor.allocate(brief, ElementType.FLOAT32, 6, 10);
            bias = Tensor.allocate(brief, ElementType.FLOAT32, 10);
        }
        assertClosed("value", () -> layer().value(weight, null).build(arena));
        assertClosed("value bias", () -> layer().value(floats(6, 10), bias).build(arena));
    }

    private static void assertClosed(String name, Executable call) {
        assertEquals(name + ": its arena is closed, wanted an open one",
                assertThrows(IllegalStateException.class, call).getMessage());
    }

    /** The arena of the packed weights is confined to the thread that made the layer. */
    @Test
    void aLayerOfAnotherThreadIsRefused() {
        try (Arena shared = Arena.ofShared()) {
            Tensor x = Tensor.allocate(shared, ElementType.FLOAT32, 4, 6);
            Tensor out = Tensor.allocate(shared, ElementType.FLOAT32, 4, 8);
            MultiHeadAttention layer = layer().query(floats(6, 12), null).build(arena);
            String message = CompletableFuture
                    .supplyAsync(() -> assertThrows(WrongThreadException.class, () -> layer.run(x, out)).getMessage())
                    .join();
            assertTrue(message.startsWith("layer: its arena is confined to another thread"), message);
        }
    }

    @Test
    void operandsAreAddedToAndNotReplaced() {
        MultiHeadAttention layer = layer().build(arena);
        Tensor x = floats(4, 7);
        Tensor source = floats(9, 6);
        Tensor out = floats(4, 8);
        AttentionInputs others = AttentionInputs.of(floats(1, 4, 4, 3), floats(1, 2, 9, 3), floats(1, 2, 9, 5));
        AttentionOutputs another = AttentionOutputs.of(floats(1, 4, 4, 5));
        assertRefused("inputs: other operands than the layer's, wanted them with additions",
                () -> layer.run(x, source, _ -> others, o -> o, out));
        assertRefused("outputs: another context than the layer's, wanted it with additions",
                () -> layer.run(x, source, in -> in, _ -> another, out));
        assertRefused("outputs: another context than the layer's, wanted it with additions",
                () -> WarmUp.of(layer, x, source, in -> in, _ -> another, out));
    }

    @Test
    void theRotaryEmbeddingFitsTheHeadsAndTheRows() {
        RotaryEmbedding embedding = RotaryEmbedding.of(2, RotaryEmbedding.Pairing.INTERLEAVED, 100, 4);
        MultiHeadAttention layer = layer().rotary(embedding).build(arena);
        assertRefused("source: 5 rows, wanted at most the rotary embedding's 4 positions",
                () -> layer.run(floats(4, 7), floats(5, 6), in -> in, o -> o, floats(4, 8)));
        assertRefused("x: 5 rows, wanted at most the rotary embedding's 4 positions",
                () -> layer.run(floats(5, 7), floats(4, 6), in -> in, o -> o, floats(5, 8)));
        layer.run(floats(4, 7), floats(4, 6), in -> in, o -> o, floats(4, 8));
        assertNoLayer("rotary: rotates 4 features, wanted at most the head dimension, 3",
                layer().rotary(RotaryEmbedding.of(4, RotaryEmbedding.Pairing.INTERLEAVED, 100, 4)));
    }

    @Test
    void furtherOperandsShareNoMemoryWithTheRowsOfTheCall() {
        MultiHeadAttention layer = MultiHeadAttention.builder(1, 1)
                .queryKeyValue(floats(4, 12), null)
                .output(floats(4, 4), null)
                .build(arena);
        Tensor x = floats(3, 4);
        Tensor out = floats(3, 4);
        Tensor weights = Tensor.of(out.segment(), ElementType.FLOAT32, 1, 1, 3, 3);
        assertRefused("out: " + out + " overlaps weights: " + weights + ", wanted memory of its own",
                () -> layer.run(x, x, in -> in, o -> o.withWeights(weights), out));
        Tensor mask = Tensor.of(out.segment(), ElementType.BOOL, 3, 3);
        assertRefused("out: " + out + " overlaps mask: " + mask + ", wanted memory of its own",
                () -> layer.run(x, x, in -> in.withMask(mask), o -> o, out));
        Tensor boundaries = Tensor.of(out.segment(), ElementType.INT32, 2);
        boundaries.setFloat(3, 1);
        assertRefused("out: " + out + " overlaps queryBoundaries: " + boundaries + ", wanted memory of its own",
                () -> layer.run(x, x, in -> in.withPackedSequences(boundaries, boundaries), o -> o, out));
        Tensor scores = Tensor.of(x.segment(), ElementType.FLOAT32, 1, 1, 3, 3);
        assertRefused("scores: " + scores + " overlaps x: " + x + ", wanted memory of its own",
                () -> layer.run(x, x, in -> in, o -> o.withScores(scores, ScoreStage.RAW), out));
    }
}
