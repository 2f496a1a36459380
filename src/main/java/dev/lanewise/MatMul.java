package dev.lanewise;

import dev.lanewise.internal.kernel.MatMulProblem;
import dev.lanewise.internal.kernel.VectorMatMul;
import dev.lanewise.internal.memory.Scratch;
import dev.lanewise.internal.observe.Events;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Objects;

/**
 * Matrix multiply: out = a·b + bias, with sums in float32. Operands may have any strides, so a transposed operand is
 * {@link Tensor#transpose a.transpose(0, 1)}. Safe to call from any number of threads. A call runs on the calling thread, and an interrupt, a time limit or
 * a deadline ends it as {@link Execution} says.
 *
 * <p>Until the vector kernel is compiled for a kind of call the scalar one runs, within the same error bounds; the system property
 * {@code dev.lanewise.bitStable} excludes the switch.
 */
public final class MatMul {
    private MatMul() {
    }

    /**
     * out = a·b.
     *
     * @param a (M, K)
     * @param b (K, N)
     * @param out (M, N), overlapping neither
     * @throws IllegalArgumentException if shapes, types or memory do not fit each other; the message names the argument, what it
     *         was and what was wanted, and nothing has been written
     * @throws IllegalStateException if an arena is closed
     * @throws WrongThreadException if a tensor belongs to another thread
     * @throws java.util.concurrent.CancellationException if the calling thread is interrupted; the output is then partly written
     */
    public static void multiply(Tensor a, Tensor b, Tensor out) {
        multiply(a, b, null, out);
    }

    /**
     * out = a·b + bias.
     *
     * @param a (M, K)
     * @param b (K, N)
     * @param bias (N), added to every row; or null for none
     * @param out (M, N), overlapping no other operand
     * @throws IllegalArgumentException if shapes, types or memory do not fit each other; the message names the argument, what it
     *         was and what was wanted, and nothing has been written
     * @throws IllegalStateException if an arena is closed
     * @throws WrongThreadException if a tensor belongs to another thread
     * @throws java.util.concurrent.CancellationException if the calling thread is interrupted; the output is then partly written
     */
    public static void multiply(Tensor a, Tensor b, Tensor bias, Tensor out) {
        multiply(a, b, bias, out, Execution.here());
    }

    /**
     * The same, ended early by what the caller chooses.
     *
     * @param a (M, K)
     * @param b (K, N)
     * @param bias (N), added to every row; or null for none
     * @param out (M, N), overlapping no other operand
     * @param execution what may end the call; its threads do not matter, and it has no workspace
     * @throws IllegalArgumentException if shapes, types or memory do not fit each other, or there is a workspace; the message names the
     *         argument, what it was and what was wanted, and nothing has been written
     * @throws IllegalStateException if an arena is closed
     * @throws WrongThreadException if a tensor belongs to another thread
     * @throws java.util.concurrent.CancellationException if the calling thread is interrupted, or the time is up; the output is then partly
     *         written
     */
    public static void multiply(Tensor a, Tensor b, Tensor bias, Tensor out, Execution execution) {
        checkMatrix("b", b);
        TensorChecks.apart("out", out, "b", b);
        run(a, b, null, (int) b.size(0), (int) b.size(1), bias, out, execution);
    }

    /**
     * out = a·b + bias, with b laid out beforehand.
     *
     * @param a (M, K)
     * @param b (K, N)
     * @param bias (N), added to every row; or null for none
     * @param out (M, N), overlapping no other operand
     * @throws IllegalArgumentException if shapes, types or memory do not fit each other; the message names the argument, what it
     *         was and what was wanted, and nothing has been written
     * @throws IllegalStateException if an arena is closed
     * @throws WrongThreadException if a tensor belongs to another thread
     * @throws java.util.concurrent.CancellationException if the calling thread is interrupted; the output is then partly written
     */
    public static void multiply(Tensor a, PackedMatrix b, Tensor bias, Tensor out) {
        multiply(a, b, bias, out, Execution.here());
    }

