package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;

/** One call on several threads, and several calls at once. */
class ParallelAttentionTest {
    /** Worth three helpers at least. */
    private static final int HEADS = 8;
    private static final int LENGTH = 200;
    private static final int DEPTH = 32;

    @Provide
    Arbitrary<AttentionCase> anyCase() {
        return AttentionCases.any();
    }

    @Property(tries = 60, edgeCases = EdgeCasesMode.NONE)
    void theNumberOfThreadsChangesNoBit(@ForAll("anyCase") AttentionCase drawn,
            @ForAll @IntRange(min = 2, max = 5) int threads) {
        try (Arena arena = Arena.ofShared(); ExecutorService executor = Executors.newFixedThreadPool(threads)) {
            Attention operator = drawn.operator(RuntimeInfo.current().kernel());
            AttentionInputs inputs = drawn.inputs(arena);
            Tensor alone = context(arena, inputs);
            Tensor together = context(arena, inputs);
            operator.run(inputs, AttentionOutputs.of(alone));
            operator.run(inputs, AttentionOutputs.of(together), executor, threads);
            assertArrayEquals(alone.toFloats(), together.toFloats(), 0);
        }
    }

    /** One query over one sequence in a cache: what there is to share are keys, in three ranges of 2,048 of which the last is cut off. */
    @Example
    void theNumberOfThreadsChangesNoBitOfOneLongSequence() {
        try (Arena arena = Arena.ofShared(); ExecutorService executor = Executors.newFixedThreadPool(4)) {
            int keys = 5000;
            int depth = 128;
            Random random = new Random(1);
            Tensor q = Layout.PLAIN.normal(arena, random, 1, 1, HEADS, 1, depth);
            KvCache cache = KvCache.builder(1, depth).pageTokens(100).capacity(keys).allocate(arena);
            KvCache.Sequence sequence = cache.newSequence();
            sequence.append(0, Layout.PLAIN.normal(arena, random, 1, 1, 1, keys, depth).select(0, 0),
                    Layout.PLAIN.normal(arena, random, 1, 1, 1, keys, depth).select(0, 0));
            AttentionInputs inputs = AttentionInputs.ofCache(q, 0, sequence);
            Attention operator = Attention.builder().bitStable().build();
            Tensor alone = Tensor.allocate(arena, ElementType.FLOAT32, 1, HEADS, 1, depth);
            operator.run(inputs, AttentionOutputs.of(alone));
            for (int threads : new int[]{1, 2, 3, 5}) {
                for (int round = 0; round < 20; round++) {
                    Tensor together = Tensor.allocate(arena, ElementType.FLOAT32, 1, HEADS, 1, depth);
                    operator.run(inputs, AttentionOutputs.of(together), executor, threads);
                    assertArrayEquals(alone.toFloats(), together.toFloats(), 0);
                }
            }
        }
    }

    private static Tensor context(Arena arena, AttentionInputs inputs) {
        return Tensor.allocate(arena, ElementType.FLOAT32, inputs.q.size(0), inputs.q.size(1), inputs.q.size(2),
                inputs.v.size(3));
    }

    private static AttentionInputs draw(Arena arena) {
        Random random = new Random(1);
        return AttentionInputs.of(Layout.PLAIN.normal(arena, random, 1, 1, HEADS, LENGTH, DEPTH),
                Layout.PLAIN.normal(arena, random, 1, 1, HEADS, LENGTH, DEPTH),
                Layout.PLAIN.normal(arena, random, 1, 1, HEADS, LENGTH, DEPTH));
    }

    private static float[] run(Arena arena, AttentionInputs inputs, Executor executor) {
        Tensor context = context(arena, inputs);
        Attention.builder().build().run(inputs, AttentionOutputs.of(context), executor, 4);
        return context.toFloats();
    }

    @Example
    void anExecutorThatNeverRunsAnythingCostsOnlySpeed() {
        try (Arena arena = Arena.ofShared()) {
            AttentionInputs inputs = draw(arena);
            List<Runnable> kept = new ArrayList<>();
            float[] expected = run(arena, inputs, Runnable::run);
            assertArrayEquals(expected, run(arena, inputs, kept::add), 0);
            Tensor context = context(arena, inputs);
            kept.forEach(Runnable::run);
            assertArrayEquals(new float[expected.length], context.toFloats(), 0);
        }
    }

