package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.COUNT;
import static dev.lanewise.internal.kernel.Lanes.F;
import static dev.lanewise.internal.kernel.Lanes.FLOAT;
import static dev.lanewise.internal.kernel.Lanes.I;
import static dev.lanewise.internal.kernel.Lanes.ORDER;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * The online softmax of {@link OnlineSoftmax} along rows of scores (queries × keys): keys lie in lanes. Each row has a running maximum, and as
 * many running sums as there are lanes, which are added up once, at the end.
 *
 * <p>A vector that a loop carries is an argument, never what a method is called on: without a profile of the call C2 does not know its class
 * once vectors of other widths are loaded, and boxes it.
 */
final class RowSoftmax {
    private RowSoftmax() {
    }

    /** Raises the running maximum of one row to that of its scores, whole vectors of them. NaN raises nothing. Four maxima take turns. */
    static void raiseMax(MemorySegment row, long scores, int vectors, MemorySegment scratch, long max) {
        MemorySegment from = Lanes.requireNative(row);
        MemorySegment memory = Lanes.requireNative(scratch);
        FloatVector before = FloatVector.broadcast(F, memory.get(FLOAT, max));
        FloatVector m0 = before;
        FloatVector m1 = m0;
        FloatVector m2 = m0;
        FloatVector m3 = m0;
        for (int v = 0; v < vectors; v++) {
            FloatVector s = FloatVector.fromMemorySegment(F, from, scores + (long) v * BYTES, ORDER);
            FloatVector m = s.blend(m3, s.compare(VectorOperators.GT, m3).not());
            m3 = m2;
            m2 = m1;
            m1 = m0;
            m0 = m;
        }
        FloatVector top = before.blend(m0, before.compare(VectorOperators.LT, m0));
        top = top.blend(m1, top.compare(VectorOperators.LT, m1));
        top = top.blend(m2, top.compare(VectorOperators.LT, m2));
        top = top.blend(m3, top.compare(VectorOperators.LT, m3));
        memory.set(FLOAT, max, top.reduceLanes(VectorOperators.MAX));
    }

    /** factor = e^(before − max), row by row. Scalar: there are one or two vectors of them a call. */
    static void factors(MemorySegment scratch, long before, long max, long factors, int rows) {
        MemorySegment memory = Lanes.requireNative(scratch);
        for (long at = 0; at < rows * 4L; at += 4) {
            float top = memory.get(FLOAT, max + at);
            float shift = top == Float.NEGATIVE_INFINITY ? 0 : top;
            memory.set(FLOAT, factors + at, (float) Math.exp(memory.get(FLOAT, before + at) - shift));
        }
    }

    /**
     * Turns the scores of one row into weights, in place or elsewhere, and adds them to its sums. What {@link Exp} explains is written out
     * here.
     */
    static void exponentiate(MemorySegment row, long scores, MemorySegment out, long weights, int vectors,
            MemorySegment scratch, long max, long factor, long sums) {
        MemorySegment from = Lanes.requireNative(row);
        MemorySegment to = Lanes.requireNative(out);
        MemorySegment memory = Lanes.requireNative(scratch);
        float top = memory.get(FLOAT, max);
        FloatVector shift = FloatVector.broadcast(F, top == Float.NEGATIVE_INFINITY ? 0 : top);
        FloatVector sum = FloatVector.fromMemorySegment(F, memory, sums, ORDER).mul(memory.get(FLOAT, factor));
        FloatVector one = FloatVector.broadcast(F, 1);
        IntVector roots = IntVector.fromMemorySegment(I, Exp.TABLE, Exp.ROOTS, ORDER);
        for (int v = 0; v < vectors; v++) {
            long lane = (long) v * BYTES;
            FloatVector x = FloatVector.fromMemorySegment(F, from, scores + lane, ORDER).sub(shift);
            FloatVector shifted = x.fma(FloatVector.broadcast(F, Exp.LOG2E), FloatVector.broadcast(F, Exp.SHIFTER));
            FloatVector f = shifted.sub(Exp.SHIFTER).fma(FloatVector.broadcast(F, Exp.MINUS_LN2), x);
            FloatVector c3 = FloatVector.broadcast(F, Exp.C3);
            FloatVector high = Exp.QUARTIC ? FloatVector.broadcast(F, Exp.C4).fma(f, c3) : c3;
            FloatVector t = high.fma(f, FloatVector.broadcast(F, Exp.C2)).fma(f, one).mul(f);
            IntVector steps = shifted.reinterpretAsInts();
            FloatVector scale = steps.lanewise(VectorOperators.LSHL, Exp.EXPONENT_SHIFT)
                    .add(steps.selectFrom(roots))
                    .reinterpretAsFloats();
            FloatVector weight = t.fma(scale, scale).blend(0, x.compare(VectorOperators.LT, Exp.LOWEST));
            weight.intoMemorySegment(to, weights + lane, ORDER);
            sum = weight.add(sum);
        }
        sum.intoMemorySegment(memory, sums, ORDER);
    }

    /** The sum of one row: that of its lanes, in their order. */
    static float total(MemorySegment scratch, long sums) {
        double total = 0;
        for (int lane = 0; lane < COUNT; lane++) {
            total += scratch.get(FLOAT, sums + lane * 4L);
        }
        return (float) total;
    }

    /** to = from·factor, so many vectors; plus 0, so that a −0 is 0 whether or not it was {@linkplain #combine combined} with nothing. */
    static void normalize(MemorySegment scratch, long from, float factor, int vectors, MemorySegment target, long to) {
        MemorySegment memory = Lanes.requireNative(scratch);
        MemorySegment out = Lanes.requireNative(target);
        FloatVector factors = FloatVector.broadcast(F, factor);
        FloatVector zero = FloatVector.zero(F);
        for (int v = 0; v < vectors; v++) {
            long lane = (long) v * BYTES;
            FloatVector.fromMemorySegment(F, memory, from + lane, ORDER)
                    .fma(factors, zero)
                    .intoMemorySegment(out, to + lane, ORDER);
        }
    }

    /** to = to·a + from·b, so many vectors. */
    static void combine(MemorySegment scratch, long to, float a, long from, float b, int vectors) {
        MemorySegment memory = Lanes.requireNative(scratch);
        for (int v = 0; v < vectors; v++) {
            long lane = (long) v * BYTES;
            FloatVector scaled = FloatVector.fromMemorySegment(F, memory, to + lane, ORDER).mul(a);
            FloatVector.fromMemorySegment(F, memory, from + lane, ORDER)
                    .fma(FloatVector.broadcast(F, b), scaled)
                    .intoMemorySegment(memory, to + lane, ORDER);
        }
    }
}
