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
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * The passes of {@link VectorSoftmax} over a group of rows, whole vectors of each. Each row has one vector of maxima and one of sums in
 * scratch; the reductions across lanes leave their result in all lanes, in an order that does not depend on the compiler.
 */
final class RowWeights {
    private RowWeights() {
    }

    /**
     * Raises the maxima of each lane. Where all are negative as integers, the least integer is the largest float, else the largest is: two
     * operations of one cycle, where a comparison and a blend take seven. A NaN without a sign counts as more than ∞, one with a sign raises
     * nothing; either makes the whole row NaN.
     */
    static void raise(MemorySegment in, long at, long row, int rows, int vectors, MemorySegment scratch, long max) {
        MemorySegment from = Lanes.requireNative(in);
        MemorySegment memory = Lanes.requireNative(scratch);
        IntVector zero = IntVector.zero(I);
        for (int r = 0; r < rows; r++) {
            IntVector largest = FloatVector.fromMemorySegment(F, memory, max, ORDER).reinterpretAsInts();
            IntVector least = largest;
            for (int v = 0; v < vectors; v++) {
                IntVector x = FloatVector.fromMemorySegment(F, from, at + (long) v * BYTES, ORDER).reinterpretAsInts();
                largest = x.max(largest);
                least = x.min(least);
            }
            zero.or(largest)
                    .blend(least, zero.compare(VectorOperators.GT, largest))
                    .reinterpretAsFloats()
                    .intoMemorySegment(memory, max, ORDER);
            at += row;
            max += BYTES;
        }
    }

    /** The largest lane of each row's vector, or 0 where that is −∞. Leaves −∞ in the vectors, for other rows to raise. */
    static void reduceMaxima(MemorySegment scratch, long max, int rows, long tops) {
        MemorySegment memory = Lanes.requireNative(scratch);
        FloatVector lowest = FloatVector.broadcast(F, Float.NEGATIVE_INFINITY);
        for (int r = 0; r < rows; r++) {
            FloatVector m = FloatVector.fromMemorySegment(F, memory, max, ORDER);
            FloatVector other = m.rearrange(Transpose.XOR1);
            m = m.blend(other, other.compare(VectorOperators.GT, m));
            other = m.rearrange(Transpose.XOR2);
            m = m.blend(other, other.compare(VectorOperators.GT, m));
            if (COUNT >= 8) {
                other = m.rearrange(Transpose.XOR4);
                m = m.blend(other, other.compare(VectorOperators.GT, m));
            }
            if (COUNT >= 16) {
                other = m.rearrange(Transpose.XOR8);
                m = m.blend(other, other.compare(VectorOperators.GT, m));
            }
            m.blend(0, m.compare(VectorOperators.EQ, Float.NEGATIVE_INFINITY)).intoMemorySegment(memory, tops, ORDER);
            lowest.intoMemorySegment(memory, max, ORDER);
            max += BYTES;
            tops += Float.BYTES;
        }
    }

