package dev.lanewise.internal.kernel;

import dev.lanewise.internal.memory.Operand;
import dev.lanewise.internal.memory.ScratchPool;
import java.lang.foreign.MemorySegment;

/** One matrix multiply, checked and flattened: out (m, n) = a (m, k) · b (k, n) + bias (n). Reused from call to call. */
public final class MatMulProblem {
    /** Every multiply of this JVM draws from one pool. A class makes it and no lambda, for the first multiply would wait for that to be spun. */
    public static final ScratchPool<MatMulProblem> POOL = new ScratchPool<>(new ScratchPool.Maker<>() {
        @Override
        public MatMulProblem make() {
            return new MatMulProblem();
        }
    });

    /** Left operand. */
    public final Operand a = new Operand();
    /** Right operand; absent if it is packed. */
    public final Operand b = new Operand();
    /** A vector, or absent. */
    public final Operand bias = new Operand();
    /** The result. */
    public final Operand out = new Operand();
    /** The right operand as {@link Packing} lays it out, or null. */
    public MemorySegment packed;
    /** Rows of a and out. */
    public int m;
    /** Columns of b and out. */
    public int n;
    /** Columns of a, rows of b. */
    public int k;

    /** The working memory of the vector kernel, and where in it things lie. */
    MemorySegment scratch;
    /** Rows × panel, one block of the result. */
    long productAt;
    /** As much, for what is added to it. */
    long termAt;
    /** The bias as float32. */
    long biasAt;
    /** For the transposition. */
    long freeAt;
    /** A panel of b. */
    long panelAt;
    /** Rows of a. */
    long rowsAt;
    /** The panel of b at hand: its memory, the byte of its row 0 and bytes between rows. */
    MemorySegment panel;
    long panelFrom;
    long panelRow;

    /** What may end the call early. */
    public final Cancellation cancellation = new Cancellation();
    /** The fallback of the multiply, with its state. */
    public final ScalarMatMul scalarMultiply = new ScalarMatMul(this);
    /** That of the softmax from a to out. */
    public final ScalarSoftmax scalarSoftmax = new ScalarSoftmax(cancellation);

    /** Bytes of the operands, each element once. */
    public long operandBytes() {
        int right = packed == null ? b.type.bytes() : Float.BYTES;
        return (long) m * k * a.type.bytes() + (long) k * n * right + (long) m * n * out.type.bytes();
    }

    private boolean dirty;

    /** Begins a call. A stack overflow may have kept the one before from clearing up. */
    public void begin() {
        if (dirty) {
            clear();
        }
        dirty = true;
    }

    /** Drops every reference to the caller's memory. */
    public void clear() {
        a.clear();
        b.clear();
        bias.clear();
        out.clear();
        packed = null;
        panel = null;
        scratch = null;
        cancellation.clear();
        dirty = false;
    }
}
