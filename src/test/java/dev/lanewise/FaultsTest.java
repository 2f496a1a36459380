package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lanewise.internal.memory.Scratch;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Function;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What can go wrong around a call: it ends in the exception that is documented, and the next call is right. */
class FaultsTest {
    private static final int HEADS = 4;
    private static final int LENGTH = 256;
    private static final int DEPTH = 32;
    /** Of calls whose arena is closed. */
    private static final int ROUNDS = 100;
    private static final Attention OPERATOR = Attention.builder().bitStable().causal(PositionOffset.topLeft()).build();

    private static Arena arena;
    private static ExecutorService executor;
    private static AttentionInputs inputs;
    private static float[] expected;

    @BeforeAll
    static void answerOnce() {
        arena = Arena.ofShared();
        executor = Executors.newFixedThreadPool(3);
        inputs = draw(arena);
        expected = answer(Execution.here());
    }

    @AfterAll
    static void close() {
        executor.shutdownNow();
        executor.close();
        arena.close();
    }

    /**
     * Whatever a test did, calls on one thread and on several are right afterwards, and no scratch is in use: what a stack overflow kept from
     * being given back, the garbage collector gives back.
     */
    @AfterEach
    void theNextCallsAreRight() throws InterruptedException {
        assertArrayEquals(expected, answer(Execution.here()), 0);
        assertArrayEquals(expected, answer(Execution.here().withThreads(executor, 4)), 0);
        for (int i = 0; i < 1000 && Counters.snapshot().scratchInUse() > 0; i++) {
            if (i % 100 == 50) {
                System.gc();
            }
            Thread.sleep(1);
        }
        assertEquals(0, Counters.snapshot().scratchInUse());
    }

    private static AttentionInputs draw(Arena owner) {
        Random random = new Random(1);
        return AttentionInputs.of(Layout.PLAIN.normal(owner, random, 1, 1, HEADS, LENGTH, DEPTH),
                Layout.PLAIN.normal(owner, random, 1, 1, HEADS, LENGTH, DEPTH),
                Layout.PLAIN.normal(owner, random, 1, 1, HEADS, LENGTH, DEPTH));
    }

    private static AttentionOutputs out(Arena owner) {
        return AttentionOutputs.of(Tensor.allocate(owner, ElementType.FLOAT32, 1, HEADS, LENGTH, DEPTH));
    }

