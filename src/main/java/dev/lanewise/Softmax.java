package dev.lanewise;

import dev.lanewise.internal.kernel.MatMulProblem;
import dev.lanewise.internal.kernel.VectorSoftmax;
import dev.lanewise.internal.memory.Operand;
import dev.lanewise.internal.memory.Overlap;
import dev.lanewise.internal.memory.Scratch;
import dev.lanewise.internal.observe.Events;

/**
 * The softmax of rows: exp(x − max) over its sum. Arithmetic is float32. Safe to call from any number of threads.
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
     */
    public static void rows(Tensor in, Tensor out) {
        MatMul.checkMatrix("in", in);
        TensorChecks.rank("out", out, 2);
        TensorChecks.floating("out", out);
        TensorChecks.sameSize("out", out, 0, "in", in, 0);
        TensorChecks.sameSize("out", out, 1, "in", in, 1);
        TensorChecks.writable("out", out);
        if (!Overlap.same(in, out)) {
            TensorChecks.apart("out", out, "in", in);
        }
        Scratch<MatMulProblem> scratch = MatMulProblem.POOL.acquire();
        try {
            scratch.state.begin();
            scratch.state.a.set(in, false);
            scratch.state.out.set(out, false);
            compute(scratch, (int) in.size(0), (int) in.size(1));
        } finally {
            MatMul.end(scratch);
        }
    }

    private static void compute(Scratch<MatMulProblem> scratch, int rows, int columns) {
        Operand from = scratch.state.a;
        Operand to = scratch.state.out;
        RuntimeInfo info = RuntimeInfo.current();
        long bytes = (long) rows * columns * (from.type.bytes() + to.type.bytes());
        scratch.tally.count(rows, bytes, false);
        Object event = Events.beginCall();
        boolean failed = true;
        try {
            if (info.kernel() == Kernel.VECTOR && columns > 0) {
                VectorSoftmax.run(from, to, rows, columns, scratch);
            } else {
                scratch.state.scalarSoftmax.run(from, to, rows, columns);
            }
            failed = false;
        } finally {
            if (Events.endCall(event)) {
                Events.writeCall(event, "softmax", rows + " x " + columns, info.kernel().name(), info.vectorBits(), 1,
                        bytes, failed);
            }
        }
    }
}
