package dev.lanewise;

import dev.lanewise.internal.kernel.AttentionProblem;
import dev.lanewise.internal.kernel.AttentionScratch;
import dev.lanewise.internal.kernel.UnitCrew;
import dev.lanewise.internal.kernel.ReferenceAttention;
import dev.lanewise.internal.memory.Scratch;
import dev.lanewise.internal.observe.Events;
import java.util.Arrays;
import java.util.Objects;
import java.util.concurrent.Executor;

/**
 * Scaled dot-product attention: context = softmax(q·kᵀ·scale + bias and mask)·v (Vaswani et al., "Attention Is All You Need",
 * 2017, equation 1), computed block by block with an online softmax, so that the score matrix is never held in memory.
 *
 * <p>The order is scale, softcap, bias and mask, softmax, weights·v. A masked key or value never contributes, whatever it holds, NaN and ∞
 * included; a visible NaN gives NaN. A query that sees no key gives exactly 0 and log-sum-exp −∞. The tensors q, k, v and
 * the outputs may be float32, bfloat16 or float16 in any mixture; arithmetic is float32.
 *
 * <p>An operator is immutable and may be used by any number of threads at once, virtual ones too. A call allocates nothing once
 * warm, takes no lock and starts no thread; its scratch comes from a bounded pool inside the library, or from a {@link Workspace}.
 *
 * <p>The same call gives the same bits whatever the number of threads, the batch around it and the alignment; another vector width or another
 * {@link Kernel} may give other bits. An operator that was not told which kernel to run uses the scalar one, within the same error bounds, until
 * the vector kernel is compiled for that kind of call; {@link Builder#bitStable()} excludes the switch, and a {@link WarmUp} brings it about
 * before the first call.
 */
public final class Attention {
    final float scale;
    final float softcap;
    final boolean causal;
    final PositionOffset offset;
    final long windowLeft;
    final long windowRight;
    final float[] slopes;
    final float[] sinks;
    private final Kernel kernel;
    /** What runs while the vector kernel is cold; null if it runs from the first call. */
    final ColdCalls cold;

    private Attention(Builder builder) {
        scale = builder.scale;
        softcap = builder.softcap;
        causal = builder.causal;
        offset = builder.offset;
        windowLeft = builder.windowLeft;
        windowRight = builder.windowRight;
        slopes = builder.slopes;
        sinks = builder.sinks;
        kernel = builder.kernel == null ? RuntimeInfo.current().kernel() : builder.kernel;
        boolean switches = kernel == Kernel.VECTOR && builder.kernel == null && !builder.bitStable;
        cold = switches && ColdCalls.ALLOWED ? new ColdCalls(builder.warmUpExecutor) : null;
    }

    /** For a call of the first heads, from the first on with the vector kernel. */
    private Attention(Attention all, int heads) {
        scale = all.scale;
        softcap = all.softcap;
        causal = all.causal;
        offset = all.offset;
        windowLeft = all.windowLeft;
        windowRight = all.windowRight;
        slopes = all.slopes == null ? null : Arrays.copyOf(all.slopes, heads);
        sinks = all.sinks == null ? null : Arrays.copyOf(all.sinks, heads);
        kernel = Kernel.VECTOR;
        cold = all.cold == null ? null : ColdCalls.WARM;
    }

    Attention forHeads(int heads) {
        return new Attention(this, heads);
    }

    Kernel kernel() {
        return kernel;
    }

    /**
     * Starts an operator with default options: scale 1/√D, nothing masked, nothing added, the kernel that start-up chose.
     *
     * @return a builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Computes the context and nothing else.
     *
     * @param q queries, (B, H, Lq, D)
     * @param k keys, (B, Hkv, Lk, D)
     * @param v values, (B, Hkv, Lk, Dv)
     * @param context where the result goes, (B, H, Lq, Dv)
     * @throws IllegalArgumentException if shapes, types or memory do not fit each other; see {@link #run(AttentionInputs,
     *         AttentionOutputs)}
     * @throws IllegalStateException if an arena is closed
     * @throws WrongThreadException if a tensor belongs to another thread
     * @throws java.util.concurrent.CancellationException if the calling thread is interrupted; the context is then partly written
     * @throws OutOfMemoryError if there is no native memory left for scratch
     */
    public void run(Tensor q, Tensor k, Tensor v, Tensor context) {
        Scratch<AttentionScratch> scratch = AttentionScratch.POOL.acquire();
        try {
            PlainCall plain = PlainCall.in(scratch.state);
            try {
                run(plain.inputs(q, k, v), plain.outputs(context), Execution.here(), 0, scratch);
            } finally {
                plain.clear();
            }
        } finally {
            AttentionScratch.POOL.release(scratch);
        }
    }

