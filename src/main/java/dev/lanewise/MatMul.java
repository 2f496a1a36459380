package dev.lanewise;

import dev.lanewise.internal.kernel.MatMulProblem;
import dev.lanewise.internal.kernel.VectorMatMul;
import dev.lanewise.internal.memory.Scratch;
import dev.lanewise.internal.observe.Events;
import java.lang.foreign.MemorySegment;

/**
 * Matrix multiply: out = a·b + bias, with sums in float32. Operands may have any strides, so a transposed operand is
 * {@link Tensor#transpose a.transpose(0, 1)}. Safe to call from any number of threads.
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
     */
    public static void multiply(Tensor a, Tensor b, Tensor bias, Tensor out) {
        checkMatrix("b", b);
        TensorChecks.apart("out", out, "b", b);
        run(a, b, null, (int) b.size(0), (int) b.size(1), bias, out);
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
     */
    public static void multiply(Tensor a, PackedMatrix b, Tensor bias, Tensor out) {
        run(a, b.matrix, b.packed, b.rows, b.columns, bias, out);
    }

    private static void run(Tensor a, Tensor b, MemorySegment packed, int k, int n, Tensor bias,
            Tensor out) {
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
        Scratch<MatMulProblem> scratch = MatMulProblem.POOL.acquire();
        MatMulProblem problem = scratch.state;
        try {
            problem.begin();
            problem.a.set(a, false);
            if (packed == null) {
                problem.b.set(b, false);
            }
            bind(problem, packed, k, n, bias);
            problem.out.set(out, false);
            problem.m = (int) a.size(0);
            compute(scratch);
        } finally {
            end(scratch);
        }
    }

    private static void bind(MatMulProblem problem, MemorySegment packed, int k, int n, Tensor bias) {
        problem.packed = packed;
        if (bias != null) {
            problem.bias.setVector(bias);
        }
        problem.k = k;
        problem.n = n;
    }

    /**
     * x·b + bias for the rows of a layer, (B, L, K) or (L, K), without views: all rows at once where they follow each other evenly, else
     * batch row by batch row. The operands have been checked.
     */
    static void project(Tensor x, PackedMatrix b, Tensor bias, Tensor y, Execution execution, long end) {
        int rank = x.rank();
        long batch = rank == 3 ? x.size(0) : 1;
        long rows = x.size(rank - 2);
        boolean whole = even(x) && even(y) && batch * rows <= Integer.MAX_VALUE;
        Scratch<MatMulProblem> scratch = MatMulProblem.POOL.acquire();
        MatMulProblem problem = scratch.state;
        try {
            problem.begin();
            problem.cancellation.begin(execution.interruptible, execution.limited(), end);
            problem.a.set(x, true);
            problem.out.set(y, true);
            if (b.matrix != null) {
                problem.b.set(b.matrix, false);
            }
            bind(problem, b.packed, b.rows, b.columns, bias);
            problem.m = (int) (whole ? batch * rows : rows);
            if (whole && rows == 1) {
                problem.a.rowStride = problem.a.batchStride;
                problem.out.rowStride = problem.out.batchStride;
            }
            for (long done = 0; done < (whole ? Math.min(batch, 1) : batch); done++) {
                compute(scratch);
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

    private static void compute(Scratch<MatMulProblem> scratch) {
        MatMulProblem problem = scratch.state;
        RuntimeInfo info = RuntimeInfo.current();
        scratch.tally.count(problem.m, problem.operandBytes(), false);
        Object event = Events.beginCall();
        boolean failed = true;
        try {
            if (info.kernel() == Kernel.VECTOR) {
                VectorMatMul.run(problem, scratch);
            } else {
                problem.scalarMultiply.run();
            }
            failed = false;
        } finally {
            if (Events.endCall(event)) {
                Events.writeCall(event, "multiply", "M " + problem.m + ", K " + problem.k + ", N " + problem.n,
                        info.kernel().name(), info.vectorBits(), 1, problem.operandBytes(), failed);
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

    static void checkMatrix(String name, Tensor tensor) {
        TensorChecks.rank(name, tensor, 2);
        TensorChecks.floating(name, tensor);
        TensorChecks.intSizes(name, tensor);
        TensorChecks.readable(name, tensor);
    }
}
