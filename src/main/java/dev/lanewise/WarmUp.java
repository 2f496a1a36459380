package dev.lanewise;

import dev.lanewise.internal.kernel.AttentionProblem;
import dev.lanewise.internal.kernel.AttentionScratch;
import dev.lanewise.internal.memory.Scratch;
import dev.lanewise.internal.observe.Events;
import dev.lanewise.internal.plan.VectorPaths;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.locks.LockSupport;
import java.util.function.LongConsumer;
import java.util.function.UnaryOperator;

/**
 * Gets the vector kernel compiled for a kind of call before the first one comes: in the interpreter it is a thousand times slower. Whether it is
 * compiled is measured, never assumed: the times of the real entry point have to stop falling, and to be those of compiled vector code.
 *
 * <p>A call of this kind stands for those to come, with tensors of their shapes, types, strides and kind of memory, and the same options
 * and outputs. One batch row and head of it (with few queries: all heads of one key/value head) are copied when the warm-up is made; after
 * that nothing of the caller's is used but a layer's weights, and outputs are never written. Numbers do not matter, but lengths, boundaries and masks decide what is seen, so give typical ones. Other batch
 * sizes, numbers of heads and of keys are warm with it. Another number of queries is where the last panel is as wide (see {@link
 * RuntimeInfo#lanes()}): a service with several lengths warms up several; the second takes far less than the first.
 *
 * <p>Immutable; may be run more than once, and by several threads.
 */
public final class WarmUp {
    /** So often parts are run together. */
    private static final int TOGETHER = 20;
    private static final long TOGETHER_NANOS = 50_000_000;
    /** How long a call goes on once its times have settled: C2 is not through with what takes little of them, and a first call would enter it cold. */
    private static final long ON_NANOS = 100_000_000;

    private final String name;
    /** What will be compiled, one after the other. */
    private final List<CallCopy> calls;
    /** The parts of a layer as it runs them, or null: what is between them should not be met for the first time by a first call. */
    private final LongConsumer together;
    private final Kernel kernel;

    private WarmUp(String name, Kernel kernel, List<CallCopy> calls) {
        this(name, kernel, calls, null);
    }

    private WarmUp(String name, Kernel kernel, List<CallCopy> calls, LongConsumer together) {
        this.name = name;
        this.kernel = kernel;
        this.calls = calls;
        this.together = together;
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
        Objects.requireNonNull(attention, "attention");
        Objects.requireNonNull(inputs, "inputs");
        Objects.requireNonNull(outputs, "outputs");
        return new WarmUp("q " + inputs.q, attention.kernel(), copies(attention, inputs, outputs));
    }

    /**
     * A warm-up for a kind of call of a layer: for its projections and its attention, and in the end, unless masks, biases or outputs are
     * added, for one batch row of the whole.
     *
     * @param layer the layer
     * @param x rows as they will come
     * @param source what is projected to keys and values: x itself for self-attention
     * @param inputs adds masks, lengths and biases, as for {@link MultiHeadAttention#run(Tensor, Tensor, UnaryOperator, UnaryOperator, Tensor)}
     * @param outputs adds outputs, likewise; nothing is written to them
     * @param out the output; nothing is written to it
     * @return the warm-up
     * @throws IllegalArgumentException if the call would
     * @throws IllegalStateException if an arena is closed
     * @throws WrongThreadException if a tensor belongs to another thread
     */
    public static WarmUp of(MultiHeadAttention layer, Tensor x, Tensor source, UnaryOperator<AttentionInputs> inputs,
            UnaryOperator<AttentionOutputs> outputs, Tensor out) {
        Objects.requireNonNull(layer, "layer");
        Objects.requireNonNull(inputs, "inputs");
        Objects.requireNonNull(outputs, "outputs");
        LayerCopy copy = layer.copy(x, source, inputs, outputs, out);
        return new WarmUp("x " + x, layer.kernel(), copy.parts(), copy.together());
    }

    /**
     * A warm-up for a kind of multiply: of such layouts and types, whose sizes are cut into the same tiles.
     *
     * @param a (M, K)
     * @param b (K, N)
     * @param bias (N), or null for none
     * @param out (M, N); nothing is written to it
     * @return the warm-up
     * @throws IllegalArgumentException if {@link MatMul#multiply(Tensor, Tensor, Tensor, Tensor)} would
     * @throws IllegalStateException if an arena is closed
     * @throws WrongThreadException if a tensor belongs to another thread
     */
    public static WarmUp ofMultiply(Tensor a, Tensor b, Tensor bias, Tensor out) {
        MatMul.checkMatrix("b", b);
        return new WarmUp("a " + a, RuntimeInfo.current().kernel(), MatMul.copies(a, b, null, bias, out));
    }

    /**
     * The same with b laid out beforehand.
     *
     * @param a (M, K)
     * @param b (K, N)
     * @param bias (N), or null for none
     * @param out (M, N); nothing is written to it
     * @return the warm-up
     * @throws IllegalArgumentException if {@link MatMul#multiply(Tensor, PackedMatrix, Tensor, Tensor)} would
     * @throws IllegalStateException if an arena is closed
     * @throws WrongThreadException if a tensor belongs to another thread
     */
    public static WarmUp ofMultiply(Tensor a, PackedMatrix b, Tensor bias, Tensor out) {
        Objects.requireNonNull(b, "b");
        b.checkReadable("b");
        return new WarmUp("a " + a, RuntimeInfo.current().kernel(), MatMul.copies(a, null, b, bias, out));
    }

