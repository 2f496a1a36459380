package dev.lanewise;

import dev.lanewise.internal.kernel.AttentionProblem;
import dev.lanewise.internal.kernel.AttentionScratch;
import dev.lanewise.internal.memory.Scratch;
import dev.lanewise.internal.observe.Events;
import dev.lanewise.internal.plan.VectorPaths;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.locks.LockSupport;

/**
 * Gets the vector kernel compiled for a kind of call before the first one comes: in the interpreter it is a thousand times slower. Whether it is
 * compiled is measured, never assumed: the times of the real entry point have to stop falling, and to be those of compiled vector code.
 *
 * <p>A call of this kind stands for those to come, with tensors of their shapes, types, strides and kind of memory, and the same options
 * and outputs. One batch row and head of it (with few queries: all heads of one key/value head) are copied when the warm-up is made; after that nothing of the caller's is used, and
 * outputs are never written. Numbers do not matter, but lengths, boundaries and masks decide what is seen, so give typical ones. Other batch
 * sizes, numbers of heads and of keys are warm with it. Another number of queries is where the last panel is as wide (see {@link
 * RuntimeInfo#lanes()}): a service with several lengths warms up several; the second takes far less than the first.
 *
 * <p>Immutable; may be run more than once, and by several threads.
 */
public final class WarmUp {
    private final Attention attention;
    private final AttentionInputs inputs;
    private final AttentionOutputs outputs;
    /** What will be compiled. */
    private final long paths;
    private final String nothingToDo;

    private WarmUp(Attention attention, AttentionInputs in, AttentionOutputs out) {
        Scratch<AttentionScratch> scratch = AttentionScratch.POOL.acquire();
        AttentionProblem problem = scratch.state.problem;
        try {
            AttentionBinding.bind(attention, in, out, problem);
            nothingToDo = attention.kernel() != Kernel.VECTOR
                    ? "the kernel is " + attention.kernel()
                    : VectorPaths.operations(problem) == 0 ? "the call sees no key" : null;
            boolean any = nothingToDo == null;
            int heads = VectorPaths.heads(problem);
            this.attention = any ? attention.forHeads(heads) : null;
            inputs = any ? RehearsalOperands.copy(in, heads) : null;
            outputs = any ? RehearsalOperands.copy(out, heads) : null;
            paths = any ? VectorPaths.of(problem) : 0;
        } finally {
            problem.clear();
            AttentionScratch.POOL.release(scratch);
        }
    }

    /**
     * A warm-up for a kind of call.
     *
     * @param attention the operator
     * @param inputs operands as they will come
     * @param outputs outputs as they will be asked for; nothing is written to them
     * @return the warm-up
     * @throws IllegalArgumentException if {@link Attention#run(AttentionInputs, AttentionOutputs)} would
     * @throws IllegalStateException if an arena is closed
     * @throws WrongThreadException if a tensor belongs to another thread
     */
    public static WarmUp of(Attention attention, AttentionInputs inputs, AttentionOutputs outputs) {
        return new WarmUp(Objects.requireNonNull(attention, "attention"), Objects.requireNonNull(inputs, "inputs"),
                Objects.requireNonNull(outputs, "outputs"));
    }

    /**
     * Runs on this thread until the kernel is compiled. An interrupt ends it early and is not cleared.
     *
     * @param limit when to stop trying; what runs then, some milliseconds, is ended first. 5 s is enough on two busy processors
     * @return what was reached
     * @throws IllegalArgumentException if the limit is not positive
     */
    public Report run(Duration limit) {
        if (!limit.isPositive()) {
            throw new IllegalArgumentException("limit: " + limit + ", wanted more than 0");
        }
        if (nothingToDo != null) {
            return new Report(true, nothingToDo, Duration.ZERO, 0, Duration.ZERO, Duration.ZERO);
        }
        Object event = Events.beginWarmUp();
        long start = System.nanoTime();
        Rehearsal rehearsal = new Rehearsal(attention, inputs, outputs, paths);
        for (;;) {
            boolean settled = rehearsal.advance();
            Duration took = Duration.ofNanos(System.nanoTime() - start);
            boolean interrupted = Thread.currentThread().isInterrupted();
            if (settled || interrupted || took.compareTo(limit) >= 0) {
                Report report = rehearsal.report(took,
                        interrupted ? "interrupted" : "the limit of " + limit + " passed");
                Events.writeWarmUp(event, "q " + inputs.q, limit.toNanos(), report.runs(), report.settled(),
                        report.first().toNanos(), report.steady().toNanos());
                return report;
            }
            LockSupport.parkNanos(this, rehearsal.pause());
        }
    }

    /**
     * Runs on a thread that an executor lends.
     *
     * @param executor lends the thread
     * @param limit as for {@link #run(Duration)}
     * @return what was reached, once it has been; cancelling it does not stop the warm-up, the limit does
     * @throws IllegalArgumentException if the limit is not positive
     * @throws java.util.concurrent.RejectedExecutionException if the executor rejects it
     */
    public CompletableFuture<Report> runOn(Executor executor, Duration limit) {
        Objects.requireNonNull(executor, "executor");
        if (!limit.isPositive()) {
            throw new IllegalArgumentException("limit: " + limit + ", wanted more than 0");
        }
        return CompletableFuture.supplyAsync(() -> run(limit), executor);
    }

    /**
     * What a warm-up reached.
     *
     * @param settled whether the kernel is compiled at the top tier: its times have stopped falling, and are those of compiled vector code.
     *        Calls of this kind run on it from now on
     * @param reason why not, in a sentence; empty if settled
     * @param took from the start to the end
     * @param runs how many runs that took, of parts of the call at first
     * @param first the time of the first run, of a small part of one head
     * @param steady the median of the last runs of one batch row and head of the call; 0 if it did not get that far
     */
    public record Report(boolean settled, String reason, Duration took, long runs, Duration first, Duration steady) {
    }
}