    /**
     * Turns scores into weights, in place or elsewhere, and adds them to the sums. What {@link Exp} explains is written out here.
     */
    static void exponentiate(MemorySegment in, long at, long row, MemorySegment out, long to, long toRow, int rows,
            int vectors, MemorySegment scratch, long tops, long sums) {
        MemorySegment from = Lanes.requireNative(in);
        MemorySegment target = Lanes.requireNative(out);
        MemorySegment memory = Lanes.requireNative(scratch);
        FloatVector log2e = FloatVector.broadcast(F, Exp.LOG2E);
        FloatVector shifter = FloatVector.broadcast(F, Exp.SHIFTER);
        FloatVector minusLn2 = FloatVector.broadcast(F, Exp.MINUS_LN2);
        FloatVector c2 = FloatVector.broadcast(F, Exp.C2);
        FloatVector c3 = FloatVector.broadcast(F, Exp.C3);
        FloatVector c4 = FloatVector.broadcast(F, Exp.C4);
        FloatVector one = FloatVector.broadcast(F, 1);
        IntVector roots = IntVector.fromMemorySegment(I, Exp.TABLE, Exp.ROOTS, ORDER);
        for (int r = 0; r < rows; r++) {
            FloatVector shift = FloatVector.broadcast(F, memory.get(FLOAT, tops));
            FloatVector sum = FloatVector.fromMemorySegment(F, memory, sums, ORDER);
            for (int v = 0; v < vectors; v++) {
                long lane = (long) v * BYTES;
                FloatVector x = FloatVector.fromMemorySegment(F, from, at + lane, ORDER).sub(shift);
                FloatVector shifted = x.fma(log2e, shifter);
                FloatVector f = shifted.sub(shifter).fma(minusLn2, x);
                FloatVector high = Exp.QUARTIC ? c4.fma(f, c3) : c3;
                FloatVector t = high.fma(f, c2).fma(f, one).mul(f);
                IntVector steps = shifted.reinterpretAsInts();
                FloatVector scale = steps.lanewise(VectorOperators.LSHL, Exp.EXPONENT_SHIFT)
                        .add(steps.selectFrom(roots))
                        .reinterpretAsFloats();
                FloatVector weight = t.fma(scale, scale).blend(0, x.compare(VectorOperators.LT, Exp.LOWEST));
                weight.intoMemorySegment(target, to + lane, ORDER);
                sum = weight.add(sum);
            }
            sum.intoMemorySegment(memory, sums, ORDER);
            at += row;
            to += toRow;
            tops += Float.BYTES;
            sums += BYTES;
        }
    }

    /**
     * {@link #exponentiate}, and in the same loop, which waits for arithmetic, {@link #raise} for as many rows behind these as {@code ahead}
     * says, which waits for memory. Of the others what is left for a maximum means nothing.
     */
    static void exponentiateAhead(MemorySegment in, long at, long row, MemorySegment out, long to, long toRow, int rows,
            int vectors, MemorySegment scratch, long tops, long sums, int ahead, long nextMax) {
        MemorySegment from = Lanes.requireNative(in);
        MemorySegment target = Lanes.requireNative(out);
        MemorySegment memory = Lanes.requireNative(scratch);
        IntVector zero = IntVector.zero(I);
        FloatVector log2e = FloatVector.broadcast(F, Exp.LOG2E);
        FloatVector shifter = FloatVector.broadcast(F, Exp.SHIFTER);
        FloatVector minusLn2 = FloatVector.broadcast(F, Exp.MINUS_LN2);
        FloatVector c2 = FloatVector.broadcast(F, Exp.C2);
        FloatVector c3 = FloatVector.broadcast(F, Exp.C3);
        FloatVector c4 = FloatVector.broadcast(F, Exp.C4);
        FloatVector one = FloatVector.broadcast(F, 1);
        IntVector roots = IntVector.fromMemorySegment(I, Exp.TABLE, Exp.ROOTS, ORDER);
        for (int r = 0; r < rows; r++) {
            FloatVector shift = FloatVector.broadcast(F, memory.get(FLOAT, tops));
            FloatVector sum = FloatVector.fromMemorySegment(F, memory, sums, ORDER);
            long next = r < ahead ? at + rows * row : at;
            IntVector largest = FloatVector.fromMemorySegment(F, memory, nextMax, ORDER).reinterpretAsInts();
            IntVector least = largest;
            for (int v = 0; v < vectors; v++) {
                long lane = (long) v * BYTES;
                FloatVector x = FloatVector.fromMemorySegment(F, from, at + lane, ORDER).sub(shift);
                FloatVector shifted = x.fma(log2e, shifter);
                FloatVector f = shifted.sub(shifter).fma(minusLn2, x);
                FloatVector high = Exp.QUARTIC ? c4.fma(f, c3) : c3;
                FloatVector t = high.fma(f, c2).fma(f, one).mul(f);
                IntVector steps = shifted.reinterpretAsInts();
                FloatVector scale = steps.lanewise(VectorOperators.LSHL, Exp.EXPONENT_SHIFT)
                        .add(steps.selectFrom(roots))
                        .reinterpretAsFloats();
                FloatVector weight = t.fma(scale, scale).blend(0, x.compare(VectorOperators.LT, Exp.LOWEST));
                weight.intoMemorySegment(target, to + lane, ORDER);
                sum = weight.add(sum);
                IntVector score = FloatVector.fromMemorySegment(F, from, next + lane, ORDER).reinterpretAsInts();
                largest = score.max(largest);
                least = score.min(least);
            }
            zero.or(largest)
                    .blend(least, zero.compare(VectorOperators.GT, largest))
                    .reinterpretAsFloats()
                    .intoMemorySegment(memory, nextMax, ORDER);
            nextMax += BYTES;
            sum.intoMemorySegment(memory, sums, ORDER);
            at += row;
            to += toRow;
            tops += Float.BYTES;
            sums += BYTES;
        }
    }

