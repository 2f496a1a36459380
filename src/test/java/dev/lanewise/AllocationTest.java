package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A warm call allocates nothing, whatever it is asked for. */
@Tag("width")
@Order(Integer.MAX_VALUE)
class AllocationTest {
    private static final int HEADS = 1;
    /** A whole panel of at most 48 queries and a rest that is a multiple of no vector. */
    private static final int QUERIES = 67;
    /** One block of 512 keys and a rest. */
    private static final int KEYS = 643;
    private static final int DEPTH = 20;
    private static final int FEATURES = 48;

    private static Arena arena;

    @BeforeAll
    static void openArena() {
        arena = Arena.ofConfined();
    }

    @AfterAll
    static void closeArena() {
        arena.close();
    }

    static Stream<String> cases() {
        return calls().keySet().stream();
    }

    private static Map<String, Runnable> calls() {
        Random random = new Random(1);
        Tensor q = random(random, 1, HEADS, QUERIES, DEPTH);
        Tensor k = random(random, 1, HEADS, KEYS, DEPTH);
        Tensor v = random(random, 1, HEADS, KEYS, DEPTH);
        Tensor context = Tensor.allocate(arena, ElementType.FLOAT32, 1, HEADS, QUERIES, DEPTH);
        AttentionInputs plain = AttentionInputs.of(q, k, v);
        AttentionOutputs outputs = AttentionOutputs.of(context);
        AttentionOutputs all = outputs
                .withScores(Tensor.allocate(arena, ElementType.FLOAT32, 1, HEADS, QUERIES, KEYS), ScoreStage.BIASED)
                .withWeights(Tensor.allocate(arena, ElementType.FLOAT32, 1, HEADS, QUERIES, KEYS))
                .withLogSumExp(Tensor.allocate(arena, ElementType.FLOAT32, 1, HEADS, QUERIES, 1));
        AttentionInputs biased = plain.withMask(random(random, QUERIES, KEYS));
        boolean[] visible = new boolean[QUERIES * KEYS];
        for (int i = 0; i < visible.length; i++) {
            visible[i] = random.nextBoolean();
        }
        AttentionInputs masked = plain.withMask(Tensor.ofBooleans(arena, visible, QUERIES, KEYS));
        Tensor packed = random(random, 1, QUERIES, 3L * HEADS * DEPTH).split(2, 3).split(3, HEADS);
        AttentionInputs strided = AttentionInputs.of(packed.select(2, 0).transpose(1, 2),
                packed.select(2, 1).transpose(1, 2), packed.select(2, 2).transpose(1, 2));
        AttentionOutputs turned = AttentionOutputs.of(
                Tensor.allocate(arena, ElementType.FLOAT32, 1, HEADS, DEPTH, QUERIES).transpose(2, 3));
        Attention attention = Attention.builder().build();
        Attention causal = Attention.builder().causal(PositionOffset.bottomRight()).build();
        Attention scalar = Attention.builder().kernel(Kernel.SCALAR).build();
        Map<String, Runnable> calls = new LinkedHashMap<>();
        calls.put("plain", () -> attention.run(plain, outputs));
        for (ElementType type : new ElementType[]{ElementType.FLOAT32, ElementType.BFLOAT16, ElementType.FLOAT16}) {
            for (int rows : new int[]{1, 3, 6}) {
                AttentionInputs few = AttentionInputs.of(random(random, 1, HEADS, rows, 64),
                        Tensor.allocate(arena, type, 1, HEADS, 300, 64),
                        Tensor.allocate(arena, type, 1, HEADS, 300, 64));
                AttentionOutputs fewOutputs = AttentionOutputs
                        .of(Tensor.allocate(arena, ElementType.FLOAT32, 1, HEADS, rows, 64));
                calls.put(rows + " queries, " + type, () -> attention.run(few, fewOutputs));
            }
        }
        Tensor eight = random(random, 1, HEADS, 8, 64);
        AttentionOutputs eightRows = AttentionOutputs.of(Tensor.allocate(arena, ElementType.FLOAT32, 1, HEADS, 8, 64));
        AttentionInputs eightKeys = AttentionInputs.of(eight, eight, eight);
        calls.put("few rows and keys", () -> causal.run(eightKeys, eightRows));
        calls.put("few rows and keys, no option", () -> attention.run(eightKeys, eightRows));
        calls.put("causal", () -> causal.run(plain, outputs));
        calls.put("boolean mask", () -> attention.run(masked, outputs));
        calls.put("additive mask", () -> attention.run(biased, outputs));
        calls.put("every output", () -> causal.run(masked, all));
        calls.put("strided views", () -> attention.run(strided, turned));
        calls.put("scalar kernel", () -> scalar.run(masked, all));
        calls.put("four tensors", () -> attention.run(q, k, v, context));
        Execution own = Execution.here()
                .withTimeLimit(Duration.ofMinutes(1))
                .withWorkspace(Workspace.allocate(arena, causal.workspaceBytes(masked, all, 1), 1));
        calls.put("an executor for no more than this thread", () -> attention.run(plain, outputs, Runnable::run, 1));
        calls.put("workspace and time limit", () -> causal.run(masked, all, own));
        calls.put("every option",
                everyOption(plain.withMask(masked.mask).withPositionBias(random(random, HEADS, 2 * KEYS + 1)), all));
        putOthers(random, calls);
        return calls;
    }