    /**
     * A warm-up for a kind of softmax.
     *
     * @param in (rows, columns)
     * @param out of the same shape; nothing is written to it
     * @return the warm-up
     * @throws IllegalArgumentException if {@link Softmax#rows} would
     * @throws IllegalStateException if an arena is closed
     * @throws WrongThreadException if a tensor belongs to another thread
     */
    public static WarmUp ofSoftmax(Tensor in, Tensor out) {
        return new WarmUp("in " + in, RuntimeInfo.current().kernel(), Softmax.copies(in, out));
    }

    /** A copy of an attention, unless it has nothing to compile. */
    static List<CallCopy> copies(Attention attention, AttentionInputs inputs, AttentionOutputs outputs) {
        Scratch<AttentionScratch> scratch = AttentionScratch.POOL.acquire();
        AttentionProblem problem = scratch.state.problem;
        try {
            AttentionBinding.bind(attention, inputs, outputs, problem);
            boolean any = attention.kernel() == Kernel.VECTOR && VectorPaths.operations(problem) > 0;
            return any ? List.of(AttentionCopy.of(attention, inputs, outputs, problem)) : List.of();
        } finally {
            problem.clear();
            AttentionScratch.POOL.release(scratch);
        }
    }

    /**
     * Runs on this thread until the kernel is compiled. An interrupt ends it early and is not cleared.
     *
     * @param limit when to stop trying; what runs then, some milliseconds, is ended first. 5 s is enough on two busy processors
     * @return what was reached
     * @throws IllegalArgumentException if the limit is not positive
     */
    public Report run(Duration limit) {
        checkLimit(limit);
        if (calls.isEmpty()) {
            return new Report(true, kernel == Kernel.VECTOR ? "there is nothing to compute" : "the kernel is " + kernel,
                    Duration.ZERO, 0, Duration.ZERO, Duration.ZERO);
        }
        Object event = Events.beginWarmUp();
        long start = System.nanoTime();
        long runs = 0;
        long first = 0;
        long steady = 0;
        String obstacle = "";
        for (CallCopy call : calls) {
            Rehearsal rehearsal = new Rehearsal(call);
            obstacle = run(rehearsal, start, limit);
            runs += rehearsal.runs();
            first = Math.max(first, rehearsal.first());
            steady += rehearsal.steady();
            if (!obstacle.isEmpty()) {
                break;
            }
        }
        if (obstacle.isEmpty()) {
            runs += together == null ? goOn(calls.getLast(), start, limit) : runTogether();
        }
        Report report = new Report(obstacle.isEmpty(), obstacle, Duration.ofNanos(System.nanoTime() - start), runs,
                Duration.ofNanos(first), Duration.ofNanos(steady));
        Events.writeWarmUp(event, name, nanos(limit), runs, report.settled(), first, steady);
        return report;
    }

    private static void checkLimit(Duration limit) {
        Objects.requireNonNull(limit, "limit");
        if (!limit.isPositive()) {
            throw new IllegalArgumentException("limit: " + limit + ", wanted more than 0");
        }
    }

    private static int goOn(CallCopy call, long start, Duration limit) {
        long settled = System.nanoTime();
        int runs = 0;
        while (System.nanoTime() - settled < ON_NANOS && !passed(start, limit)
                && !Thread.currentThread().isInterrupted()) {
            call.whole(runs);
            runs++;
        }
        return runs;
    }

    /** The weights are the layer's: its arena may be another thread's, or closed by now. The parts are warm all the same. */
    private int runTogether() {
        long start = System.nanoTime();
        int runs = 0;
        try {
            while (runs < TOGETHER && System.nanoTime() - start < TOGETHER_NANOS) {
                together.accept(runs);
                runs++;
            }
        } catch (IllegalStateException | WrongThreadException closedOrConfined) {
            return runs;
        }
        return runs;
    }

    /** For the event; those of 292 years and more are as good as none. */
    private static long nanos(Duration limit) {
        return limit.compareTo(Duration.ofNanos(Long.MAX_VALUE)) < 0 ? limit.toNanos() : Long.MAX_VALUE;
    }

    private static boolean passed(long start, Duration limit) {
        return Duration.ofNanos(System.nanoTime() - start).compareTo(limit) >= 0;
    }

    /** Why a rehearsal did not settle; empty if it did. */
    private String run(Rehearsal rehearsal, long start, Duration limit) {
        while (!rehearsal.advance()) {
            if (Thread.currentThread().isInterrupted()) {
                return rehearsal.obstacle("interrupted");
            }
            if (passed(start, limit)) {
                return rehearsal.obstacle("the limit of " + limit + " passed");
            }
            LockSupport.parkNanos(this, rehearsal.pause());
        }
        return "";
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
        checkLimit(limit);
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
     * @param first the time of the first run, of a small part of one head; of a layer, the longest of such
     * @param steady the median of the last runs of one batch row and head of the call; of a layer, together with those of its projections of some
     *        rows; 0 if it did not get that far
     */
    public record Report(boolean settled, String reason, Duration took, long runs, Duration first, Duration steady) {
    }
}
