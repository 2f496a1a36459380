package dev.lanewise;

import dev.lanewise.internal.kernel.AttentionProblem;
import dev.lanewise.internal.kernel.AttentionScratch;
import dev.lanewise.internal.memory.Scratch;
import dev.lanewise.internal.plan.CompiledPaths;
import dev.lanewise.internal.plan.VectorPaths;
import java.time.Duration;

/**
 * One batch row and head of a call, run with the vector kernel on operands of its own until that is compiled. It goes in pieces: at first
 * a vector of queries with {@link #FEWEST_KEYS} keys, 8 ms in the interpreter, then a panel and more keys as that gets faster, and in the end the real
 * entry point. For one thread at a time.
 */
final class Rehearsal {
    private static final int FEWEST_KEYS = 4;
    /** With so many a panel meets several whole blocks of keys. */
    private static final int MOST_KEYS = 512;
    /** A piece that takes less is not the largest that one should be. */
    private static final long SHORT_NANOS = 1_500_000;
    /** A piece that takes more is too large: C1's code at tier 3 is slower than that at tier 2, and a method may go through both. */
    private static final long LONG_NANOS = 4_000_000;

    private static final long SLOW_NANOS = 300_000;

    /** What it makes compiled, once it has settled. */
    final long paths;
    private final Attention operator;
    private final AttentionInputs inputs;
    private final AttentionOutputs outputs;
    private final Settling settling;
    private final int mostKeys;
    private int keys = FEWEST_KEYS;
    private boolean whole;
    private boolean settled;

    private long first;
    private long last;
    private long runs;
    private long spent;

    /** A rehearsal of a call of one head on operands that may be written. */
    Rehearsal(Attention operator, AttentionInputs inputs, AttentionOutputs outputs, long paths) {
        this.operator = operator;
        this.inputs = inputs;
        this.outputs = outputs;
        this.paths = paths;
        Scratch<AttentionScratch> scratch = AttentionScratch.POOL.acquire();
        AttentionProblem problem = scratch.state.problem;
        try {
            AttentionBinding.bind(operator, inputs, outputs, problem);
            settling = new Settling(VectorPaths.operations(problem));
            mostKeys = Math.min(MOST_KEYS, problem.keys);
        } finally {
            problem.clear();
            AttentionScratch.POOL.release(scratch);
        }
    }

    /** Runs the next piece; whether the kernel is compiled now, which {@link CompiledPaths} then knows. */
    boolean advance() {
        long start = System.nanoTime();
        if (whole) {
            operator.run(inputs, outputs, Execution.REHEARSAL);
        } else {
            part();
        }
        long end = System.nanoTime();
        long nanos = end - start;
        first = runs++ == 0 ? nanos : first;
        last = nanos;
        spent += nanos;
        if (whole) {
            settling.add(nanos, end);
            settled = settling.settled(end);
        } else if (nanos < SHORT_NANOS) {
            whole = keys >= mostKeys;
            keys *= 2;
        } else if (nanos > LONG_NANOS) {
            keys = Math.max(FEWEST_KEYS, keys / 2);
        }
        if (settled) {
            CompiledPaths.add(paths);
        }
        return settled;
    }

    /** One panel of queries, the next in turn, with the first keys that it sees. */
    private void part() {
        Scratch<AttentionScratch> scratch = AttentionScratch.POOL.acquire();
        AttentionProblem problem = scratch.state.problem;
        try {
            AttentionBinding.bind(operator, inputs, outputs, problem);
            problem.cancellation.rehearse();
            scratch.state.rehearse(scratch, runs, keys, keys == FEWEST_KEYS);
        } finally {
            problem.clear();
            AttentionScratch.POOL.release(scratch);
        }
    }

    /**
     * How long to leave the processor to the compilers after the last run. While the kernel is slow, each run makes more of the Vector API's own
     * methods hot that the compiled kernel will not call.
     */
    long pause() {
        return last < SLOW_NANOS ? 0 : last / 2;
    }

    /** The time of all runs. */
    long spent() {
        return spent;
    }

    /** What there is to tell after so long. */
    WarmUp.Report report(Duration took, String interruption) {
        return new WarmUp.Report(settled, obstacle(interruption), took, runs, Duration.ofNanos(first),
                Duration.ofNanos(settling.steady()));
    }

    /** Why it has not settled; empty if it has. */
    String obstacle(String interruption) {
        if (settled) {
            return "";
        }
        String state = !whole
                ? "the vector kernel still runs uncompiled"
                : !settling.fast()
                        ? "the vector kernel is not compiled at the top tier"
                        : "times had not stopped falling";
        return interruption + ": " + state;
    }
}