    private static Runnable everyOption(AttentionInputs inputs, AttentionOutputs outputs) {
        Attention operator = Attention.builder()
                .scale(0.3)
                .softcap(20)
                .alibiSlopes(0.5f)
                .sinks(1f)
                .window(40, 9)
                .causal(PositionOffset.pastLengths())
                .build();
        AttentionInputs lengths = inputs.withPastLengths(Tensor.ofInts(arena, 60))
                .withKeyLengths(Tensor.ofInts(arena, KEYS - 2))
                .withKeyStarts(Tensor.ofInts(arena, 3))
                .withKeyRange(1, KEYS);
        return () -> operator.run(lengths, outputs);
    }

    /** Everything else that a service may call for every request. */
    private static void putOthers(Random random, Map<String, Runnable> calls) {
        Tensor x = random(random, 2, QUERIES, FEATURES);
        Tensor single = random(random, 5, FEATURES);
        Tensor y = Tensor.allocate(arena, ElementType.FLOAT32, 2, QUERIES, FEATURES);
        Tensor singleY = Tensor.allocate(arena, ElementType.FLOAT32, 5, FEATURES);
        Tensor weight = random(random, FEATURES, FEATURES);
        Tensor bias = random(random, FEATURES);
        PackedMatrix packed = PackedMatrix.of(arena, weight);
        calls.put("multiply", () -> MatMul.multiply(single, weight, bias, singleY));
        calls.put("packed multiply", () -> MatMul.multiply(single, packed, bias, singleY));
        Tensor columns = random(random, FEATURES, 5).transpose(0, 1);
        Tensor narrow = Tensor.allocate(arena, ElementType.BFLOAT16, FEATURES, FEATURES).transpose(0, 1);
        calls.put("multiply, strided views", () -> MatMul.multiply(columns, narrow, singleY));
        calls.put("softmax", () -> Softmax.rows(single, singleY));
        calls.put("softmax, strided, in place", () -> Softmax.rows(columns, columns));
        Execution hasDeadline = Execution.here().withDeadline(System.nanoTime() + Duration.ofHours(1).toNanos());
        calls.put("multiply, deadline", () -> MatMul.multiply(single, weight, bias, singleY, hasDeadline));
        calls.put("softmax, deadline", () -> Softmax.rows(single, singleY, hasDeadline));
        RotaryEmbedding rotary = RotaryEmbedding.of(8, RotaryEmbedding.Pairing.HALF_SPLIT, 10000, QUERIES);
        calls.put("rotary", () -> rotary.apply(x, 0, y));
        PartialAttention part = new PartialAttention(x, random(random, 2, QUERIES, 1));
        PartialAttention out = new PartialAttention(y,
                Tensor.allocate(arena, ElementType.FLOAT32, 2, QUERIES, 1));
        calls.put("merge", () -> part.merge(part, out));
        MultiHeadAttention layer = MultiHeadAttention.builder(4, 2)
                .query(weight, bias)
                .key(random(random, FEATURES, FEATURES / 2), null)
                .value(random(random, FEATURES, FEATURES / 2), null)
                .output(weight, bias)
                .rotary(rotary)
                .build(arena);
        Tensor turned = random(random, QUERIES, 2, FEATURES).transpose(0, 1);
        Execution limited = Execution.here().withTimeLimit(Duration.ofMinutes(1));
        calls.put("layer, cross-attention and time limit",
                () -> layer.run(x, turned, UnaryOperator.identity(), UnaryOperator.identity(), y, limited));
        Tensor mask = random(random, QUERIES, QUERIES);
        Tensor lengths = Tensor.ofInts(arena, QUERIES - 1, QUERIES);
        Tensor weights = Tensor.allocate(arena, ElementType.FLOAT32, 2, 4, QUERIES, QUERIES);
        UnaryOperator<AttentionInputs> masked = in -> in.withMask(mask).withKeyLengths(lengths);
        UnaryOperator<AttentionOutputs> weighed = o -> o.withWeights(weights);
        calls.put("layer, mask, lengths and weights", () -> layer.run(x, x, masked, weighed, y));
        calls.put("layer, of two lengths in turn", () -> {
            layer.run(x, y);
            layer.run(single, singleY);
            layer.run(turned, y);
        });
    }

