package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.F;
import static dev.lanewise.internal.kernel.Lanes.FLOAT;
import static dev.lanewise.internal.kernel.Lanes.I;
import static dev.lanewise.internal.kernel.Lanes.ORDER;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * The weights of rows of exactly eight vectors of 16 lanes, with the bits that {@link QuadWeights} and {@link RowWeights} give them. They wait in registers
 * until the sum of their row is known, and are divided by it beside the exponentials of the next row, which have no use for the units while the
 * sum goes across lanes and through a division: 0.86 of the time of 2048 rows of 128 with 16 lanes, where a row after the other is 0.93. Each
 * vector is written out, since names that are handed on in a loop are moves: 1.02 with four vectors a turn, 2.2 with one.
 */
final class EightVectorWeights {
    private EightVectorWeights() {
    }

    /**
     * Turns rows of scores into their softmax, in place or elsewhere.
     *
     * @param tops the byte in scratch where a float a row is what {@link QuadWeights#reduceMaxima} leaves
     */
    static void normalise(MemorySegment in, long at, long row, MemorySegment out, long to, long toRow, int rows,
            MemorySegment scratch, long tops) {
        MemorySegment from = Lanes.requireNative(in);
        MemorySegment target = Lanes.requireNative(out);
        MemorySegment memory = Lanes.requireNative(scratch);
        FloatVector log2e = FloatVector.fromMemorySegment(F, Exp.TABLE, 0, ORDER);
        FloatVector shifter = FloatVector.fromMemorySegment(F, Exp.TABLE, BYTES, ORDER);
        FloatVector minusLn2 = FloatVector.fromMemorySegment(F, Exp.TABLE, 2 * BYTES, ORDER);
        FloatVector c2 = FloatVector.fromMemorySegment(F, Exp.TABLE, 3 * BYTES, ORDER);
        FloatVector c3 = FloatVector.fromMemorySegment(F, Exp.TABLE, 4 * BYTES, ORDER);
        FloatVector lowest = FloatVector.fromMemorySegment(F, Exp.TABLE, 6 * BYTES, ORDER);
        FloatVector zero = FloatVector.fromMemorySegment(F, Exp.TABLE, 7 * BYTES, ORDER);
        FloatVector one = FloatVector.fromMemorySegment(F, Exp.TABLE, 8 * BYTES, ORDER);
        IntVector roots = IntVector.fromMemorySegment(I, Exp.TABLE, Exp.ROOTS, ORDER);
        FloatVector weight0 = zero;
        FloatVector weight1 = zero;
        FloatVector weight2 = zero;
        FloatVector weight3 = zero;
        FloatVector weight4 = zero;
        FloatVector weight5 = zero;
        FloatVector weight6 = zero;
        FloatVector weight7 = zero;
        // In the first turn the row before is one of zeros, and lies where the first will lie.
        FloatVector factor = one;
        long before = to;
        for (int r = 0; r < rows; r++) {
            FloatVector shift = FloatVector.broadcast(F, memory.get(FLOAT, tops));
            FloatVector x = FloatVector.fromMemorySegment(F, from, at, ORDER).sub(shift);
            FloatVector shifted = x.fma(log2e, shifter);
            FloatVector f = shifted.sub(shifter).fma(minusLn2, x);
            FloatVector t = c3.fma(f, c2).fma(f, one).mul(f);
            IntVector steps = shifted.reinterpretAsInts();
            FloatVector scale = steps.lanewise(VectorOperators.LSHL, Exp.EXPONENT_SHIFT)
                    .add(steps.selectFrom(roots))
                    .reinterpretAsFloats();
            factor.mul(weight0).intoMemorySegment(target, before, ORDER);
            weight0 = t.fma(scale, scale).blend(zero, x.compare(VectorOperators.LT, lowest));
            FloatVector sum = weight0;
            x = FloatVector.fromMemorySegment(F, from, at + BYTES, ORDER).sub(shift);
            shifted = x.fma(log2e, shifter);
            f = shifted.sub(shifter).fma(minusLn2, x);
            t = c3.fma(f, c2).fma(f, one).mul(f);
            steps = shifted.reinterpretAsInts();
            scale = steps.lanewise(VectorOperators.LSHL, Exp.EXPONENT_SHIFT)
                    .add(steps.selectFrom(roots))
                    .reinterpretAsFloats();
            factor.mul(weight1).intoMemorySegment(target, before + BYTES, ORDER);
            weight1 = t.fma(scale, scale).blend(zero, x.compare(VectorOperators.LT, lowest));
            sum = weight1.add(sum);
            x = FloatVector.fromMemorySegment(F, from, at + 2 * BYTES, ORDER).sub(shift);
            shifted = x.fma(log2e, shifter);
            f = shifted.sub(shifter).fma(minusLn2, x);
            t = c3.fma(f, c2).fma(f, one).mul(f);
            steps = shifted.reinterpretAsInts();
            scale = steps.lanewise(VectorOperators.LSHL, Exp.EXPONENT_SHIFT)
                    .add(steps.selectFrom(roots))
                    .reinterpretAsFloats();
            factor.mul(weight2).intoMemorySegment(target, before + 2 * BYTES, ORDER);
            weight2 = t.fma(scale, scale).blend(zero, x.compare(VectorOperators.LT, lowest));
            sum = weight2.add(sum);
            x = FloatVector.fromMemorySegment(F, from, at + 3 * BYTES, ORDER).sub(shift);
            shifted = x.fma(log2e, shifter);
            f = shifted.sub(shifter).fma(minusLn2, x);
            t = c3.fma(f, c2).fma(f, one).mul(f);
            steps = shifted.reinterpretAsInts();
            scale = steps.lanewise(VectorOperators.LSHL, Exp.EXPONENT_SHIFT)
                    .add(steps.selectFrom(roots))
                    .reinterpretAsFloats();
            factor.mul(weight3).intoMemorySegment(target, before + 3 * BYTES, ORDER);
            weight3 = t.fma(scale, scale).blend(zero, x.compare(VectorOperators.LT, lowest));
            sum = weight3.add(sum);
            x = FloatVector.fromMemorySegment(F, from, at + 4 * BYTES, ORDER).sub(shift);
            shifted = x.fma(log2e, shifter);
            f = shifted.sub(shifter).fma(minusLn2, x);
            t = c3.fma(f, c2).fma(f, one).mul(f);
            steps = shifted.reinterpretAsInts();
            scale = steps.lanewise(VectorOperators.LSHL, Exp.EXPONENT_SHIFT)
                    .add(steps.selectFrom(roots))
                    .reinterpretAsFloats();
            factor.mul(weight4).intoMemorySegment(target, before + 4 * BYTES, ORDER);
            weight4 = t.fma(scale, scale).blend(zero, x.compare(VectorOperators.LT, lowest));
            sum = weight4.add(sum);
            x = FloatVector.fromMemorySegment(F, from, at + 5 * BYTES, ORDER).sub(shift);
            shifted = x.fma(log2e, shifter);
            f = shifted.sub(shifter).fma(minusLn2, x);
            t = c3.fma(f, c2).fma(f, one).mul(f);
            steps = shifted.reinterpretAsInts();
            scale = steps.lanewise(VectorOperators.LSHL, Exp.EXPONENT_SHIFT)
                    .add(steps.selectFrom(roots))
                    .reinterpretAsFloats();
            factor.mul(weight5).intoMemorySegment(target, before + 5 * BYTES, ORDER);
            weight5 = t.fma(scale, scale).blend(zero, x.compare(VectorOperators.LT, lowest));
            sum = weight5.add(sum);
            x = FloatVector.fromMemorySegment(F, from, at + 6 * BYTES, ORDER).sub(shift);
            shifted = x.fma(log2e, shifter);
            f = shifted.sub(shifter).fma(minusLn2, x);
            t = c3.fma(f, c2).fma(f, one).mul(f);
            steps = shifted.reinterpretAsInts();
            scale = steps.lanewise(VectorOperators.LSHL, Exp.EXPONENT_SHIFT)
                    .add(steps.selectFrom(roots))
                    .reinterpretAsFloats();
            factor.mul(weight6).intoMemorySegment(target, before + 6 * BYTES, ORDER);
            weight6 = t.fma(scale, scale).blend(zero, x.compare(VectorOperators.LT, lowest));
            sum = weight6.add(sum);
            x = FloatVector.fromMemorySegment(F, from, at + 7 * BYTES, ORDER).sub(shift);
            shifted = x.fma(log2e, shifter);
            f = shifted.sub(shifter).fma(minusLn2, x);
            t = c3.fma(f, c2).fma(f, one).mul(f);
            steps = shifted.reinterpretAsInts();
            scale = steps.lanewise(VectorOperators.LSHL, Exp.EXPONENT_SHIFT)
                    .add(steps.selectFrom(roots))
                    .reinterpretAsFloats();
            factor.mul(weight7).intoMemorySegment(target, before + 7 * BYTES, ORDER);
            weight7 = t.fma(scale, scale).blend(zero, x.compare(VectorOperators.LT, lowest));
            sum = weight7.add(sum);
            sum = sum.add(sum.rearrange(Transpose.XOR1));
            sum = sum.add(sum.rearrange(Transpose.XOR2));
            sum = sum.add(sum.rearrange(Transpose.XOR4));
            sum = sum.add(sum.rearrange(Transpose.XOR8));
            factor = one.div(sum);
            before = to;
            at += row;
            to += toRow;
            tops += Float.BYTES;
        }
        factor.mul(weight0).intoMemorySegment(target, before, ORDER);
        factor.mul(weight1).intoMemorySegment(target, before + BYTES, ORDER);
        factor.mul(weight2).intoMemorySegment(target, before + 2 * BYTES, ORDER);
        factor.mul(weight3).intoMemorySegment(target, before + 3 * BYTES, ORDER);
        factor.mul(weight4).intoMemorySegment(target, before + 4 * BYTES, ORDER);
        factor.mul(weight5).intoMemorySegment(target, before + 5 * BYTES, ORDER);
        factor.mul(weight6).intoMemorySegment(target, before + 6 * BYTES, ORDER);
        factor.mul(weight7).intoMemorySegment(target, before + 7 * BYTES, ORDER);
    }
}
