package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.time.Duration;
import java.util.Random;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.locks.LockSupport;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Calls that are ended early: by an interrupt, by a limit, by a deadline. */
@Tag("width")
class CancellationTest {
    /** 8.6 G multiply-adds: 50 ms at the very least on two threads of any machine there is. */
    private static final int LONG = 8192;
    private static final int DEPTH = 64;
    private static final int PATIENCE_MILLIS = 10_000;

    private static Arena arena;
    private static ExecutorService executor;
    private static AttentionInputs endless;
    private static AttentionOutputs endlessOut;
    private static AttentionInputs small;

    @BeforeAll
    static void makeOperands() {
        arena = Arena.ofShared();
        executor = Executors.newFixedThreadPool(2);
        Tensor rows = Tensor.allocate(arena, ElementType.FLOAT32, 1, 1, LONG, DEPTH);
        Tensor many = rows.broadcast(1, 1);
        endless = AttentionInputs.of(rows, many, many);
        endlessOut = AttentionOutputs.of(Tensor.allocate(arena, ElementType.FLOAT32, 1, 1, LONG, DEPTH));
        Random random = new Random(1);
        Tensor q = Layout.PLAIN.normal(arena, random, 1, 1, 2, 70, 20);
        small = AttentionInputs.of(q, q, q);
    }

    @AfterAll
    static void close() {
        executor.shutdown();
        arena.close();
    }

    @AfterEach
    void clearInterrupt() {
        Thread.interrupted();
    }

    /** Right answers before and after: nothing of the ended call is left in scratch. */
    private static float[] answer(Attention operator) {
        Tensor out = Tensor.allocate(arena, ElementType.FLOAT32, 1, 2, 70, 20);
        operator.run(small, AttentionOutputs.of(out), Execution.here().uninterruptible());
        return out.toFloats();
    }

    /** Interrupts this thread after a while that differs from time to time; returns after that. */
    private static void interruptedWithin(long nanos, Runnable call) throws InterruptedException {
        Thread victim = Thread.currentThread();
        Thread interrupter = Thread.ofPlatform().start(() -> {
            LockSupport.parkNanos(nanos);
            victim.interrupt();
        });
        try {
            call.run();
        } finally {
            Thread.interrupted();
            interrupter.join(PATIENCE_MILLIS);
            Thread.interrupted();
        }
    }

    @ParameterizedTest
    @EnumSource(Kernel.class)
    void anInterruptedThreadsCallEndsBeforeItsFirstBlock(Kernel kernel) {
        Attention operator = Attention.builder().kernel(available(kernel)).build();
        float[] expected = answer(operator);
        Thread.currentThread().interrupt();
        String message = assertThrows(CancellationException.class, () -> operator.run(endless, endlessOut))
                .getMessage();
        assertEquals("cancelled: the calling thread was interrupted; the outputs are partly written", message);
        assertTrue(Thread.currentThread().isInterrupted(), "the status stays");
        assertArrayEquals(expected, answer(operator), 0);
    }

    private static Kernel available(Kernel kernel) {
        return kernel == Kernel.VECTOR ? RuntimeInfo.current().kernel() : kernel;
    }

    /** On one thread and on three; by the time that the call is over, nobody writes any more. */
    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void anInterruptAtAnyMomentEndsTheCall(int threads) throws InterruptedException {
        Attention operator = Attention.builder().bitStable().build();
        Execution execution = Execution.here().withThreads(executor, threads);
        float[] expected = answer(operator);
        for (int round = 0; round < 20; round++) {
            interruptedWithin(round * 200_000L,
                    () -> assertThrows(CancellationException.class,
                            () -> operator.run(endless, endlessOut, execution)));
            float before = endlessOut.context.getFloat(0, 0, 0, 0);
            endlessOut.context.setFloat(7, 0, 0, 0, 0);
            assertArrayEquals(expected, answer(operator), 0);
            assertEquals(7, endlessOut.context.getFloat(0, 0, 0, 0), "was " + before);
        }
    }