    /**
     * The same, ended early by what the caller chooses.
     *
     * @param a (M, K)
     * @param b (K, N)
     * @param bias (N), added to every row; or null for none
     * @param out (M, N), overlapping no other operand
     * @param execution what may end the call; its threads do not matter, and it has no workspace
     * @throws IllegalArgumentException if shapes, types or memory do not fit each other, or there is a workspace; the message names the
     *         argument, what it was and what was wanted, and nothing has been written
     * @throws IllegalStateException if an arena is closed
     * @throws WrongThreadException if a tensor belongs to another thread
     * @throws java.util.concurrent.CancellationException if the calling thread is interrupted, or the time is up; the output is then partly
     *         written
     */
    public static void multiply(Tensor a, PackedMatrix b, Tensor bias, Tensor out, Execution execution) {
        Objects.requireNonNull(b, "b");
        b.checkReadable("b");
        run(a, b.matrix, b.packed, b.rows, b.columns, bias, out, execution);
    }

    private static void run(Tensor a, Tensor b, MemorySegment packed, int k, int n, Tensor bias, Tensor out,
            Execution execution) {
        checkExecution("a multiply", execution);
        long end = execution.end();
        check(a, k, n, bias, out);
        Scratch<MatMulProblem> scratch = MatMulProblem.POOL.acquire();
        try {
            scratch.state.begin();
            scratch.state.cancellation.begin(execution.interruptible, execution.limited(), end);
            bind(scratch.state, a, b, packed, bias, out);
            scratch.state.m = (int) a.size(0);
            scratch.state.n = n;
            scratch.state.k = k;
            compute(scratch, ColdCalls.UNPREPARED, 1);
        } finally {
            end(scratch);
        }
    }

    /** What a warm-up of such a multiply has to run; b or packed is null. */
    static List<CallCopy> copies(Tensor a, Tensor b, PackedMatrix packed, Tensor bias, Tensor out) {
        int k = packed == null ? (int) b.size(0) : packed.rows;
        int n = packed == null ? (int) b.size(1) : packed.columns;
        check(a, k, n, bias, out);
        Scratch<MatMulProblem> scratch = MatMulProblem.POOL.acquire();
        MatMulProblem problem = scratch.state;
        try {
            problem.begin();
            bind(problem, a, packed == null ? b : packed.matrix, packed == null ? null : packed.packed, bias, out);
            problem.m = (int) a.size(0);
            problem.n = n;
            problem.k = k;
            boolean any = RuntimeInfo.current().kernel() == Kernel.VECTOR && problem.m > 0 && n > 0 && k > 0;
            return any ? List.of(MultiplyCopy.of(problem)) : List.of();
        } finally {
            end(scratch);
        }
    }

    private static void check(Tensor a, int k, int n, Tensor bias, Tensor out) {
        checkMatrix("a", a);
        TensorChecks.rank("out", out, 2);
        TensorChecks.floating("out", out);
        if (a.size(1) != k) {
            throw new IllegalArgumentException("a: axis 1 has " + a.size(1) + " elements, wanted b's " + k + " rows");
        }
        TensorChecks.sameSize("out", out, 0, "a", a, 0);
        TensorChecks.size("out", out, 1, n);
        TensorChecks.writable("out", out);
        TensorChecks.apart("out", out, "a", a);
        if (bias != null) {
            TensorChecks.rank("bias", bias, 1);
            TensorChecks.floating("bias", bias);
            TensorChecks.size("bias", bias, 0, n);
            TensorChecks.readable("bias", bias);
            TensorChecks.apart("out", out, "bias", bias);
        }
    }

    /** Binds operands that have been checked; b or packed is null, and bias may be. */
    static void bind(MatMulProblem problem, Tensor a, Tensor b, MemorySegment packed, Tensor bias, Tensor out) {
        problem.a.set(a, true);
        problem.out.set(out, true);
        if (b != null) {
            problem.b.set(b, false);
        }
        problem.packed = packed;
        if (bias != null) {
            problem.bias.setVector(bias);
        }
    }