    private static Tensor random(Random random, long... shape) {
        Tensor tensor = Tensor.allocate(arena, ElementType.FLOAT32, shape);
        for (long i = 0; i < tensor.elementCount(); i++) {
            tensor.segment().setAtIndex(java.lang.foreign.ValueLayout.JAVA_FLOAT, i, random.nextFloat(-1, 1));
        }
        return tensor;
    }

    @ParameterizedTest
    @MethodSource("cases")
    void warmCallsAllocateNothing(String name) {
        WarmCalls.assertAllocateNothing(name, calls().get(name));
    }

    /**
     * A call that shares its work makes one crew, a few small objects whatever the call's size; what the executor's queue makes of it is the
     * executor's.
     */
    @org.junit.jupiter.api.Test
    void aSharedCallAllocatesItsCrew() {
        try (Arena shared = Arena.ofShared(); ExecutorService executor = Executors.newFixedThreadPool(1)) {
            Tensor[] t = new Tensor[4];
            java.util.Arrays.setAll(t, i -> Tensor.allocate(shared, ElementType.FLOAT32, 1, 4, 256, 64));
            AttentionInputs inputs = AttentionInputs.of(t[0], t[1], t[2]);
            AttentionOutputs outputs = AttentionOutputs.of(t[3]);
            Attention attention = Attention.builder().build();
            WarmCalls.assertAllocateAtMost(256, "two threads", () -> attention.run(inputs, outputs, executor, 2));
        }
    }

    /** The counter itself allocates nothing and sees the smallest object. */
    @org.junit.jupiter.api.Test
    void theCounterSeesOneObjectACall() {
        assertEquals(0, WarmCalls.allocated(() -> {
        }));
        Object[] kept = new Object[1];
        long bytes = WarmCalls.allocated(() -> kept[0] = new Object());
        assertTrue(bytes >= WarmCalls.CALLS * 8L, () -> bytes + " bytes");
        String seen = WarmCalls.allocations(() -> kept[0] = new StringBuilder());
        assertTrue(seen.contains("StringBuilder") && seen.contains("AllocationTest::"), seen);
    }
}
