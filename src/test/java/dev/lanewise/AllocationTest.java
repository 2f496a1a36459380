package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import java.lang.foreign.Arena;
import java.lang.management.ManagementFactory;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A warm call allocates nothing, whatever it is asked for. */
@Tag("width")
class AllocationTest {
    private static final int CALLS = 200;
    /** Batches in a row that have to be free of allocation. */
    private static final int QUIET_BATCHES = 3;
    private static final long PATIENCE_NANOS = 30_000_000_000L;
    private static final int HEADS = 1;
    /** One whole panel of 64 queries and a rest that is a multiple of no vector. */
    private static final int QUERIES = 67;
    /** One block of keys and a rest. */
    private static final int KEYS = 131;
    private static final int DEPTH = 20;

    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();
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
        calls.put("causal", () -> causal.run(plain, outputs));
        calls.put("boolean mask", () -> attention.run(masked, outputs));
        calls.put("additive mask", () -> attention.run(biased, outputs));
        calls.put("every output", () -> causal.run(masked, all));
        calls.put("strided views", () -> attention.run(strided, turned));
        calls.put("scalar kernel", () -> scalar.run(masked, all));
        return calls;
    }

    private static Tensor random(Random random, long... shape) {
        Tensor tensor = Tensor.allocate(arena, ElementType.FLOAT32, shape);
        for (long i = 0; i < tensor.elementCount(); i++) {
            tensor.segment().setAtIndex(java.lang.foreign.ValueLayout.JAVA_FLOAT, i, random.nextFloat(-1, 1));
        }
        return tensor;
    }

    /** What a batch of calls allocated on this thread. */
    private static long allocated(Runnable call) {
        long before = THREADS.getCurrentThreadAllocatedBytes();
        for (int i = 0; i < CALLS; i++) {
            call.run();
        }
        return THREADS.getCurrentThreadAllocatedBytes() - before;
    }

    /** The interpreter and C1 box every vector, so how long it takes to get there is the compilers' affair; that it gets there is ours. */
    @ParameterizedTest
    @MethodSource("cases")
    void warmCallsAllocateNothing(String name) {
        Runnable call = calls().get(name);
        long start = System.nanoTime();
        long bytes = -1;
        int quiet = 0;
        while (quiet < QUIET_BATCHES && System.nanoTime() - start < PATIENCE_NANOS) {
            bytes = allocated(call);
            quiet = bytes == 0 ? quiet + 1 : 0;
        }
        assertEquals(QUIET_BATCHES, quiet, name + ": " + bytes / CALLS + " bytes a call in the last batch");
    }

    /** The counter itself allocates nothing and sees the smallest object. */
    @org.junit.jupiter.api.Test
    void theCounterSeesOneObjectACall() {
        assertEquals(0, allocated(() -> {
        }));
        Object[] kept = new Object[1];
        long bytes = allocated(() -> kept[0] = new Object());
        assertTrue(bytes >= CALLS * 8L, () -> bytes + " bytes");
    }
}