    /**
     * Computes the outputs that are asked for. Everything is checked before the first byte is written. If a tensor's arena is closed
     * by another thread in the middle of the call, it ends in {@link IllegalStateException} with the outputs partly written.
     *
     * @param inputs the operands
     * @param outputs where the results go
     * @throws IllegalArgumentException if shapes, types or memory do not fit each other: the message names the argument, what it was
     *         and what was wanted
     * @throws IllegalStateException if an arena is closed
     * @throws WrongThreadException if a tensor belongs to another thread
     * @throws java.util.concurrent.CancellationException if the calling thread is interrupted; the outputs are then partly written
     * @throws OutOfMemoryError if there is no native memory left for scratch
     */
    public void run(AttentionInputs inputs, AttentionOutputs outputs) {
        run(inputs, outputs, Execution.here());
    }

    /**
     * The same on up to {@code threads} threads: see {@link Execution#withThreads}.
     *
     * @param inputs the operands, none in memory that is confined to one thread
     * @param outputs where the results go, likewise
     * @param executor lends the other threads
     * @param threads how many threads may work at once, the calling one included; at least 1
     * @throws IllegalArgumentException if shapes, types or memory do not fit each other: the message names the argument, what it was
     *         and what was wanted
     * @throws IllegalStateException if an arena is closed
     * @throws WrongThreadException if there is more than one thread and a tensor is confined to one
     * @throws java.util.concurrent.RejectedExecutionException if the executor rejects a part; the outputs are then partly
     *         written
     * @throws java.util.concurrent.CancellationException if the calling thread is interrupted; the outputs are then partly written
     * @throws OutOfMemoryError if there is no native memory left for scratch
     */
    public void run(AttentionInputs inputs, AttentionOutputs outputs, Executor executor, int threads) {
        run(inputs, outputs, Execution.here().withThreads(executor, threads));
    }

    /**
     * The same, carried out in a way of the caller's choice: threads, scratch, and what may end it early. Whatever exception ends a call,
     * the operator, the library's scratch and the workspace are ready for the next one.
     *
     * @param inputs the operands; with more than one thread, none in memory that is confined to one
     * @param outputs where the results go, likewise
     * @param execution how to carry it out
     * @throws IllegalArgumentException if shapes, types or memory do not fit each other, or the workspace is too small: the message
     *         names the argument, what it was and what was wanted
     * @throws IllegalStateException if an arena is closed, or the workspace is in use by another call
     * @throws WrongThreadException if a tensor or the workspace belongs to another thread
     * @throws java.util.concurrent.RejectedExecutionException if the executor rejects a part; the outputs are then partly
     *         written
     * @throws java.util.concurrent.CancellationException if the calling thread is interrupted, or the time is up; the outputs are then
     *         partly written
     * @throws OutOfMemoryError if there is no native memory left for scratch
     */
    public void run(AttentionInputs inputs, AttentionOutputs outputs, Execution execution) {
        Objects.requireNonNull(execution, "execution");
        run(inputs, outputs, execution, execution.end());
    }

    void run(AttentionInputs inputs, AttentionOutputs outputs, Execution execution, long end) {
        Objects.requireNonNull(inputs, "inputs");
        Objects.requireNonNull(outputs, "outputs");
        if (execution.threads > 1) {
            AttentionBinding.checkShared(inputs, outputs);
        }
        Workspace workspace = execution.workspace;
        Scratch<AttentionScratch> scratch = workspace == null
                ? AttentionScratch.POOL.acquire()
                : workspace.claim(execution.threads);
        try {
            run(inputs, outputs, execution, end, scratch);
        } finally {
            if (workspace == null) {
                AttentionScratch.POOL.release(scratch);
            } else {
                workspace.busy = false;
            }
        }
    }

    private void run(AttentionInputs inputs, AttentionOutputs outputs, Execution execution, long end,
            Scratch<AttentionScratch> scratch) {
        AttentionProblem problem = scratch.state.problem;
        try {
            AttentionBinding.bind(this, inputs, outputs, problem);
            problem.cancellation.begin(execution.interruptible, execution.limited(), end);
            if (execution.rehearsal) {
                problem.cancellation.rehearse();
            }
            if (execution.workspace != null) {
                execution.workspace.require(bytesPerThread(scratch.state));
            }
            observe(inputs, outputs, execution, scratch);
        } finally {
            problem.clear();
        }
    }

