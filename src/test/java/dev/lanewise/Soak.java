package dev.lanewise;

import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.random.RandomGenerator;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * Mixed calls of random shapes from 8 platform threads and 1,000 virtual ones for as long as is wished, arenas closed under running calls
 * among them. One call in eight is held to float64; heap and what arenas hold have to stay where they were.
 */
@Command(name = "Soak", mixinStandardHelpOptions = true)
final class Soak implements Runnable {
    private static final int PLATFORM_THREADS = 8;
    private static final int VIRTUAL_THREADS = 1000;
    /** Virtual threads at work at once: each holds operands. */
    private static final int PERMITS = 32;
    private static final long GROWTH_KIBIBYTES = 32 << 10;
    private static final long ROUND_MILLIS = 10_000;
    /** A cold kernel runs a thousandth of the calls. */
    private static final int WARM_SECONDS = 10;

    @Option(names = "--seconds", description = "for how long (${DEFAULT-VALUE})")
    private long seconds = 1800;
    @Option(names = "--seed", description = "of the run; the time if not given")
    private long seed = System.nanoTime();

    private final AtomicLong calls = new AtomicLong();
    private final AtomicLong checked = new AtomicLong();
    private final AtomicLong closedUnderACall = new AtomicLong();
    private final AtomicReference<Throwable> failure = new AtomicReference<>();
    private final Semaphore permits = new Semaphore(PERMITS);
    private final ExecutorService helpers = Executors.newFixedThreadPool(2, Thread.ofPlatform().daemon().factory());
    private volatile boolean stopped;

    public static void main(String[] args) {
        System.exit(new CommandLine(new Soak()).execute(args));
    }

    @Override
    public void run() {
        System.out.printf("seed %d, %s%n", seed, RuntimeInfo.current().kernelName());
        HotKernels.run(WARM_SECONDS);
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < PLATFORM_THREADS + VIRTUAL_THREADS; i++) {
            SplittableRandom random = new SplittableRandom(seed + i);
            boolean virtual = i >= PLATFORM_THREADS;
            threads.add(
                    (virtual ? Thread.ofVirtual() : Thread.ofPlatform().daemon()).start(() -> loop(random, virtual)));
        }
        try {
            watch();
            for (Thread thread : threads) {
                thread.join();
            }
        } catch (InterruptedException interrupted) {
            failure.compareAndSet(null, interrupted);
        }
        helpers.shutdownNow();
        System.out.printf("%d calls, %d held to float64, %d ended by a closing arena%n", calls.get(), checked.get(),
                closedUnderACall.get());
        if (failure.get() != null) {
            throw new AssertionError("seed " + seed, failure.get());
        }
    }

    /** Prints heap and arenas; the first fifth of the run is the measure of the rest. */
    private void watch() throws InterruptedException {
        long end = System.nanoTime() + seconds * 1_000_000_000L;
        long steady = System.nanoTime() + seconds * 200_000_000L;
        long most = 0;
        while (System.nanoTime() < end && failure.get() == null) {
            Thread.sleep(Math.min(ROUND_MILLIS, seconds * 1000 / 10));
            long heap = ProcessMemory.heapMebibytes() * 1024;
            long arenas = ProcessMemory.arenaKibibytes();
            System.out.printf("%9d calls, heap %3d MiB, arenas %6d KiB%n", calls.get(), heap / 1024, arenas);
            if (System.nanoTime() < steady) {
                most = Math.max(most, heap + arenas);
            } else if (most > 0 && heap + arenas > most + GROWTH_KIBIBYTES) {
                failure.compareAndSet(null,
                        new AssertionError("memory grew from " + most + " to " + (heap + arenas) + " KiB"));
            }
        }
        stopped = true;
    }

    private void loop(RandomGenerator random, boolean virtual) {
        try {
            while (!stopped && failure.get() == null) {
                if (virtual) {
                    permits.acquire();
                }
                try {
                    one(random);
                    calls.incrementAndGet();
                } finally {
                    if (virtual) {
                        permits.release();
                    }
                }
            }
        } catch (InterruptedException | RuntimeException | Error thrown) {
            failure.compareAndSet(null, thrown);
        }
    }

    /** The kinds of call; a cache that grows and is freed, and a call that is cancelled, belong in this list. */
    private void one(RandomGenerator random) {
        switch (random.nextInt(8)) {
            case 0 -> {
                FuzzAttention.valid(random, true);
                checked.incrementAndGet();
            }
            case 1 -> FuzzAttention.invalid(random);
            case 2 -> closing(random);
            case 3 -> shared(random);
            case 4 -> FuzzOperations.multiply(random, true);
            case 5 -> FuzzOperations.softmax(random, true);
            default -> unchecked(random);
        }
    }

    /** Of any shape; the answer is not looked at. */
    private static void unchecked(RandomGenerator random) {
        AttentionCase drawn = new FuzzDraw(random, true).attention();
        try (Arena arena = Arena.ofConfined()) {
            drawn.run(arena, RuntimeInfo.current().kernel());
        }
    }

    /** On the threads of an executor, and held to the same call on one thread, bit by bit. */
    private void shared(RandomGenerator random) {
        AttentionCase drawn = new FuzzDraw(random, true).attention();
        Attention operator = drawn.operator(RuntimeInfo.current().kernel());
        Arena arena = Arena.ofAuto();
        AttentionInputs inputs = drawn.inputs(arena);
        long[] shape = {inputs.q.size(0), inputs.q.size(1), inputs.q.size(2), inputs.v.size(3)};
        Tensor together = Tensor.allocate(arena, ElementType.FLOAT32, shape);
        Tensor alone = Tensor.allocate(arena, ElementType.FLOAT32, shape);
        operator.run(inputs, AttentionOutputs.of(together), helpers, 3);
        operator.run(inputs, AttentionOutputs.of(alone));
        AgainstReference.compare("context on three threads", together, alone, 0, 0);
    }

    /** The arena is closed at some moment by another thread: a whole answer, or {@link IllegalStateException}. */
    private void closing(RandomGenerator random) {
        Arena arena = Arena.ofShared();
        try {
            Tensor rows = Layout.PLAIN.normal(arena, random, 1, 1, 2, 64, 16);
            Tensor context = Tensor.allocate(arena, ElementType.FLOAT32, 1, 2, 64, 16);
            Thread closer = Thread.ofVirtual().start(() -> close(arena));
            Attention attention = Attention.builder().build();
            try {
                for (int i = 0; i < 100; i++) {
                    attention.run(rows, rows, rows, context);
                }
            } catch (IllegalStateException closed) {
                closedUnderACall.incrementAndGet();
            }
            closer.join();
        } catch (InterruptedException interrupted) {
            throw new IllegalStateException(interrupted);
        } finally {
            close(arena);
        }
    }

    /** A call in progress may refuse for a moment; then again. */
    private static void close(Arena arena) {
        while (arena.scope().isAlive()) {
            try {
                arena.close();
            } catch (IllegalStateException inUse) {
                Thread.yield();
            }
        }
    }
}