    @Example
    void anExecutorThatRejectsIsNamedAndNothingIsLeftRunning() throws InterruptedException {
        try (Arena arena = Arena.ofShared(); ExecutorService executor = Executors.newFixedThreadPool(2)) {
            AttentionInputs inputs = draw(arena);
            Tensor context = context(arena, inputs);
            int[] calls = new int[1];
            Executor second = task -> {
                if (vectorRuns() && calls[0]++ > 0) {
                    throw new RejectedExecutionException("full");
                }
                executor.execute(task);
            };
            if (vectorRuns()) {
                RejectedExecutionException thrown = assertThrows(RejectedExecutionException.class,
                        () -> Attention.builder().build().run(inputs, AttentionOutputs.of(context), second, 4));
                context.segment().fill((byte) 0x5A);
                assertTrue(thrown.getMessage().startsWith("executor: "), thrown.getMessage());
                assertEquals("full", thrown.getCause().getMessage());
            }
            assertArrayEquals(run(arena, inputs, Runnable::run), run(arena, inputs, executor), 0);
            executor.shutdown();
            assertTrue(executor.awaitTermination(10, TimeUnit.SECONDS));
            if (vectorRuns()) {
                byte[] bytes = context.segment().toArray(ValueLayout.JAVA_BYTE);
                assertTrue(IntStream.range(0, bytes.length).allMatch(i -> bytes[i] == 0x5A),
                        "a helper wrote after the call");
            }
        }
    }

    private static boolean vectorRuns() {
        return RuntimeInfo.current().kernel() == Kernel.VECTOR;
    }

    @Example
    void anExecutorThatFailsIsNotHidden() {
        try (Arena arena = Arena.ofShared()) {
            IllegalStateException dead = new IllegalStateException("dead");
            if (vectorRuns()) {
                assertSame(dead, assertThrows(IllegalStateException.class, () -> run(arena, draw(arena), _ -> {
                    throw dead;
                })));
            }
        }
    }

    @Example
    void anInterruptThatTheCallIsDeafToIsKeptForTheCaller() {
        try (Arena arena = Arena.ofShared(); ExecutorService executor = Executors.newFixedThreadPool(2)) {
            AttentionInputs inputs = draw(arena);
            float[] expected = run(arena, inputs, Runnable::run);
            Thread.currentThread().interrupt();
            Tensor context = context(arena, inputs);
            Attention.builder()
                    .bitStable()
                    .build()
                    .run(inputs, AttentionOutputs.of(context),
                            Execution.here().withThreads(executor, 4).uninterruptible());
            assertTrue(Thread.interrupted());
            assertArrayEquals(expected, context.toFloats(), 0);
        }
    }

    @Example
    void memoryThatIsConfinedToOneThreadIsRefused() {
        try (Arena arena = Arena.ofConfined()) {
            assertEquals("q: its arena is confined to one thread, wanted a shared one",
                    assertThrows(WrongThreadException.class, () -> run(arena, draw(arena), Runnable::run))
                            .getMessage());
        }
    }

    @Example
    void oneOperatorServesManyThreadsAtOnce() throws Exception {
        try (Arena arena = Arena.ofShared(); ExecutorService virtual = Executors.newVirtualThreadPerTaskExecutor()) {
            AttentionInputs inputs = draw(arena);
            Attention operator = Attention.builder().causal(PositionOffset.topLeft()).build();
            Callable<float[]> call = () -> {
                Tensor context = context(arena, inputs);
                operator.run(inputs, AttentionOutputs.of(context));
                return context.toFloats();
            };
            float[] expected = call.call();
            List<Future<float[]>> results = new ArrayList<>();
            for (int i = 0; i < 100; i++) {
                results.add(virtual.submit(call));
            }
            for (Future<float[]> result : results) {
                assertArrayEquals(expected, result.get(), 0);
            }
        }
    }
}