    /** Computes, and tells who wants to know; of a rehearsal nobody does, but it goes the same way. */
    private void observe(AttentionInputs inputs, AttentionOutputs outputs, Execution execution,
            Scratch<AttentionScratch> scratch) {
        AttentionProblem problem = scratch.state.problem;
        Object event = Events.beginCall();
        boolean failed = true;
        boolean warm = kernel == Kernel.VECTOR;
        try {
            warm &= compute(inputs, outputs, execution, scratch);
            failed = false;
        } finally {
            long rows = problem.resultRows();
            long bytes = problem.operandBytes();
            scratch.tally.count(execution.calls, rows, bytes, kernel == Kernel.VECTOR && !warm);
            if (Events.endCall(event) && execution.calls > 0) {
                Kernel ran = kernel == Kernel.VECTOR && !warm ? Kernel.SCALAR : kernel;
                Events.writeCall(event, "attention", problem.shape(), ran.name(),
                        ran == Kernel.VECTOR ? RuntimeInfo.current().vectorBits() : 0, execution.threads, bytes,
                        failed);
            }
        }
    }

    /** Runs the kernel, or what stands in for it; false if it was that. */
    private boolean compute(AttentionInputs inputs, AttentionOutputs outputs, Execution execution,
            Scratch<AttentionScratch> scratch) {
        if (cold != null && cold.run(this, inputs, outputs, scratch)) {
            return false;
        }
        Workspace workspace = execution.workspace;
        switch (kernel) {
            case VECTOR -> UnitCrew.run(scratch, workspace == null ? null : workspace.parts, execution.executor,
                    execution.threads);
            case SCALAR -> scratch.state.scalar.run();
            case REFERENCE -> ReferenceAttention.run(scratch.state.problem);
        }
        return true;
    }

    /**
     * How much native scratch a call needs, for {@link Workspace#allocate}. The kernels {@link Kernel#SCALAR} and
     * {@link Kernel#REFERENCE} need none. Checks the arguments as a call would, and writes nothing.
     *
     * @param inputs the operands of the call
     * @param outputs its outputs
     * @param threads how many threads it may use; at least 1
     * @return the bytes for all threads together
     * @throws IllegalArgumentException if shapes, types or memory do not fit each other
     * @throws IllegalStateException if an arena is closed
     * @throws WrongThreadException if a tensor belongs to another thread
     */
    public long workspaceBytes(AttentionInputs inputs, AttentionOutputs outputs, int threads) {
        if (threads < 1) {
            throw new IllegalArgumentException("threads: " + threads + ", wanted at least 1");
        }
        Objects.requireNonNull(inputs, "inputs");
        Objects.requireNonNull(outputs, "outputs");
        Scratch<AttentionScratch> scratch = AttentionScratch.POOL.acquire();
        try {
            AttentionBinding.bind(this, inputs, outputs, scratch.state.problem);
            long lines = Math.ceilDiv(bytesPerThread(scratch.state), (long) Workspace.LINE);
            return Math.multiplyExact(lines * Workspace.LINE, (long) threads);
        } finally {
            scratch.state.problem.clear();
            AttentionScratch.POOL.release(scratch);
        }
    }

    private long bytesPerThread(AttentionScratch state) {
        return kernel == Kernel.VECTOR ? state.vectorBytes() : 0;
    }

    /** The options of an {@link Attention}, by name. Not thread-safe; may be used for more than one operator. */
    public static final class Builder {
        /** NaN stands for 1/√D. */
        private float scale = Float.NaN;
        private float softcap;
        private boolean causal;
        private PositionOffset offset = PositionOffset.topLeft();
        private long windowLeft = -1;
        private long windowRight = -1;
        private float[] slopes;
        private float[] sinks;
        private Kernel kernel;
        private boolean bitStable;
        private Executor warmUpExecutor;

        private Builder() {
        }

        /**
         * The factor of q·kᵀ; 1/√D unless set.
         *
         * @param factor any finite value, 0 and negative ones included
         * @return this
         * @throws IllegalArgumentException if it is not finite in float32, or would be 0 there and is not
         */
        public Builder scale(double factor) {
            scale = finite("scale", factor);
            return this;
        }

        /**
         * Lets query i see key j only if j ≤ i + offset. Off unless set.
         *
         * @param where the offset; never guessed from the shapes
         * @return this
         */
        public Builder causal(PositionOffset where) {
            offset = Objects.requireNonNull(where, "causal");
            causal = true;
            return this;
        }

        /**
         * The offset that windows and ALiBi are centred on, without a causal mask; 0 unless set. {@link #causal} sets it too.
         *
         * @param where the offset; never guessed from the shapes
         * @return this
         */
        public Builder positionOffset(PositionOffset where) {
            offset = Objects.requireNonNull(where, "positionOffset");
            return this;
        }

        /**
         * Lets query i see key j only if i + offset − left ≤ j ≤ i + offset + right (Beltagy et al., Longformer, 2020). Unbounded unless set.
         *
         * @param left how many keys before its position a query sees; −1 for all
         * @param right how many keys after it; −1 for all. 0 and 0 leave the query's own position only
         * @return this
         * @throws IllegalArgumentException below −1
         */
        public Builder window(long left, long right) {
            if (left < -1 || right < -1) {
                throw new IllegalArgumentException(
                        "window: left " + left + ", right " + right + ", wanted at least -1");
            }
            windowLeft = left;
            windowRight = right;
            return this;
        }

