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
 * The softmax of rows of float32: maximum, exponentials and their sum, division. Lanes lie along the row. What does not fill a vector comes
 * first, in scratch, filled up with −∞, whose weight is 0.
 */
public final class VectorSoftmax {
    /** Scratch: the vector that is not full, then the row if it cannot be done in place. */
    private static final long HEAD = 0;
    private static final long ROW = BYTES;

    private VectorSoftmax() {
    }

    /** All rows from one operand to the other; they may be the same. */
    public static void run(Operand in, Operand out, int rows, int columns, Scratch<?> memory) {
        boolean direct = in.direct && out.direct && in.columnStride == Float.BYTES && out.columnStride == Float.BYTES;
        MemorySegment scratch = memory.memory(ROW + (direct ? 0 : (long) columns * Float.BYTES));
        for (int row = 0; row < rows; row++) {
            long from = in.at(0, 0, row);
            long to = out.at(0, 0, row);
            if (direct) {
                row(in.segment, from, out.segment, to, columns, scratch);
            } else {
                RowStaging.load(in, from, 1, columns, scratch, ROW, 0);
                row(scratch, ROW, scratch, ROW, columns, scratch);
                RowStaging.store(scratch, ROW, 0, 1, columns, out, to);
            }
        }
    }

    private static void row(MemorySegment in, long from, MemorySegment out, long to, int columns,
            MemorySegment scratch) {
        int vectors = columns / COUNT;
        long head = (long) (columns % COUNT) * Float.BYTES;
        float max = max(in, from + head, vectors);
        if (head > 0) {
            Context.fill(scratch, HEAD, 1, Float.NEGATIVE_INFINITY);
            MemorySegment.copy(in, from, scratch, HEAD, head);
            max = larger(max(scratch, HEAD, 1), max);
        }
        float sum = exponentiate(in, from + head, out, to + head, vectors, max);
        if (head > 0) {
            sum += exponentiate(scratch, HEAD, scratch, HEAD, 1, max);
            scale(scratch, HEAD, 1, 1 / sum);
            MemorySegment.copy(scratch, HEAD, out, to, head);
        }
        scale(out, to + head, vectors, 1 / sum);
    }

    private static float larger(float a, float b) {
        return a > b ? a : b;
    }

    private static float max(MemorySegment in, long from, int vectors) {
        MemorySegment source = Lanes.requireNative(in);
        FloatVector m0 = FloatVector.broadcast(F, Float.NEGATIVE_INFINITY);
        FloatVector m1 = m0;
        FloatVector m2 = m0;
        FloatVector m3 = m0;
        int i = 0;
        for (; i + 3 < vectors; i += 4) {
            long at = from + (long) i * BYTES;
            m0 = OnlineSoftmax.larger(m0, FloatVector.fromMemorySegment(F, source, at, ORDER));
            m1 = OnlineSoftmax.larger(m1, FloatVector.fromMemorySegment(F, source, at + BYTES, ORDER));
            m2 = OnlineSoftmax.larger(m2, FloatVector.fromMemorySegment(F, source, at + 2 * BYTES, ORDER));
            m3 = OnlineSoftmax.larger(m3, FloatVector.fromMemorySegment(F, source, at + 3 * BYTES, ORDER));
        }
        for (; i < vectors; i++) {
            m0 = OnlineSoftmax.larger(m0, FloatVector.fromMemorySegment(F, source, from + (long) i * BYTES, ORDER));
        }
        return OnlineSoftmax.larger(OnlineSoftmax.larger(m0, m1), OnlineSoftmax.larger(m2, m3))
                .reduceLanes(VectorOperators.MAX);
    }

    private static float exponentiate(MemorySegment in, long from, MemorySegment out, long to, int vectors, float max) {
        MemorySegment source = Lanes.requireNative(in);
        MemorySegment target = Lanes.requireNative(out);
        FloatVector s0 = FloatVector.zero(F);
        FloatVector s1 = s0;
        for (int i = 0; i < vectors; i++) {
            FloatVector weight = Exp
                    .of(FloatVector.fromMemorySegment(F, source, from + (long) i * BYTES, ORDER).sub(max));
            weight.intoMemorySegment(target, to + (long) i * BYTES, ORDER);
            FloatVector s = s1.add(weight);
            s1 = s0;
            s0 = s;
        }
        return s0.add(s1).reduceLanes(VectorOperators.ADD);
    }

    private static void scale(MemorySegment out, long to, int vectors, float factor) {
        MemorySegment target = Lanes.requireNative(out);
        for (int i = 0; i < vectors; i++) {
            long at = to + (long) i * BYTES;
            FloatVector.fromMemorySegment(F, target, at, ORDER).mul(factor).intoMemorySegment(target, at, ORDER);
        }
    }
}
