package dev.lanewise.internal.kernel;

import dev.lanewise.internal.memory.Scratch;
import dev.lanewise.internal.memory.StackProbe;
import java.util.List;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;

/**
 * One call on several threads: the calling one, and what an executor lends. Each takes the next unit until there is none, so a thread that
 * starts late, or never, costs nothing but its share, and which thread runs a unit does not show in the result. The caller returns when
 * nobody works any more; a helper that starts after that finds the crew closed.
 */
public final class UnitCrew implements Runnable {
    /** Added to the number of helpers at work when the crew closes. */
    private static final int CLOSED = Integer.MIN_VALUE;
    /** Multiply-adds that are worth a helper: about 30 µs of work, some times what it takes to wake a thread. */
    private static final double WORTH_A_HELPER = 2e6;

    private final AttentionProblem problem;
    private final int threads;
    private final long units;
    private final Thread caller = Thread.currentThread();
    private final AtomicLong next = new AtomicLong();
    private final AtomicInteger helpers = new AtomicInteger();
    private final AtomicReference<Throwable> failure = new AtomicReference<>();

    private final ChunkParts parts;
    /** The scratch of each thread, the caller's first; or null for scratch of the pool. */
    private final List<Scratch<AttentionScratch>> own;
    /** The last of them that a helper has. */
    private final AtomicInteger taken = new AtomicInteger();

    private UnitCrew(Scratch<AttentionScratch> scratch, List<Scratch<AttentionScratch>> own, int threads) {
        this.own = own;
        problem = scratch.state.problem;
        parts = scratch.state.parts;
        this.threads = threads;
        units = scratch.state.vectorKernel(problem).units(problem, parts, this.threads);
    }

    /**
     * Computes every output of the problem of a scratch on up to so many threads.
     *
     * @param own the scratch of each thread, the caller's first; or null for scratch of the pool
     */
    public static void run(Scratch<AttentionScratch> scratch, List<Scratch<AttentionScratch>> own, Executor executor,
            int threads) {
        int useful = threads == 1 ? 1 : useful(scratch.state.problem, threads);
        if (useful == 1) {
            runAlone(scratch);
            return;
        }
        StackProbe.require();
        UnitCrew crew = new UnitCrew(scratch, own, useful);
        UnitKernel kernel = scratch.state.vectorKernel(scratch.state.problem);
        try {
            for (long helper = Math.min(crew.threads, crew.units) - 1; helper > 0; helper--) {
                executor.execute(crew);
            }
            crew.work(scratch);
        } catch (RejectedExecutionException rejected) {
            crew.fail(new RejectedExecutionException(
                    "executor: " + executor + " rejected a part of the call, wanted " + threads
                            + " threads; the outputs are partly written",
                    rejected));
        } catch (RuntimeException | Error thrown) {
            crew.fail(thrown);
        } finally {
            crew.close();
        }
        crew.throwFailure();
        kernel.begin(crew.problem, crew.parts, scratch);
        try {
            kernel.finish();
        } finally {
            kernel.end();
        }
    }

    private static void runAlone(Scratch<AttentionScratch> scratch) {
        AttentionProblem problem = scratch.state.problem;
        ChunkParts parts = scratch.state.parts;
        UnitKernel kernel = scratch.state.vectorKernel(scratch.state.problem);
        long units = kernel.units(problem, parts, 1);
        kernel.begin(problem, parts, scratch);
        try {
            for (long unit = 0; unit < units; unit++) {
                kernel.run(unit);
            }
            kernel.finish();
        } finally {
            kernel.end();
        }
    }

    private static int useful(AttentionProblem problem, int threads) {
        double work = (double) problem.batch * problem.heads * problem.queries * problem.keys
                * (problem.depth + problem.valueDepth);
        return (int) Math.min(threads, 1 + work / WORTH_A_HELPER);
    }

    @Override
    public void run() {
        StackProbe.require();
        if (Thread.currentThread() == caller) {
            if (helpers.get() >= 0) {
                help();
            }
        } else if (enter()) {
            try {
                help();
            } finally {
                leave();
            }
        }
    }

    private void help() {
        try {
            helpWithScratch();
        } catch (RuntimeException | Error thrown) {
            fail(thrown);
        }
    }

    private void helpWithScratch() {
        if (own == null) {
            Scratch<AttentionScratch> scratch = AttentionScratch.POOL.acquire();
            try {
                work(scratch);
            } finally {
                AttentionScratch.POOL.release(scratch);
            }
        } else {
            int part = taken.incrementAndGet();
            if (part < own.size()) {
                work(own.get(part));
            }
        }
    }

    private void work(Scratch<AttentionScratch> scratch) {
        UnitKernel kernel = scratch.state.vectorKernel(problem);
        kernel.begin(problem, parts, scratch);
        try {
            for (long unit = next.getAndIncrement(); unit < units; unit = next.getAndIncrement()) {
                kernel.run(unit);
            }
        } finally {
            kernel.end();
        }
    }

    /** Keeps the first failure, and leaves no unit for anybody. */
    private void fail(Throwable thrown) {
        failure.compareAndSet(null, thrown);
        next.set(units);
    }

    private boolean enter() {
        for (;;) {
            int now = helpers.get();
            if (now < 0) {
                return false;
            }
            if (helpers.compareAndSet(now, now + 1)) {
                return true;
            }
        }
    }

    private void leave() {
        if (helpers.decrementAndGet() == CLOSED) {
            LockSupport.unpark(caller);
        }
    }

    /** Lets nobody else in, and waits for those who are; an interrupt is passed on to them, and not lost. */
    private void close() {
        helpers.getAndAdd(CLOSED);
        boolean interrupted = false;
        while (helpers.get() != CLOSED) {
            LockSupport.park(this);
            if (Thread.interrupted()) {
                interrupted = true;
                problem.cancellation.interrupt();
            }
        }
        if (interrupted) {
            caller.interrupt();
        }
    }

    private void throwFailure() {
        Throwable thrown = failure.get();
        if (thrown instanceof RuntimeException exception) {
            throw exception;
        }
        if (thrown instanceof Error error) {
            throw error;
        }
    }
}