    @Test
    void aCallIsDeafToInterruptsIfItIsToldTo() {
        Attention operator = Attention.builder().bitStable().build();
        float[] expected = answer(operator);
        Thread.currentThread().interrupt();
        assertArrayEquals(expected, answer(operator), 0);
        assertTrue(Thread.interrupted());
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void aLimitEndsTheCallOnAllItsThreads(int threads) {
        Attention operator = Attention.builder().bitStable().build();
        float[] expected = answer(operator);
        Execution limited = Execution.here()
                .withThreads(executor, threads)
                .uninterruptible()
                .withTimeLimit(Duration.ofMillis(5));
        for (int round = 0; round < 3; round++) {
            String message = assertThrows(CancellationException.class,
                    () -> operator.run(endless, endlessOut, limited)).getMessage();
            assertTrue(message.matches("cancelled: the deadline passed \\d+ µs ago; the outputs are partly written"),
                    message);
            assertArrayEquals(expected, answer(operator), 0);
        }
        assertFalse(Thread.currentThread().isInterrupted());
    }

    @Test
    void theEarlierOfLimitAndDeadlineHolds() {
        Attention operator = Attention.builder().bitStable().build();
        Tensor out = Tensor.allocate(arena, ElementType.FLOAT32, 1, 2, 70, 20);
        AttentionOutputs outputs = AttentionOutputs.of(out);
        Execution past = Execution.here().withDeadline(System.nanoTime() - 1);
        assertThrows(CancellationException.class, () -> operator.run(small, outputs, past));
        assertThrows(CancellationException.class,
                () -> operator.run(small, outputs, past.withTimeLimit(Duration.ofDays(1))));
        assertThrows(CancellationException.class, () -> operator.run(small, outputs,
                Execution.here().withTimeLimit(Duration.ZERO).withDeadline(System.nanoTime() + (1L << 60))));
        operator.run(small, outputs, Execution.here()
                .withTimeLimit(Duration.ofDays(100_000))
                .withDeadline(System.nanoTime() + (1L << 60)));
        assertArrayEquals(answer(operator), out.toFloats(), 0);
    }

    @Test
    void wrongLimitsAreRefused() {
        assertEquals("time limit: PT-1S, wanted at least 0", assertThrows(IllegalArgumentException.class,
                () -> Execution.here().withTimeLimit(Duration.ofSeconds(-1))).getMessage());
        assertEquals("threads: 0, wanted at least 1", assertThrows(IllegalArgumentException.class,
                () -> Execution.here().withThreads(executor, 0)).getMessage());
    }

    /** In the projections as in the attention between them; the limit is for all of it. */
    @Test
    void aLayerIsCancelledToo() {
        int features = 64;
        Random random = new Random(2);
        Tensor weight = Layout.PLAIN.normal(arena, random, 1, 1, 1, features, features).select(0, 0).select(0, 0);
        MultiHeadAttention layer = MultiHeadAttention.builder(2, 2)
                .query(weight, null)
                .key(weight, null)
                .value(weight, null)
                .output(weight, null)
                .build(arena);
        Tensor x = Layout.PLAIN.normal(arena, random, 1, 1, 1, 9, features).select(0, 0);
        Tensor out = Tensor.allocate(arena, ElementType.FLOAT32, 1, 9, features);
        layer.run(x, out);
        float[] expected = out.toFloats();
        UnaryOperator<AttentionInputs> same = UnaryOperator.identity();
        Execution past = Execution.here().withDeadline(System.nanoTime());
        assertThrows(CancellationException.class,
                () -> layer.run(x, x, same, UnaryOperator.identity(), out, past));
        Thread.currentThread().interrupt();
        assertThrows(CancellationException.class, () -> layer.run(x, out));
        layer.run(x, x, same, UnaryOperator.identity(), out, Execution.here().uninterruptible());
        assertArrayEquals(expected, out.toFloats(), 0);
    }
}