    /**
     * Binds x·b + bias for the rows of a layer, (B, L, K) or (L, K), without views: all rows at once where they follow each other evenly, else one
     * batch row. The operands have been checked. Returns how often the problem is to be run, each time a batch row further.
     */
    static long bindRows(MatMulProblem problem, Tensor x, PackedMatrix b, Tensor bias, Tensor y) {
        int rank = x.rank();
        long batch = rank == 3 ? x.size(0) : 1;
        long rows = x.size(rank - 2);
        boolean whole = even(x) && even(y) && batch * rows <= Integer.MAX_VALUE;
        bind(problem, x, b.matrix, b.packed, bias, y);
        problem.m = (int) (whole ? batch * rows : rows);
        problem.n = b.columns;
        problem.k = b.rows;
        if (whole && rows == 1) {
            problem.a.rowStride = problem.a.batchStride;
            problem.out.rowStride = problem.out.batchStride;
        }
        return whole ? Math.min(batch, 1) : batch;
    }

    /** Runs x·b + bias for the rows of a layer. */
    static void project(Tensor x, PackedMatrix b, Tensor bias, Tensor y, Execution execution, long end,
            ColdCalls cold) {
        Scratch<MatMulProblem> scratch = MatMulProblem.POOL.acquire();
        MatMulProblem problem = scratch.state;
        try {
            problem.begin();
            problem.cancellation.begin(execution.interruptible, execution.limited(), end);
            if (execution.rehearsal) {
                problem.cancellation.rehearse();
            }
            long runs = bindRows(problem, x, b, bias, y);
            for (long run = 0; run < runs; run++) {
                compute(scratch, cold, execution.calls);
                problem.a.base += problem.a.batchStride;
                problem.out.base += problem.out.batchStride;
            }
        } finally {
            end(scratch);
        }
    }

    private static boolean even(Tensor t) {
        return t.rank() == 2 || t.size(0) == 1 || t.stride(0) == t.size(1) * t.stride(1);
    }

    /** Runs the kernel, or what stands in for it while it is cold, and tells who wants to know; a rehearsal counts as no call, but goes the same way. */
    static void compute(Scratch<MatMulProblem> scratch, ColdCalls cold, int calls) {
        MatMulProblem problem = scratch.state;
        RuntimeInfo info = RuntimeInfo.current();
        boolean vector = info.kernel() == Kernel.VECTOR;
        boolean warm = vector;
        Object event = Events.beginCall();
        boolean failed = true;
        try {
            if (!vector) {
                problem.scalarMultiply.run();
            } else if (cold == null || !cold.multiply(problem)) {
                VectorMatMul.run(problem, scratch);
            } else {
                warm = false;
            }
            failed = false;
        } finally {
            scratch.tally.count(calls, problem.m, problem.operandBytes(), vector && !warm);
            if (Events.endCall(event) && calls > 0) {
                Events.writeCall(event, "multiply", "M " + problem.m + ", K " + problem.k + ", N " + problem.n,
                        warm ? info.kernel().name() : Kernel.SCALAR.name(), warm ? info.vectorBits() : 0, 1,
                        problem.operandBytes(), failed);
            }
        }
    }

    static void end(Scratch<MatMulProblem> scratch) {
        try {
            scratch.state.clear();
        } finally {
            MatMulProblem.POOL.release(scratch);
        }
    }

    static void checkExecution(String operation, Execution execution) {
        Objects.requireNonNull(execution, "execution");
        if (execution.workspace != null) {
            throw new IllegalArgumentException("execution: has a workspace, wanted none for " + operation);
        }
    }

    static void checkMatrix(String name, Tensor tensor) {
        TensorChecks.rank(name, tensor, 2);
        TensorChecks.floating(name, tensor);
        TensorChecks.intSizes(name, tensor);
        TensorChecks.readable(name, tensor);
    }
}
