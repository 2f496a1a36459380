package dev.lanewise;

import dev.lanewise.internal.kernel.MatMulProblem;
import dev.lanewise.internal.kernel.VectorSoftmax;
import dev.lanewise.internal.memory.Operand;
import dev.lanewise.internal.memory.Overlap;
import dev.lanewise.internal.memory.Scratch;
import dev.lanewise.internal.observe.Events;
import java.util.List;

/**
 * The softmax of rows: exp(x − max) over its sum. Arithmetic is float32. Safe to call from any number of threads. It goes from the scalar kernel
 * to the vector kernel, and is ended early, as {@link MatMul} is.
 */
public final class Softmax {
    private Softmax() {
    }

    /**
     * The softmax of each row. A row with a NaN, with +∞, or with nothing but −∞ gives NaN: there is no mask here to say
     * that a key is hidden. A row of length 0 gives nothing.
     *
     * @param in (rows, columns)
     * @param out of the same shape: the very view that {@code in} is, or memory that does not overlap it
     * @throws IllegalArgumentException if shapes, types or memory do not fit each other; the message names the argument, what it
     *         was and what was wanted, and nothing has been written
     * @throws IllegalStateException if an arena is closed
     * @throws WrongThreadException if a tensor belongs to another thread
     * @throws java.util.concurrent.CancellationException if the calling thread is interrupted; the output is then partly written
     */
    public static void rows(Tensor in, Tensor out) {
        rows(in, out, Execution.here());
    }

    /**
     * The same, ended early by what the caller chooses.
     *
     * @param in (rows, columns)
     * @param out of the same shape: the very view that {@code in} is, or memory that does not overlap it. In place a call that was ended
     *        leaves neither all scores nor all weights
     * @param execution what may end the call; its threads do not matter, and it has no workspace
     * @throws IllegalArgumentException if shapes, types or memory do not fit each other, or there is a workspace; the message names the
     *         argument, what it was and what was wanted, and nothing has been written
     * @throws IllegalStateException if an arena is closed
     * @throws WrongThreadException if a tensor belongs to another thread
     * @throws java.util.concurrent.CancellationException if the calling thread is interrupted, or the time is up; the output is then partly
     *         written
     */
    public static void rows(Tensor in, Tensor out, Execution execution) {
        MatMul.checkExecution("a softmax", execution);
        long end = execution.end();
        check(in, out);
        Scratch<MatMulProblem> scratch = MatMulProblem.POOL.acquire();
        try {
            scratch.state.begin();
            scratch.state.cancellation.begin(execution.interruptible, execution.limited(), end);
            scratch.state.a.set(in, false);
            scratch.state.out.set(out, false);
            scratch.state.m = (int) in.size(0);
            scratch.state.n = (int) in.size(1);
            compute(scratch, ColdCalls.UNPREPARED, 1);
        } finally {
            MatMul.end(scratch);
        }
    }

    /** What a warm-up of such a softmax has to run. */
    static List<CallCopy> copies(Tensor in, Tensor out) {
        check(in, out);
        Operand from = new Operand();
        Operand to = new Operand();
        from.set(in, false);
        to.set(out, false);
        boolean any = RuntimeInfo.current().kernel() == Kernel.VECTOR && in.elementCount() > 0;
        return any ? List.of(SoftmaxCopy.of(from, to, (int) in.size(0), (int) in.size(1))) : List.of();
    }

    private static void check(Tensor in, Tensor out) {
        MatMul.checkMatrix("in", in);
        TensorChecks.rank("out", out, 2);
        TensorChecks.floating("out", out);
        TensorChecks.sameSize("out", out, 0, "in", in, 0);
        TensorChecks.sameSize("out", out, 1, "in", in, 1);
        TensorChecks.writable("out", out);
        if (!Overlap.same(in, out)) {
            TensorChecks.apart("out", out, "in", in);
        }
    }

    /** Runs the kernel, or what stands in for it while it is cold, and tells who wants to know; a rehearsal counts as no call, but goes the same way. */
    static void compute(Scratch<MatMulProblem> scratch, ColdCalls cold, int calls) {
        MatMulProblem problem = scratch.state;
        RuntimeInfo info = RuntimeInfo.current();
        boolean vector = info.kernel() == Kernel.VECTOR && problem.n > 0;
        boolean warm = vector;
        long bytes = (long) problem.m * problem.n * (problem.a.type.bytes() + problem.out.type.bytes());
        Object event = Events.beginCall();
        boolean failed = true;
        try {
            if (!vector) {
                problem.scalarSoftmax.run(problem.a, problem.out, problem.m, problem.n);
            } else if (cold == null || !cold.softmax(problem)) {
                VectorSoftmax.run(problem.a, problem.out, problem.m, problem.n, scratch, problem.cancellation);
            } else {
                warm = false;
            }
            failed = false;
        } finally {
            scratch.tally.count(calls, problem.m, bytes, vector && !warm);
            if (Events.endCall(event) && calls > 0) {
                Events.writeCall(event, "softmax", problem.m + " x " + problem.n,
                        warm ? info.kernel().name() : Kernel.SCALAR.name(), warm ? info.vectorBits() : 0, 1, bytes,
                        failed);
            }
        }
    }
}
