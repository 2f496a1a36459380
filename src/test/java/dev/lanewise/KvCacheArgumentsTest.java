package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** What is refused says which argument, what it was and what was wanted, and has changed nothing. */
class KvCacheArgumentsTest {
    private static final int HEADS = 2;
    private static final int DEPTH = 4;
    private static final int VALUE_DEPTH = 3;
    private static final int TOKENS = 5;

    private final Arena arena = Arena.ofConfined();
    private final RotaryEmbedding rotary = RotaryEmbedding.of(DEPTH, RotaryEmbedding.Pairing.INTERLEAVED, 100, 20);
    private final KvCache cache = builder().rotary(rotary).allocate(arena);
    private final KvCache.Sequence sequence = cache.newSequence();

    KvCacheArgumentsTest() {
        sequence.append(0, keys(TOKENS), values(TOKENS));
        sequence.append(1, keys(TOKENS - 1), values(TOKENS - 1));
    }

    @AfterEach
    void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }

    private static KvCache.Builder builder() {
        return KvCache.builder(HEADS, DEPTH).valueDimension(VALUE_DEPTH).layers(2).pageTokens(8).capacity(32);
    }

    private Tensor floats(long... shape) {
        return Tensor.allocate(arena, ElementType.FLOAT32, shape);
    }

    private Tensor keys(long tokens) {
        return floats(HEADS, tokens, DEPTH);
    }

    private Tensor values(long tokens) {
        return floats(HEADS, tokens, VALUE_DEPTH);
    }

    private static void refused(String message, Executable call) {
        refused(IllegalArgumentException.class, message, call);
    }

    private static void refused(Class<? extends RuntimeException> type, String message, Executable call) {
        String actual = assertThrows(type, call).getMessage();
        assertTrue(actual.contains(message), () -> "\"" + actual + "\" does not contain \"" + message + "\"");
    }

    /** Also checks that the sequence and the pool are as they were. */
    private void appendRefused(String message, int layer, Tensor k, Tensor v) {
        int free = cache.freePages();
        refused(message, () -> sequence.append(layer, k, v));
        assertEquals(TOKENS, sequence.length(0));
        assertEquals(TOKENS - 1, sequence.length(1));
        assertEquals(free, cache.freePages());
    }

    @Test
    void dimensionsOfACache() {
        refused("kvHeads: 0, wanted at least 1", () -> KvCache.builder(0, DEPTH));
        refused("headDimension: -1, wanted at least 1", () -> KvCache.builder(HEADS, -1));
        refused("valueDimension: 0, wanted at least 1", () -> builder().valueDimension(0));
        refused("layers: 0, wanted at least 1", () -> builder().layers(0));
        refused("pageTokens: 0, wanted at least 1", () -> builder().pageTokens(0));
        refused("capacity: 0, wanted at least 1", () -> builder().capacity(0));
        for (ElementType type : new ElementType[]{ElementType.FLOAT64, ElementType.INT32, ElementType.BOOL}) {
            refused("storage: " + type + ", wanted FLOAT32, BFLOAT16, FLOAT16 or INT8", () -> builder().storage(type));
        }
        refused("capacity: not set", () -> KvCache.builder(HEADS, DEPTH).byteSize());
        refused("capacity: 33 tokens, wanted a whole number of pages of 8", () -> builder().capacity(33).byteSize());
        refused("capacity: 4 tokens, wanted a whole number of pages of 8", () -> builder().capacity(4).byteSize());
        refused("4294967296 tokens, wanted a whole number of pages of 1",
                () -> builder().pageTokens(1).capacity(1L << 32).byteSize());
        refused("capacity: 4294967296 tokens in one page, wanted at most 2147483647; set pageTokens",
                () -> KvCache.builder(1, 1).capacity(1L << 32).byteSize());
        refused("rotary: rotates 4 features, wanted at most headDimension, 3",
                () -> KvCache.builder(1, 3).capacity(8).rotary(rotary).allocate(arena));
    }

    @Test
    void aSizeThatNoLongCanCount() {
        refused("have more bytes than a long can count", () -> KvCache.builder(1 << 20, 1 << 20)
                .layers(1000)
                .pageTokens(1 << 20)
                .capacity(1L << 30)
                .byteSize());
        refused("have more bytes than a long can count",
                () -> KvCache.builder(1, Integer.MAX_VALUE).capacity(Integer.MAX_VALUE).layers(2).byteSize());
    }

    @Test
    void anArenaOfTheHeap() {
        Arena heap = new Arena() {
            @Override
            public MemorySegment allocate(long byteSize, long byteAlignment) {
                return MemorySegment.ofArray(new long[(int) byteSize / Long.BYTES]);
            }

            @Override
            public MemorySegment.Scope scope() {
                return arena.scope();
            }

            @Override
            public void close() {
                arena.close();
            }
        };
        refused("wanted native memory", () -> builder().allocate(heap));
    }

    @Test
    void tokensThatDoNotFit() {
        appendRefused("k: rank 4, wanted 3", 0, floats(1, HEADS, 1, DEPTH), values(1));
        appendRefused("v: rank 2, wanted 3", 0, keys(1), floats(HEADS, VALUE_DEPTH));
        appendRefused("k: axis 0 has 3 elements, wanted kvHeads, 2", 0, floats(3, 1, DEPTH), values(1));
        appendRefused("v: axis 0 has 1 elements, wanted kvHeads, 2", 0, keys(1), floats(1, 1, VALUE_DEPTH));
        appendRefused("k: axis 2 has 5 elements, wanted headDimension, 4", 0, floats(HEADS, 1, 5), values(1));
        appendRefused("v: axis 2 has 4 elements, wanted valueDimension, 3", 0, keys(1), floats(HEADS, 1, 4));
        appendRefused("v: axis 1 has 2 elements, wanted k's 1", 0, keys(1), values(2));
        for (ElementType type : new ElementType[]{ElementType.FLOAT64, ElementType.INT32, ElementType.INT8,
            ElementType.BOOL}) {
            appendRefused("k: " + type + ", wanted FLOAT32, BFLOAT16 or FLOAT16", 0,
                    Tensor.allocate(arena, type, HEADS, 1, DEPTH), values(1));
            appendRefused("v: " + type + ", wanted FLOAT32, BFLOAT16 or FLOAT16", 0, keys(1),
                    Tensor.allocate(arena, type, HEADS, 1, VALUE_DEPTH));
        }
        appendRefused("k: 16 tokens from position 5, wanted at most the rotary embedding's 20 positions", 0, keys(16),
                values(16));
        Tensor endless = keys(1).broadcast(1, Integer.MAX_VALUE);
        appendRefused("k: 2147483647 tokens after 5, wanted a sequence of less than 2^31", 0, endless,
                values(1).broadcast(1, Integer.MAX_VALUE));
    }

    @Test
    void layersThatAreNotThere() {
        for (int layer : new int[]{-1, 2}) {
            assertThrows(IndexOutOfBoundsException.class, () -> sequence.append(layer, keys(1), values(1)));
            assertThrows(IndexOutOfBoundsException.class, () -> sequence.length(layer));
            assertThrows(IndexOutOfBoundsException.class, () -> sequence.nextPosition(layer));
            assertThrows(IndexOutOfBoundsException.class,
                    () -> AttentionInputs.ofCache(floats(1, 2, 1, DEPTH), layer, sequence));
        }
    }

    @Test
    void aPoolThatIsExhausted() {
        KvCache plain = builder().allocate(arena);
        KvCache.Sequence first = plain.newSequence();
        KvCache.Sequence second = plain.newSequence();
        first.append(0, keys(17), values(17));
        refused(KvCache.ExhaustedException.class, "cache: 1 free pages too few for 9 tokens more, 8 a page",
                () -> second.append(0, keys(9), values(9)));
        assertEquals(0, second.length(0));
        assertEquals(1, plain.freePages());
        second.append(0, keys(8), values(8));
        KvCache.Sequence fork = first.fork();
        refused(KvCache.ExhaustedException.class, "cache: 1 free pages too few for 1 tokens more",
                () -> fork.append(0, keys(1), values(1)));
        second.close();
        fork.append(0, keys(1), values(1));
        assertEquals(0, plain.freePages());
    }

    /** As long as tokens stand behind the evicted ones. */
    @Test
    void anEvictionWithinOnePageMakesNoRoom() {
        KvCache contiguous = KvCache.builder(HEADS, DEPTH).valueDimension(VALUE_DEPTH).capacity(8).allocate(arena);
        KvCache.Sequence only = contiguous.newSequence();
        only.append(0, keys(6), values(6));
        only.evict(1, 4);
        assertEquals(2, only.length());
        refused(KvCache.ExhaustedException.class, "cache: 1 free pages too few for 3 tokens more, 8 a page",
                () -> only.append(0, keys(3), values(3)));
        only.append(0, keys(2), values(2));
        assertEquals(0, contiguous.freePages());
        only.evict(1, 3);
        only.append(0, keys(7), values(7));
        assertEquals(8, only.length());
    }

    @Test
    void memoryThatIsGoneLeavesTheSequenceAsItWas() {
        KvCache plain = builder().allocate(arena);
        KvCache.Sequence other = plain.newSequence();
        Tensor closed = keys(9);
        try (Arena brief = Arena.ofConfined()) {
            closed = Tensor.allocate(brief, ElementType.FLOAT32, HEADS, 9, DEPTH);
        }
        Tensor gone = closed;
        refused(IllegalStateException.class, "k: its arena is closed", () -> other.append(0, gone, values(9)));
        assertEquals(0, other.length(0));
        assertEquals(plain.pages(), plain.freePages());
    }

    @Test
    void lengthsThatAreNotThere() {
        refused("length: -1, wanted 0 to 5", () -> sequence.truncate(-1));
        refused("length: 6, wanted 0 to 5", () -> sequence.truncate(6));
        for (int[] pair : new int[][]{{-1, 1}, {1, -1}, {0, 5}, {4, 1}, {Integer.MAX_VALUE, Integer.MAX_VALUE}}) {
            refused("keepFirst and count: " + pair[0] + " and " + pair[1]
                    + ", wanted at least 0 and together at most the 4", () -> sequence.evict(pair[0], pair[1]));
        }
        sequence.evict(1, 1);
        refused("keepFirst: 2 with count 1, wanted 1, where tokens were evicted before", () -> sequence.evict(2, 1));
        assertEquals(3, sequence.length());
        assertEquals(5, sequence.nextPosition(0));
    }

    @Test
    void aClosedSequence() {
        AttentionInputs inputs = AttentionInputs.ofCache(floats(1, 2, 1, DEPTH), 0, sequence);
        sequence.close();
        sequence.close();
        assertEquals(cache.pages(), cache.freePages());
        for (Executable call : new Executable[]{() -> sequence.append(0, keys(1), values(1)), () -> sequence.length(),
            () -> sequence.length(0), () -> sequence.nextPosition(0), () -> sequence.truncate(0),
            () -> sequence.evict(0, 0), () -> sequence.fork(),
            () -> Attention.builder().build().run(inputs, AttentionOutputs.of(floats(1, 2, 1, VALUE_DEPTH)))}) {
            refused(IllegalStateException.class, ": closed, wanted an open one", call);
        }
    }

    @Test
    void aClosedArena() {
        arena.close();
        for (Executable call : new Executable[]{() -> cache.newSequence(), () -> sequence.length(),
            () -> sequence.fork(), () -> sequence.truncate(0), () -> sequence.evict(0, 1)}) {
            refused(IllegalStateException.class, "cache: its arena is closed, wanted an open one", call);
        }
        sequence.close();
        assertEquals(cache.pages(), cache.freePages());
    }

    @Test
    void anotherThread() throws Exception {
        try (var executor = Executors.newSingleThreadExecutor()) {
            executor.submit(() -> refused(WrongThreadException.class, "cache: its arena is confined to another thread",
                    () -> sequence.truncate(0))).get();
            AttentionInputs inputs = AttentionInputs.ofCache(floats(1, 2, 1, DEPTH), 0, sequence);
            Tensor context = floats(1, 2, 1, VALUE_DEPTH);
            assertThrows(WrongThreadException.class,
                    () -> Attention.builder().build().run(inputs, AttentionOutputs.of(context), executor, 2));
        }
    }

    private void runRefused(String message, AttentionInputs inputs, AttentionOutputs outputs) {
        refused(message, () -> Attention.builder().build().run(inputs, outputs));
    }

    @Test
    void callsOverACacheThatDoNotFit() {
        Tensor q = floats(1, 4, 2, DEPTH);
        AttentionInputs inputs = AttentionInputs.ofCache(q, 1, sequence);
        Tensor context = floats(1, 4, 2, VALUE_DEPTH);
        AttentionOutputs outputs = AttentionOutputs.of(context);
        Attention.builder().build().run(inputs, outputs);
        refused("sequences: none, wanted one for each batch row", () -> AttentionInputs.ofCache(q, 0));
        refused("sequences: [1] is of another cache than [0]",
                () -> AttentionInputs.ofCache(q, 0, sequence, builder().allocate(arena).newSequence()));
        runRefused("q: rank 3, wanted 4", AttentionInputs.ofCache(floats(4, 2, DEPTH), 0, sequence), outputs);
        runRefused("q: axis 0 has 2 elements, wanted the number of sequences, 1",
                AttentionInputs.ofCache(floats(2, 4, 2, DEPTH), 0, sequence), outputs);
        runRefused("q: axis 3 has 3 elements, wanted headDimension, 4",
                AttentionInputs.ofCache(floats(1, 4, 2, 3), 0, sequence), outputs);
        runRefused("q: 3 heads, wanted a multiple of the cache's 2",
                AttentionInputs.ofCache(floats(1, 3, 2, DEPTH), 0, sequence), outputs);
        runRefused("q: INT32, wanted FLOAT32, BFLOAT16 or FLOAT16",
                AttentionInputs.ofCache(Tensor.allocate(arena, ElementType.INT32, 1, 4, 2, DEPTH), 0, sequence),
                outputs);
        runRefused("context: axis 3 has 4 elements, wanted 3", inputs, AttentionOutputs.of(floats(1, 4, 2, 4)));
        runRefused("context: axis 2 has 1 elements, wanted q's 2", inputs, AttentionOutputs.of(floats(1, 4, 1, 3)));
        runRefused("mask: FLOAT32[2, 4] strides [4, 1] at byte 0, wanted none over a cache",
                inputs.withMask(floats(2, 4)), outputs);
        Tensor ends = Tensor.ofInts(arena, 0, 2);
        runRefused("queryBoundaries: ", inputs.withPackedSequences(ends, ends), outputs);
        runRefused("scores: ", inputs, outputs.withScores(floats(1, 4, 2, 4), ScoreStage.RAW));
        runRefused("weights: ", inputs, outputs.withWeights(floats(1, 4, 2, 4)));
        runRefused("keyLengths: [0] is 5, wanted 0 to 4", inputs.withKeyLengths(Tensor.ofInts(arena, 5)), outputs);
        runRefused("keyStarts: [0] is -1, wanted 0 to 4", inputs.withKeyStarts(Tensor.ofInts(arena, -1)), outputs);
        runRefused("pastLengths: given", inputs.withPastLengths(Tensor.ofInts(arena, 0)), outputs);
        runRefused("positionBias: reaches distances of up to 2, wanted -3 to 1",
                inputs.withPositionBias(floats(4, 5)), outputs);
    }

    @Test
    void aSizeIsToldBeforehandAndIsWhatIsAllocated() {
        // 3 heads of 5 tokens: keys 3·5·7·1 = 105, values 3·5·9·1 = 135, scales 3·5·4 = 60 bytes, each up to a multiple of 64.
        KvCache.Builder bytes = KvCache.builder(3, 7)
                .valueDimension(9)
                .layers(2)
                .storage(ElementType.INT8)
                .pageTokens(5)
                .capacity(20);
        assertEquals(4 * 2 * (128 + 192 + 2 * 64), bytes.byteSize());
        long[] asked = new long[1];
        Arena counting = new Arena() {
            @Override
            public MemorySegment allocate(long byteSize, long byteAlignment) {
                asked[0] += byteSize;
                return arena.allocate(byteSize, byteAlignment);
            }

            @Override
            public MemorySegment.Scope scope() {
                return arena.scope();
            }

            @Override
            public void close() {
                arena.close();
            }
        };
        assertEquals(bytes.byteSize(), bytes.allocate(counting).byteSize());
        assertEquals(bytes.byteSize(), asked[0]);
        assertEquals(2L * 32 * 8 * 128 * 4, KvCache.builder(8, 128).capacity(32).byteSize());
        KvCache contiguous = KvCache.builder(8, 128).capacity(32).allocate(arena);
        assertEquals(1, contiguous.pages());
        assertEquals(32, contiguous.pageTokens());
        assertEquals(32, contiguous.capacity());
    }
}
