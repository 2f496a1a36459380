package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.COUNT;
import static dev.lanewise.internal.kernel.Lanes.F;
import static dev.lanewise.internal.kernel.Lanes.ORDER;

import dev.lanewise.internal.memory.Operand;
import dev.lanewise.internal.memory.Scratch;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/**
 * The softmax of a row of float32: maximum, exponentials and their sum, division. Lanes lie along the row. Its last, incomplete vector is
 * done in scratch, filled up with −∞, whose weight is 0.
 */
public final class VectorSoftmax {
    /** Scratch: the tail vector, the running maximum, the running sum, and the row if it cannot be done in place. */
    private static final long TAIL = 0;
    private static final long MAX = BYTES;
    private static final long SUM = 2L * BYTES;
    private static final long ROW = 3L * BYTES;

    private VectorSoftmax() {
    }

    /** One row from one operand to the other; they may be the same. */
    public static void run(Operand in, Operand out, long from, long to, int columns, Scratch<?> memory) {
        boolean direct = in.direct && out.direct && in.columnStride == Float.BYTES && out.columnStride == Float.BYTES;
        MemorySegment scratch = memory.memory(ROW + (direct ? 0 : (long) columns * Float.BYTES));
        if (direct) {
            row(in.segment, from, out.segment, to, columns, scratch);
        } else {
            RowStaging.load(in, from, 1, columns, scratch, ROW, 0);
            row(scratch, ROW, scratch, ROW, columns, scratch);
            RowStaging.store(scratch, ROW, 0, 1, columns, out, to);
        }
    }

    private static void row(MemorySegment in, long from, MemorySegment out, long to, int columns,
            MemorySegment scratch) {
        int vectors = columns / COUNT;
        long whole = (long) vectors * BYTES;
        long tail = (long) columns * Float.BYTES - whole;
        Context.fill(scratch, TAIL, 2, Float.NEGATIVE_INFINITY);
        Context.fill(scratch, SUM, 1, 0);
        MemorySegment.copy(in, from + whole, scratch, TAIL, tail);
        raiseMax(in, from, vectors, scratch);
        raiseMax(scratch, TAIL, 1, scratch);
        float max = FloatVector.fromMemorySegment(F, scratch, MAX, ORDER).reduceLanes(VectorOperators.MAX);
        exponentiate(in, from, out, to, vectors, max, scratch);
        exponentiate(scratch, TAIL, scratch, TAIL, 1, max, scratch);
        float sum = FloatVector.fromMemorySegment(F, scratch, SUM, ORDER).reduceLanes(VectorOperators.ADD);
        scale(out, to, vectors, 1 / sum);
        scale(scratch, TAIL, 1, 1 / sum);
        MemorySegment.copy(scratch, TAIL, out, to + whole, tail);
    }

    private static void raiseMax(MemorySegment in, long from, int vectors, MemorySegment scratch) {
        MemorySegment source = Lanes.requireNative(in);
        MemorySegment memory = Lanes.requireNative(scratch);
        FloatVector m0 = FloatVector.fromMemorySegment(F, memory, MAX, ORDER);
        FloatVector m1 = m0;
        for (int i = 0; i < vectors; i++) {
            FloatVector m = OnlineSoftmax.larger(m1,
                    FloatVector.fromMemorySegment(F, source, from + (long) i * BYTES, ORDER));
            m1 = m0;
            m0 = m;
        }
        OnlineSoftmax.larger(m0, m1).intoMemorySegment(memory, MAX, ORDER);
    }

    private static void exponentiate(MemorySegment in, long from, MemorySegment out, long to, int vectors, float max,
            MemorySegment scratch) {
        MemorySegment source = Lanes.requireNative(in);
        MemorySegment target = Lanes.requireNative(out);
        MemorySegment memory = Lanes.requireNative(scratch);
        FloatVector s0 = FloatVector.fromMemorySegment(F, memory, SUM, ORDER);
        FloatVector s1 = FloatVector.zero(F);
        for (int i = 0; i < vectors; i++) {
            FloatVector weight = Exp
                    .of(FloatVector.fromMemorySegment(F, source, from + (long) i * BYTES, ORDER).sub(max));
            weight.intoMemorySegment(target, to + (long) i * BYTES, ORDER);
            FloatVector s = s1.add(weight);
            s1 = s0;
            s0 = s;
        }
        s0.add(s1).intoMemorySegment(memory, SUM, ORDER);
    }

    private static void scale(MemorySegment out, long to, int vectors, float factor) {
        MemorySegment target = Lanes.requireNative(out);
        for (int i = 0; i < vectors; i++) {
            long at = to + (long) i * BYTES;
            FloatVector.fromMemorySegment(F, target, at, ORDER).mul(factor).intoMemorySegment(target, at, ORDER);
        }
    }
}
