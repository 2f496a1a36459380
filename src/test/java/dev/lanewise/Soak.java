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
 * Mixed calls of random shapes from 8 platform threads and 1,000 virtual ones for as long as is wished: tensors and caches, calls that are cancelled,
 * arenas closed under running calls, sequences that grow, fork, lose tokens and are freed. Answers are held to float64 by sampling. Memory is looked at
 * while no call runs, and may not grow; in the end every page of the caches is free.
 */
@Command(name = "Soak", mixinStandardHelpOptions = true)
final class Soak implements Runnable {
    private static final int PLATFORM_THREADS = 8;
    private static final int VIRTUAL_THREADS = 1000;
    /** Virtual threads at work at once: each holds operands. */
    private static final int VIRTUAL_PERMITS = 32;
    private static final int HELPERS = 2;
    /** At most: a sample waits for the virtual threads that wait for their turn. */
    private static final int SAMPLES = 60;
    /** The part of a run in which the JVM still compiles and allocates for itself. */
    private static final double UNMEASURED = 0.3;
    /** A cold kernel runs a thousandth of the calls. */
    private static final int WARM_SECONDS = 10;

    @Option(names = "--seconds", description = "for how long (${DEFAULT-VALUE})")
    private long seconds = 1800;
    @Option(names = "--seed", description = "of the run; the time if not given")
    private long seed = System.nanoTime();

    private final AtomicLong calls = new AtomicLong();
    private final AtomicReference<Throwable> failure = new AtomicReference<>();
    private final Semaphore platformPermits = new Semaphore(PLATFORM_THREADS, true);
    private final Semaphore virtualPermits = new Semaphore(VIRTUAL_PERMITS, true);
    private final Growth growth = new Growth();
    private volatile boolean stopped;

    public static void main(String[] args) {
        System.exit(new CommandLine(new Soak()).execute(args));
    }

    @Override
    public void run() {
        System.out.printf("seed %d, %s%n", seed, RuntimeInfo.current().kernelName());
        HotKernels.run(WARM_SECONDS);
        try (ExecutorService helpers = Executors.newFixedThreadPool(HELPERS, Thread.ofPlatform().daemon().factory());
                Arena arena = Arena.ofShared()) {
            SoakCalls tensors = new SoakCalls(arena, helpers);
            SoakCaches caches = new SoakCaches(arena, helpers);
            List<Thread> threads = new ArrayList<>();
            for (int i = 0; i < PLATFORM_THREADS + VIRTUAL_THREADS; i++) {
                SplittableRandom random = new SplittableRandom(seed + i);
                Semaphore permits = i < PLATFORM_THREADS ? platformPermits : virtualPermits;
                Thread.Builder builder = i < PLATFORM_THREADS ? Thread.ofPlatform() : Thread.ofVirtual();
                threads.add(builder.start(() -> loop(permits, random, tensors, caches)));
            }
            watch();
            for (Thread thread : threads) {
                thread.join();
            }
            rethrow();
            caches.end();
            System.out.printf("%d calls: %s; %s%n", calls.get(), tensors, caches);
        } catch (InterruptedException interrupted) {
            throw new AssertionError(interrupted);
        }
        growth.check();
    }

    private void rethrow() {
        if (failure.get() != null) {
            throw new AssertionError("seed " + seed, failure.get());
        }
    }

    private void watch() throws InterruptedException {
        long start = System.nanoTime();
        double elapsed = 0;
        while (elapsed < seconds && failure.get() == null) {
            Thread.sleep(seconds * 1000 / SAMPLES);
            ProcessMemory memory = quiet();
            elapsed = (System.nanoTime() - start) / 1e9;
            if (elapsed > UNMEASURED * seconds) {
                growth.add(memory);
            }
            System.out.printf("%4.0f s, %8d calls, KiB: heap %6d, arenas %6d, outside the heap %6d, resident %7d%n",
                    elapsed, calls.get(), memory.heap(), memory.arenas(), memory.outsideHeap(), memory.resident());
        }
        stopped = true;
    }

    /** While no call runs, so that the operands of calls do not count. */
    private ProcessMemory quiet() throws InterruptedException {
        platformPermits.acquire(PLATFORM_THREADS);
        virtualPermits.acquire(VIRTUAL_PERMITS);
        try {
            long inUse = Counters.snapshot().scratchInUse();
            if (inUse != 0) {
                failure.compareAndSet(null, new AssertionError(inUse + " bytes of scratch in use by nobody"));
            }
            return ProcessMemory.now();
        } finally {
            virtualPermits.release(VIRTUAL_PERMITS);
            platformPermits.release(PLATFORM_THREADS);
        }
    }

    private void loop(Semaphore permits, RandomGenerator random, SoakCalls tensors, SoakCaches caches) {
        try {
            while (!stopped && failure.get() == null) {
                permits.acquire();
                try {
                    if (random.nextInt(3) == 0) {
                        caches.one(random);
                    } else {
                        tensors.one(random);
                    }
                    calls.incrementAndGet();
                } finally {
                    permits.release();
                }
            }
        } catch (InterruptedException | RuntimeException | Error thrown) {
            failure.compareAndSet(null, thrown);
        }
    }
}
