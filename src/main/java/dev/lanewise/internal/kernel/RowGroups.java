package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.COUNT;
import static dev.lanewise.internal.kernel.Lanes.F;
import static dev.lanewise.internal.kernel.Lanes.I;
import static dev.lanewise.internal.kernel.Lanes.ORDER;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * The online softmax of {@link OnlineSoftmax} for rows of scores with keys in lanes. A group is one row of whole vectors, or, where a row has
 * no more than a half or a quarter of a vector, one vector of rows. Maxima and factors stand in every lane of their row, so that nothing ever leaves
 * the vectors.
 */
final class RowGroups {
    private RowGroups() {
    }

    /**
     * Leaves the maxima from before, and raises them; after a NaN they mean nothing, and the sum is NaN. Four take turns.
     *
     * @param scores the byte of the first group's scores, the others next to them
     * @param groups how many
     * @param vectors vectors in a group
     * @param width floats in a row, at most a whole vector
     * @param max the byte of the maxima, a vector a group
     * @param before the byte where those from before are left
     */
    static void raiseMax(MemorySegment scratch, long scores, int groups, int vectors, int width, long max,
            long before) {
        MemorySegment memory = Lanes.requireNative(scratch);
        long at = scores;
        for (int g = 0; g < groups; g++) {
            FloatVector m0 = FloatVector.fromMemorySegment(F, memory, max + (long) g * BYTES, ORDER);
            m0.intoMemorySegment(memory, before + (long) g * BYTES, ORDER);
            FloatVector m1 = m0;
            FloatVector m2 = m0;
            FloatVector m3 = m0;
            for (int v = 0; v < vectors; v++) {
                FloatVector s = FloatVector.fromMemorySegment(F, memory, at, ORDER);
                FloatVector m = s.blend(m3, s.compare(VectorOperators.LT, m3));
                m3 = m2;
                m2 = m1;
                m1 = m0;
                m0 = m;
                at += BYTES;
            }
            m0 = m0.blend(m1, m1.compare(VectorOperators.GT, m0));
            m2 = m2.blend(m3, m3.compare(VectorOperators.GT, m2));
            m0 = m0.blend(m2, m2.compare(VectorOperators.GT, m0));
            m1 = m0.rearrange(Transpose.XOR1);
            m0 = m0.blend(m1, m1.compare(VectorOperators.GT, m0));
            m1 = m0.rearrange(Transpose.XOR2);
            m0 = m0.blend(m1, m1.compare(VectorOperators.GT, m0));
            if (COUNT > 4 && width > 4) {
                m1 = m0.rearrange(Transpose.XOR4);
                m0 = m0.blend(m1, m1.compare(VectorOperators.GT, m0));
            }
            if (COUNT > 8 && width > 8) {
                m1 = m0.rearrange(Transpose.XOR8);
                m0 = m0.blend(m1, m1.compare(VectorOperators.GT, m0));
            }
            m0.intoMemorySegment(memory, max + (long) g * BYTES, ORDER);
        }
    }

    /**
     * Turns scores into weights. What {@link Exp} explains is written out here.
     *
     * @param fresh whether there are no sums from before
     * @param before the byte of the maxima from before; unless fresh, they become the factors for what was there
     * @param sums the byte of the sums of weights, a vector a group, whose lanes are still to be added up
     * @param reciprocals the byte where one over the sum of each row is left
     */
    static void exponentiate(MemorySegment scratch, long scores, int groups, int vectors, int width, boolean fresh,
            long max, long before, long sums, long reciprocals) {
        MemorySegment memory = Lanes.requireNative(scratch);
        FloatVector one = FloatVector.broadcast(F, 1);
        IntVector roots = IntVector.fromMemorySegment(I, Exp.TABLE, Exp.ROOTS, ORDER);
        long next = scores;
        for (int g = 0; g < groups; g++) {
            long group = (long) g * BYTES;
            FloatVector top = FloatVector.fromMemorySegment(F, memory, max + group, ORDER);
            FloatVector shift = top.blend(0, top.compare(VectorOperators.EQ, Float.NEGATIVE_INFINITY));
            FloatVector total = FloatVector.zero(F);
            FloatVector times = one;
            long at = before + group;
            int first = 0;
            if (fresh) {
                at = next;
                next += BYTES;
                first = 1;
            } else {
                times = FloatVector.fromMemorySegment(F, memory, sums + group, ORDER);
            }
            for (int v = first; v <= vectors; v++) {
                FloatVector x = FloatVector.fromMemorySegment(F, memory, at, ORDER).sub(shift);
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
                weight.intoMemorySegment(memory, at, ORDER);
                total = weight.fma(times, total);
                times = one;
                at = next;
                next += BYTES;
            }
            next = at;
            total.intoMemorySegment(memory, sums + group, ORDER);
            if (COUNT > 8 && width > 8) {
                total = total.add(total.rearrange(Transpose.XOR8));
            }
            if (COUNT > 4 && width > 4) {
                total = total.add(total.rearrange(Transpose.XOR4));
            }
            total = total.add(total.rearrange(Transpose.XOR2));
            total = total.add(total.rearrange(Transpose.XOR1));
            one.div(total).intoMemorySegment(memory, reciprocals + group, ORDER);
        }
    }
}