        /**
         * Replaces a score s by cap·tanh(s/cap), before biases and masks (Gemma 2, 2024). Off unless set.
         *
         * @param cap the largest magnitude a score can have, at least {@link Float#MIN_NORMAL}; or 0 for off
         * @return this
         * @throws IllegalArgumentException if it is negative, smaller, or not finite in float32
         */
        public Builder softcap(double cap) {
            // Scores are multiplied by its reciprocal, which is infinite in float32 for smaller ones.
            if (cap < 0 || cap > 0 && cap < Float.MIN_NORMAL) {
                throw new IllegalArgumentException(
                        "softcap: " + cap + ", wanted 0, or " + Float.MIN_NORMAL + " or more");
            }
            softcap = finite("softcap", cap);
            return this;
        }

        /**
         * Adds −slope·|i + offset − j| to the scores (Press et al., "Train Short, Test Long", 2022). Off unless set.
         *
         * @param perHead one finite slope for each query head; none at all for off
         * @return this
         * @throws IllegalArgumentException if one is not finite
         */
        public Builder alibiSlopes(float... perHead) {
            slopes = finite("alibiSlopes", perHead);
            return this;
        }

        /**
         * Adds exp(sink) to the denominator of each softmax, as a key with that score and the value 0 would (Xiao et al., "Efficient Streaming
         * Language Models with Attention Sinks", 2024; gpt-oss). The log-sum-exp includes it, also for a query that sees no
         * key, so of the parts of one sequence only one may have sinks.
         *
         * @param perHead one finite score for each query head; none at all for off
         * @return this
         * @throws IllegalArgumentException if one is not finite
         */
        public Builder sinks(float... perHead) {
            sinks = finite("sinks", perHead);
            return this;
        }

        /**
         * Accepted so that a configuration can be passed on whole.
         *
         * @param probability 0
         * @return this
         * @throws IllegalArgumentException if it is not 0: dropout belongs to training, and this is inference
         */
        public Builder dropout(double probability) {
            if (probability != 0) {
                throw new IllegalArgumentException(
                        "dropout: " + probability + ", wanted 0: dropout belongs to training, and this is inference");
            }
            return this;
        }

        /**
         * The kernel to run instead of the one that start-up chose: to compare, or to check.
         *
         * @param which the kernel
         * @return this
         * @throws UnsupportedOperationException if {@link Kernel#VECTOR} is asked for where it cannot run
         */
        public Builder kernel(Kernel which) {
            Objects.requireNonNull(which, "kernel");
            if (which == Kernel.VECTOR && RuntimeInfo.current().kernel() != Kernel.VECTOR) {
                throw new UnsupportedOperationException(
                        "kernel: VECTOR cannot run here: " + RuntimeInfo.current().reason());
            }
            kernel = which;
            return this;
        }

        /**
         * Runs one kernel from the first call on, so that the same call always gives the same bits. Until the vector kernel is compiled calls
         * then take up to a thousand times as long: run a {@link WarmUp} first. Off unless set, or the system property
         * {@code dev.lanewise.bitStable} is {@code true}; an operator with a {@link #kernel} of its own is bit-stable, too.
         *
         * @return this
         */
        public Builder bitStable() {
            bitStable = true;
            return this;
        }

        /**
         * Lends a thread to get the vector kernel compiled when a call finds it cold, for a second or some. Without it each such call
         * adds up to a quarter of its time, or one short run of the vector kernel. If the executor rejects the task, calls do so, too.
         *
         * @param executor lends the thread
         * @return this
         */
        public Builder warmUpOn(Executor executor) {
            warmUpExecutor = Objects.requireNonNull(executor, "warmUpOn");
            return this;
        }

        /**
         * Makes the operator. The first one that may switch kernels takes some 150 ms, so that the first call does not.
         *
         * @return an immutable operator with the options set so far
         */
        public Attention build() {
            return new Attention(this);
        }

        private static float finite(String name, double value) {
            float rounded = (float) value;
            if (!Float.isFinite(rounded)) {
                throw new IllegalArgumentException(name + ": " + value + ", wanted a finite float32");
            }
            if (rounded == 0 && value != 0) {
                throw new IllegalArgumentException(
                        name + ": " + value + ", wanted 0 itself, or what float32 can tell from it");
            }
            return rounded;
        }

        private static float[] finite(String name, float[] values) {
            for (float value : values) {
                finite(name, value);
            }
            return values.length == 0 ? null : values.clone();
        }
    }
}