    private static float[] answer(Execution execution) {
        try (Arena own = Arena.ofShared()) {
            AttentionOutputs out = out(own);
            OPERATOR.run(inputs, out, execution);
            return out.context.toFloats();
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void anArenaThatIsClosedInTheMiddleOfACallEndsIt(int threads) throws Exception {
        Execution execution = Execution.here().withThreads(executor, threads);
        assertClosingEndsCalls("q", doomed -> {
            AttentionInputs operands = draw(doomed);
            AttentionOutputs out = out(doomed);
            return () -> OPERATOR.run(operands, out, execution);
        });
    }

    /** Only the cache's: of calls with few queries, whose keys are shared among the threads, and with many, which copy a block of keys at a time. */
    @ParameterizedTest
    @CsvSource({"1, 4", "3, 4", "1, 256", "3, 256"})
    void theArenaOfACacheThatIsClosedInTheMiddleOfACallEndsIt(int threads, int queries) throws Exception {
        Execution execution = Execution.here().withThreads(executor, threads);
        Attention operator = Attention.builder().bitStable().build();
        int keys = queries == 4 ? 5000 : 2000;
        Random random = new Random(1);
        Tensor q = Layout.PLAIN.normal(arena, random, 1, 1, HEADS, queries, DEPTH);
        Tensor tokens = Layout.PLAIN.normal(arena, random, 1, 1, HEADS, keys, DEPTH).select(0, 0);
        AttentionOutputs out = AttentionOutputs
                .of(Tensor.allocate(arena, ElementType.FLOAT32, 1, HEADS, queries, DEPTH));
        assertClosingEndsCalls("cache", doomed -> {
            KvCache cache = KvCache.builder(HEADS, DEPTH).pageTokens(64).capacity(5056).allocate(doomed);
            KvCache.Sequence sequence = cache.newSequence();
            sequence.append(0, tokens, tokens);
            AttentionInputs operands = AttentionInputs.ofCache(q, 0, sequence);
            return () -> operator.run(operands, out, execution);
        });
    }

    /** Calls over operands in an arena of their own, each until it is closed, while another caller goes on and is answered right. */
    private static void assertClosingEndsCalls(String first, Function<Arena, Runnable> calls) throws Exception {
        AtomicBoolean done = new AtomicBoolean();
        int ended = 0;
        try (ExecutorService others = Executors.newFixedThreadPool(1)) {
            var bystander = others.submit(() -> {
                while (!done.get()) {
                    assertArrayEquals(expected, answer(Execution.here()), 0);
                }
            });
            try {
                for (int round = 0; round < ROUNDS; round++) {
                    ended += closedDuring(first, calls, round) ? 1 : 0;
                }
            } finally {
                done.set(true);
            }
            bystander.get();
        }
        assertTrue(ended > ROUNDS / 2, ended + " of " + ROUNDS + " calls were ended");
    }

    /** Calls until the arena is closed under the call; false if it was between two calls, which the checks find. */
    private static boolean closedDuring(String first, Function<Arena, Runnable> calls, int round)
            throws InterruptedException {
        Arena doomed = Arena.ofShared();
        Runnable call = calls.apply(doomed);
        Thread closer = Thread.ofPlatform().start(() -> {
            LockSupport.parkNanos(50_000L + round % 20 * 20_000L);
            while (doomed.scope().isAlive()) {
                try {
                    doomed.close();
                } catch (IllegalStateException inUse) {
                    Thread.onSpinWait();
                }
            }
        });
        IllegalStateException thrown = assertThrows(IllegalStateException.class, () -> {
            for (;;) {
                call.run();
            }
        });
        // Along with the exception HotSpot may set the interrupt status of the thread that it is thrown on.
        Thread.interrupted();
        closer.join();
        return !thrown.getMessage().startsWith(first + ": its arena is closed");
    }

    @Test
    void aConfinedSegmentFromTheWrongThreadIsRefused() {
        try (Arena confined = Arena.ofConfined()) {
            AttentionInputs own = draw(confined);
            Throwable thrown = CompletableFuture.supplyAsync(() -> assertThrows(WrongThreadException.class,
                    () -> OPERATOR.run(own, out(arena)))).join();
            assertTrue(thrown.getMessage().startsWith("q: its arena is confined to another thread"),
                    thrown::getMessage);
        }
    }

    /** The queue is full for a while: the call waits, works and is right. */
    @Test
    void anExecutorThatBlocksDelaysTheCallAndNothingElse() {
        assertArrayEquals(expected, answer(Execution.here().withThreads(helper -> {
            LockSupport.parkNanos(1_000_000);
            executor.execute(helper);
        }, 4)), 0);
    }

    /** It takes the work and never does it, or is shut down with it in the queue. */
    @Test
    void anExecutorThatDiesCostsOnlySpeed() throws InterruptedException {
        ExecutorService dying = Executors.newFixedThreadPool(1);
        CountDownLatch busy = new CountDownLatch(1);
        dying.execute(() -> {
            busy.countDown();
            LockSupport.park();
        });
        busy.await();
        assertArrayEquals(expected, answer(Execution.here().withThreads(helper -> {
            dying.execute(helper);
            dying.shutdownNow();
        }, 2)), 0);
    }

    /** An executor that stops by interrupting its threads does not stop a call that is not its own. */
    @Test
    void interruptsOfTheHelpersDoNotEndTheCall() {
        assertArrayEquals(expected, answer(Execution.here().withThreads(helper -> executor.execute(() -> {
            Thread.currentThread().interrupt();
            helper.run();
            Thread.interrupted();
        }), 4)), 0);
    }

    /** A helper that runs twice, as no executor should make it, takes nobody's scratch. */
    @Test
    void anExecutorThatRunsEverythingTwiceChangesNothing() {
        Workspace workspace = Workspace.allocate(arena, OPERATOR.workspaceBytes(inputs, out(arena), 3), 3);
        assertArrayEquals(expected, answer(Execution.here().withWorkspace(workspace).withThreads(helper -> {
            executor.execute(helper);
            executor.execute(helper);
        }, 3)), 0);
    }

    /** From deep recursion, at every depth of the last pages, on one thread and with helpers that run on the same stack. */
    @ParameterizedTest
    @ValueSource(ints = {1, 4})
    void aStackOverflowNearbyHarmsNoLaterCall(int threads) throws Exception {
        Execution execution = Execution.here().withThreads(Runnable::run, threads);
        AttentionOutputs out = out(arena);
        Random random = new Random(threads);
        int[] counts = new int[2];
        Thread deep = new Thread(null, () -> {
            for (int round = 0; round < 300; round++) {
                StackEnd.call(random.nextInt(1000), () -> OPERATOR.run(inputs, out, execution), counts);
                OPERATOR.run(inputs, out, execution);
                assertArrayEquals(expected, out.context.toFloats(), 0);
            }
        }, "deep", 1 << 20);
        Throwable[] failure = new Throwable[1];
        deep.setUncaughtExceptionHandler((_, thrown) -> failure[0] = thrown);
        deep.start();
        deep.join();
        assertEquals(null, failure[0]);
        assertTrue(counts[0] > 0, "no call met the end of the stack");
        assertTrue(counts[1] > 0, "every call did");
    }

    /** Whichever change of a sequence meets the end of the stack: it is made as a whole or not at all, and no page is lost. */
    @ParameterizedTest
    @ValueSource(strings = {"append", "fork", "truncate", "evict", "close"})
    void aStackOverflowNearbyLosesNoPage(String change) throws InterruptedException {
        new CacheAtStackEnd(arena, change).run();
    }

    /**
     * All steps of a fork or a close interpreted, or all compiled, the first needs the most stack, and an overflow is there or nowhere. Here a
     * step that comes after pages have been counted needs the most, for it alone is left to the interpreter.
     */
    @ParameterizedTest
    @CsvSource({"fork, dev.lanewise.KvCache$Sequence::<init>",
        "close, java.util.concurrent.atomic.AtomicIntegerArray::set"})
    void aStackOverflowInALaterStepLosesNoPage(String change, String interpreted)
            throws IOException, InterruptedException {
        List<String> options = List.of("-Xbatch", "-XX:CompileCommand=quiet",
                "-XX:CompileCommand=exclude," + interpreted);
        FreshJvm.Result result = FreshJvm.onClassPath(options, CacheAtStackEnd.class, change);
        assertEquals(0, result.exit(), result::toString);
    }

    /** Helpers on stacks of their own that are nearly full. */
    @Test
    void helpersWithoutStackCostOnlySpeedOrEndTheCall() throws InterruptedException {
        for (int round = 0; round < 30; round++) {
            List<Thread> started = new ArrayList<>();
            int back = 20 * round;
            try {
                float[] actual = answer(Execution.here().withThreads(helper -> {
                    Thread thread = new Thread(null, () -> StackEnd.call(back, helper, new int[2]), "helper", 1 << 18);
                    started.add(thread);
                    thread.start();
                }, 3));
                assertArrayEquals(expected, actual, 0);
            } catch (StackOverflowError documented) {
                assertTrue(started.size() > 0);
            }
            for (Thread thread : started) {
                thread.join();
            }
        }
    }

    /** A JVM with little native memory. */
    static final class OutOfMemory {
        private OutOfMemory() {
        }

        public static void main(String[] args) {
            Attention operator = Attention.builder().bitStable().build();
            Tensor wide = Tensor.allocate(Arena.global(), ElementType.FLOAT32, 4, 40_001);
            Tensor small = Tensor.allocate(Arena.global(), ElementType.FLOAT32, 4, 64);
            Tensor out = Tensor.allocate(Arena.global(), ElementType.FLOAT32, 4, 64);
            operator.run(small, small, small, out);
            for (int i = 0; i < 3; i++) {
                try {
                    operator.run(wide, wide, small, out);
                    System.out.println("answered");
                } catch (OutOfMemoryError documented) {
                    System.out.println(documented.getMessage());
                }
                operator.run(small, small, small, out);
            }
            Workspace workspace = Workspace.allocate(Arena.global(), 1 << 16, 1);
            System.out.println("alive " + workspace.bytes() + " " + out.getFloat(0, 0));
        }
    }

    @Test
    void outOfNativeMemoryEndsTheCallAndNotTheLibrary() throws IOException, InterruptedException {
        if (RuntimeInfo.current().kernel() == Kernel.VECTOR) {
            List<String> options = new ArrayList<>(FreshJvm.VECTOR);
            options.add("-XX:MaxDirectMemorySize=4m");
            FreshJvm.Result result = FreshJvm.onClassPath(options, OutOfMemory.class);
            assertEquals(0, result.exit(), result::toString);
            List<String> lines = result.out().lines().toList();
            assertEquals(4, lines.size(), result::toString);
            assertTrue(lines.get(0).matches("scratch: no native memory for \\d+ bytes: .*"), result::toString);
            assertEquals(lines.get(0).substring(0, 40), lines.get(2).substring(0, 40));
            assertEquals("alive 65536 0.0", lines.get(3));
        }
    }

    /** A JVM whose heap is filled. */
    static final class OutOfHeap {
        private OutOfHeap() {
        }

        public static void main(String[] args) throws InterruptedException {
            Attention operator = Attention.builder().bitStable().build();
            Tensor wide = Tensor.allocate(Arena.global(), ElementType.FLOAT32, 4, 40_001);
            Tensor out = Tensor.allocate(Arena.global(), ElementType.FLOAT32, 4, 40_001);
            operator.run(wide, wide, wide, out);
            System.gc();
            System.out.println("kept " + (Counters.snapshot().scratchFree() > 1 << 20));
            long held = direct().getMemoryUsed();
            Object[] filling = null;
            try {
                for (;;) {
                    filling = new Object[]{filling, new byte[1 << 16]};
                }
            } catch (OutOfMemoryError full) {
                filling = null;
            }
            System.out.println("free " + Counters.snapshot().scratchFree());
            for (int i = 0; i < 1000 && direct().getMemoryUsed() > held - (1 << 20); i++) {
                Thread.sleep(1);
            }
            System.out.println("returned " + (direct().getMemoryUsed() <= held - (1 << 20)));
            operator.run(wide, wide, wide, out);
            System.out.println("alive " + out.getFloat(3, 40_000));
        }

        /** The native memory of all segments. */
        static BufferPoolMXBean direct() {
            return ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class)
                    .stream()
                    .filter(pool -> pool.getName().equals("direct"))
                    .findFirst()
                    .orElseThrow();
        }
    }

    /** A garbage collection alone takes no scratch from the pool; one without which the heap would be full does. */
    @Test
    void freeScratchGoesBeforeTheHeapIsFull() throws IOException, InterruptedException {
        if (RuntimeInfo.current().kernel() == Kernel.VECTOR) {
            List<String> options = new ArrayList<>(FreshJvm.VECTOR);
            options.add("-Xmx24m");
            FreshJvm.Result result = FreshJvm.onClassPath(options, OutOfHeap.class);
            assertEquals(0, result.exit(), result::toString);
            assertEquals(List.of("kept true", "free 0", "returned true", "alive 0.0"), result.out().lines().toList(),
                    result::toString);
        }
    }

    /** 1,000 virtual threads at once hold no more scratch than the processors that run them can use. */
    @Test
    void aThousandVirtualThreadsAtOnceNeedNoMoreScratchThanTheProcessors() throws Exception {
        Workspace.trimPool();
        Semaphore start = new Semaphore(0);
        try (ExecutorService virtual = Executors.newVirtualThreadPerTaskExecutor()) {
            List<java.util.concurrent.Future<float[]>> answers = new ArrayList<>();
            for (int i = 0; i < 1000; i++) {
                answers.add(virtual.submit(() -> {
                    start.acquire();
                    return answer(Execution.here());
                }));
            }
            start.release(1000);
            for (var answer : answers) {
                assertArrayEquals(expected, answer.get(), 0);
            }
        }
        Counters counters = Counters.snapshot();
        long oneCall = 1 << 20;
        long slots = Math.max(8, Integer.highestOneBit(4 * Runtime.getRuntime().availableProcessors() - 1));
        assertTrue(counters.scratchFree() > 0 || RuntimeInfo.current().kernel() != Kernel.VECTOR);
        assertTrue(counters.scratchFree() <= slots * oneCall, counters::toString);
        Workspace.trimPool();
        assertEquals(0, Counters.snapshot().scratchFree());
    }

    /** Also of a layer, whose scratch is the largest: it does not wait for the garbage collector. */
    @Test
    void aLayerThatFindsNoFreeScratchReturnsItsOwn() {
        BufferPoolMXBean direct = OutOfHeap.direct();
        Tensor weight = Tensor.allocate(arena, ElementType.FLOAT32, 16, 16);
        MultiHeadAttention layer = MultiHeadAttention.builder(2, 2)
                .queryKeyValue(Tensor.allocate(arena, ElementType.FLOAT32, 16, 48), null)
                .output(weight, null)
                .build(arena);
        int rows = 1 << 10;
        Tensor x = Tensor.allocate(arena, ElementType.FLOAT32, rows, 16);
        Tensor out = Tensor.allocate(arena, ElementType.FLOAT32, rows, 16);
        layer.run(x, out);
        List<Scratch<MultiHeadRoom>> slots = new ArrayList<>();
        try {
            for (int i = 0; i < 4 * Runtime.getRuntime().availableProcessors() + 8; i++) {
                slots.add(MultiHeadRoom.POOL.acquire());
            }
            long before = direct.getMemoryUsed();
            for (int i = 0; i < 3; i++) {
                layer.run(x, out);
            }
            long one = 4L * rows * 16 * Float.BYTES;
            long more = direct.getMemoryUsed() - before;
            assertTrue(more < one, () -> more + " bytes more after three calls of " + one);
        } finally {
            slots.forEach(MultiHeadRoom.POOL::release);
        }
    }
}