    /** The reciprocal of the sum of each row's vector. */
    static void invertSums(MemorySegment scratch, long sums, int rows, long factors) {
        MemorySegment memory = Lanes.requireNative(scratch);
        FloatVector one = FloatVector.broadcast(F, 1);
        for (int r = 0; r < rows; r++) {
            FloatVector sum = FloatVector.fromMemorySegment(F, memory, sums, ORDER);
            sum = sum.add(sum.rearrange(Transpose.XOR1));
            sum = sum.add(sum.rearrange(Transpose.XOR2));
            if (COUNT >= 8) {
                sum = sum.add(sum.rearrange(Transpose.XOR4));
            }
            if (COUNT >= 16) {
                sum = sum.add(sum.rearrange(Transpose.XOR8));
            }
            one.div(sum).intoMemorySegment(memory, factors, ORDER);
            sums += BYTES;
            factors += Float.BYTES;
        }
    }

    /** Multiplies each row by its factor. */
    static void scale(MemorySegment out, long to, long row, int rows, int vectors, MemorySegment scratch,
            long factors) {
        MemorySegment target = Lanes.requireNative(out);
        MemorySegment memory = Lanes.requireNative(scratch);
        for (int r = 0; r < rows; r++) {
            FloatVector factor = FloatVector.broadcast(F, memory.get(FLOAT, factors));
            for (int v = 0; v < vectors; v++) {
                long lane = to + (long) v * BYTES;
                FloatVector.fromMemorySegment(F, target, lane, ORDER)
                        .mul(factor)
                        .intoMemorySegment(target, lane, ORDER);
            }
            to += row;
            factors += Float.BYTES;
        }
    }

    /** The last vector of each row, without its first lanes. */
    static void takeTails(MemorySegment in, long at, long row, int rows, int without, MemorySegment scratch,
            long tails) {
        MemorySegment from = Lanes.requireNative(in);
        MemorySegment memory = Lanes.requireNative(scratch);
        VectorMask<Float> hidden = Lanes.IOTA.compare(VectorOperators.LT, without);
        for (int r = 0; r < rows; r++) {
            FloatVector.fromMemorySegment(F, from, at, ORDER)
                    .blend(Float.NEGATIVE_INFINITY, hidden)
                    .intoMemorySegment(memory, tails, ORDER);
            at += row;
            tails += BYTES;
        }
    }

    /** The same back. */
    static void putTails(MemorySegment scratch, long tails, MemorySegment out, long to, long row, int rows,
            int without) {
        MemorySegment memory = Lanes.requireNative(scratch);
        MemorySegment target = Lanes.requireNative(out);
        VectorMask<Float> hidden = Lanes.IOTA.compare(VectorOperators.LT, without);
        for (int r = 0; r < rows; r++) {
            FloatVector.fromMemorySegment(F, memory, tails, ORDER)
                    .blend(FloatVector.fromMemorySegment(F, target, to, ORDER), hidden)
                    .intoMemorySegment(target, to, ORDER);
            to += row;
            tails += BYTES;
        }
    }
}
