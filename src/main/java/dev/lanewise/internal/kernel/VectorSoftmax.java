package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.COUNT;
import static dev.lanewise.internal.kernel.Lanes.F;
import static dev.lanewise.internal.kernel.Lanes.FLOAT;
import static dev.lanewise.internal.kernel.Lanes.ORDER;

import dev.lanewise.internal.memory.Operand;
import dev.lanewise.internal.memory.Scratch;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/** The softmax of contiguous float32 rows: maximum, exponentials and their sum, division. Lanes lie along the row. */
public final class VectorSoftmax {
    private VectorSoftmax() {
    }

    /** Rows of the operands from one to the other; they may be the same. */
    public static void run(Operand in, Operand out, long from, long to, int columns, Scratch<?> memory) {
        if (in.direct && out.direct && in.columnStride == Float.BYTES && out.columnStride == Float.BYTES) {
            row(in.segment, from, out.segment, to, columns);
        } else {
            MemorySegment scratch = memory.memory((long) columns * Float.BYTES);
            RowStaging.load(in, from, 1, columns, scratch, 0, 0);
            row(scratch, 0, scratch, 0, columns);
            RowStaging.store(scratch, 0, 0, 1, columns, out, to);
        }
    }

    private static void row(MemorySegment in, long from, MemorySegment out, long to, int columns) {
        float max = max(in, from, columns);
        float sum = exponentiate(in, from, out, to, columns, max);
        scale(out, to, columns, 1 / sum);
    }

    private static float max(MemorySegment in, long from, int columns) {
        MemorySegment source = Lanes.requireNative(in);
        FloatVector m0 = FloatVector.broadcast(F, Float.NEGATIVE_INFINITY);
        FloatVector m1 = m0;
        int c = 0;
        for (; c + 2 * COUNT <= columns; c += 2 * COUNT) {
            m0 = OnlineSoftmax.larger(m0, FloatVector.fromMemorySegment(F, source, from + c * 4L, ORDER));
            m1 = OnlineSoftmax.larger(m1, FloatVector.fromMemorySegment(F, source, from + c * 4L + BYTES, ORDER));
        }
        float max = OnlineSoftmax.larger(m0, m1).reduceLanes(VectorOperators.MAX);
        for (; c < columns; c++) {
            float x = source.get(FLOAT, from + c * 4L);
            max = x > max ? x : max;
        }
        return max;
    }

    private static float exponentiate(MemorySegment in, long from, MemorySegment out, long to, int columns, float max) {
        MemorySegment source = Lanes.requireNative(in);
        MemorySegment target = Lanes.requireNative(out);
        FloatVector shift = FloatVector.broadcast(F, max);
        FloatVector s0 = FloatVector.zero(F);
        FloatVector s1 = s0;
        int c = 0;
        for (; c + 2 * COUNT <= columns; c += 2 * COUNT) {
            FloatVector w0 = OnlineSoftmax.weight(FloatVector.fromMemorySegment(F, source, from + c * 4L, ORDER),
                    shift);
            FloatVector w1 = OnlineSoftmax
                    .weight(FloatVector.fromMemorySegment(F, source, from + c * 4L + BYTES, ORDER), shift);
            w0.intoMemorySegment(target, to + c * 4L, ORDER);
            w1.intoMemorySegment(target, to + c * 4L + BYTES, ORDER);
            s0 = s0.add(w0);
            s1 = s1.add(w1);
        }
        for (; c < columns; c += COUNT) {
            VectorMask<Float> inside = F.indexInRange(c, columns);
            FloatVector x = FloatVector.fromMemorySegment(F, source, from + c * 4L, ORDER, inside);
            FloatVector w0 = OnlineSoftmax.weight(x, shift);
            w0.intoMemorySegment(target, to + c * 4L, ORDER, inside);
            s0 = s0.add(w0.blend(0, inside.not()));
        }
        return s0.add(s1).reduceLanes(VectorOperators.ADD);
    }

    private static void scale(MemorySegment out, long to, int columns, float factor) {
        MemorySegment target = Lanes.requireNative(out);
        int c = 0;
        for (; c + COUNT <= columns; c += COUNT) {
            FloatVector.fromMemorySegment(F, target, to + c * 4L, ORDER)
                    .mul(factor)
                    .intoMemorySegment(target, to + c * 4L, ORDER);
        }
        for (; c < columns; c++) {
            target.set(FLOAT, to + c * 4L, target.get(FLOAT, to + c * 4L) * factor);
        }
    }
}
