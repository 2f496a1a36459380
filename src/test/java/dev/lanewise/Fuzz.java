package dev.lanewise;

import dev.lanewise.examples.NpyFuzz;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.random.RandomGenerator;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * Random calls of the public API and of the .npy reader: each valid one is checked against float64, each invalid one has to end in a
 * documented exception with the outputs untouched. A case is made from the run's seed and its own number, so that it can be run alone.
 */
@Command(name = "Fuzz", mixinStandardHelpOptions = true)
final class Fuzz implements Runnable {
    private static final long HANG_MILLIS = 60_000;
    /** What heap and native memory may differ by between the first tenth of a run and its end. */
    private static final long GROWTH_MEBIBYTES = 64;
    private static final long GOLDEN_GAMMA = 0x9E3779B97F4A7C15L;

    @Option(names = "--cases", description = "how many, at most")
    private long cases = Long.MAX_VALUE;
    @Option(names = "--seconds", description = "for how long, at most (${DEFAULT-VALUE})")
    private long seconds = 60;
    @Option(names = "--seed", description = "of the run; the time if not given")
    private long seed = System.nanoTime();
    @Option(names = "--first", description = "the number of the first case (${DEFAULT-VALUE})")
    private long first;
    @Option(names = "--threads", description = "how many (${DEFAULT-VALUE})")
    private int threads = 1;
    @Option(names = "--large", description = "lengths of up to 150 in one call of four")
    private boolean large;

    @Option(names = "--warm", description = "seconds to get the kernels compiled before the first case (${DEFAULT-VALUE})")
    private int warm;

    @Option(names = "--rounds", description = "rounds of the same, for where a second is too short for any (${DEFAULT-VALUE})")
    private int rounds;

    private final AtomicLong next = new AtomicLong();
    private final AtomicLong done = new AtomicLong();
    private final AtomicReference<Throwable> failure = new AtomicReference<>();

    public static void main(String[] args) {
        System.exit(new CommandLine(new Fuzz()).execute(args));
    }

    @Override
    public void run() {
        System.out.printf("seed %d, %s%n", seed, RuntimeInfo.current().kernelName());
        next.set(first);
        if (warm > 0) {
            HotKernels.run(warm);
        }
        if (rounds > 0) {
            HotKernels.runRounds(rounds);
        }
        long start = System.nanoTime();
        Thread[] workers = new Thread[threads];
        for (int i = 0; i < threads; i++) {
            workers[i] = Thread.ofPlatform().daemon().start(() -> work(start));
        }
        watch(workers, start);
        double elapsed = (System.nanoTime() - start) / 1e9;
        if (failure.get() != null) {
            throw new AssertionError("seed " + seed, failure.get());
        }
        System.out.printf("%d cases in %.0f s (%.0f a second), no fault%n", done.get(), elapsed, done.get() / elapsed);
    }

    private void work(long start) {
        long number = next.getAndIncrement();
        try {
            while (number - first < cases && failure.get() == null
                    && System.nanoTime() - start < seconds * 1_000_000_000L) {
                one(new SplittableRandom(seed + GOLDEN_GAMMA * number));
                done.incrementAndGet();
                number = next.getAndIncrement();
            }
        } catch (RuntimeException | Error thrown) {
            failure.compareAndSet(null, new AssertionError(
                    "case " + number + ", alone: --seed " + seed + " --first " + number + " --cases 1"
                            + (large ? " --large" : ""),
                    thrown));
        }
    }

    private void one(RandomGenerator random) {
        switch (random.nextInt(20)) {
            case 0, 1, 2, 3, 4 -> FuzzAttention.valid(random, large);
            case 5, 6 -> FuzzAttention.invalid(random);
            case 7, 8 -> FuzzAttention.wild(random);
            case 9, 10 -> FuzzMatrices.multiply(random, large);
            case 11 -> FuzzMatrices.softmax(random, large);
            case 12 -> FuzzOperations.rotary(random);
            case 13 -> FuzzOperations.views(random);
            case 14 -> FuzzCache.changes(random);
            case 15, 16 -> FuzzCache.attention(random, large);
            case 17 -> FuzzCache.invalid(random);
            case 18 -> FuzzMatrices.invalid(random);
            default -> NpyFuzz.run(random);
        }
    }

    /** Waits for the workers; tells progress, and finds a hang or a leak. */
    private void watch(Thread[] workers, long start) {
        long before = 0;
        long beforeAt = System.nanoTime();
        long memory = -1;
        long told = start;
        try {
            for (Thread worker : workers) {
                while (!worker.join(java.time.Duration.ofSeconds(1))) {
                    long now = System.nanoTime();
                    if (done.get() != before) {
                        before = done.get();
                        beforeAt = now;
                    } else if (now - beforeAt > HANG_MILLIS * 1_000_000) {
                        AssertionError hang = new AssertionError("no case ended for " + HANG_MILLIS + " ms");
                        hang.setStackTrace(worker.getStackTrace());
                        failure.compareAndSet(null, hang);
                        return;
                    }
                    double share = Math.max((double) (now - start) / (seconds * 1e9), (double) before / cases);
                    if (memory < 0 && share > 0.1) {
                        memory = ProcessMemory.now().heapAndArenas() / 1024;
                    }
                    if (now - told > 60_000_000_000L) {
                        told = now;
                        System.out.printf("%d cases, %d MiB%n", before, ProcessMemory.now().heapAndArenas() / 1024);
                    }
                }
            }
        } catch (InterruptedException interrupted) {
            failure.compareAndSet(null, interrupted);
        }
        long end = ProcessMemory.now().heapAndArenas() / 1024;
        if (memory >= 0) {
            System.out.printf(
                    "heap and native memory after a collection: %d MiB at a tenth of the run, %d MiB at its end%n",
                    memory, end);
            if (end - memory > GROWTH_MEBIBYTES) {
                failure.compareAndSet(null, new AssertionError("memory grew from " + memory + " to " + end + " MiB"));
            }
        }
    }
}
