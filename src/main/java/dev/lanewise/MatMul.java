package dev.lanewise;

import dev.lanewise.internal.kernel.MatMulProblem;
import dev.lanewise.internal.kernel.ScalarMatMul;
import dev.lanewise.internal.kernel.VectorMatMul;
import dev.lanewise.internal.memory.Scratch;
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
            problem.a.set(a, false);
            if (packed == null) {
                problem.b.set(b, false);
            }
            problem.packed = packed;
            if (bias != null) {
                problem.bias.setVector(bias);
            }
            problem.out.set(out, false);
            problem.m = (int) a.size(0);
            problem.k = k;
            problem.n = n;
            if (RuntimeInfo.current().kernel() == Kernel.VECTOR) {
                VectorMatMul.run(problem, scratch);
            } else {
                ScalarMatMul.run(problem);
            }
        } finally {
            problem.clear();
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
