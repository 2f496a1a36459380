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
 * The passes of {@link RowWeights} for short rows, four at a time, with the same bits. There a row costs more than its vectors do: C2 sets loops
 * before and after every counted loop, and works out what bounds checks they leave out, 40 cycles a row and pass. So rows pass in step, and how far
 * a loop steps is an argument, which makes it no counted loop: three instructions check an access. Where checks are left, C2
 * makes constants afresh in every turn; so those of {@link Exp} are loaded from memory. Reductions across lanes transpose as they go.
 */
final class QuadWeights {
    /** Rows at a time. */
    static final int ROWS = 4;
    private static final int MINUS_INFINITY = Float.floatToRawIntBits(Float.NEGATIVE_INFINITY);

    private QuadWeights() {
    }

    /**
     * The maxima of each lane of four rows.
     *
     * @param step bytes in a vector
     * @param max the byte where four vectors of maxima are left
     */
    static void maxima(MemorySegment in, long at, long row, int vectors, long step, MemorySegment scratch, long max) {
        MemorySegment from = Lanes.requireNative(in);
        MemorySegment memory = Lanes.requireNative(scratch);
        IntVector large0 = IntVector.broadcast(I, MINUS_INFINITY);
        IntVector large1 = large0;
        IntVector large2 = large0;
        IntVector large3 = large0;
        IntVector least0 = large0;
        IntVector least1 = large1;
        IntVector least2 = large2;
        IntVector least3 = large3;
        long end = at + vectors * step;
        for (; at != end; at += step) {
            IntVector x = FloatVector.fromMemorySegment(F, from, at, ORDER).reinterpretAsInts();
            large0 = x.max(large0);
            least0 = x.min(least0);
            x = FloatVector.fromMemorySegment(F, from, at + row, ORDER).reinterpretAsInts();
            large1 = x.max(large1);
            least1 = x.min(least1);
            x = FloatVector.fromMemorySegment(F, from, at + 2 * row, ORDER).reinterpretAsInts();
            large2 = x.max(large2);
            least2 = x.min(least2);
            x = FloatVector.fromMemorySegment(F, from, at + 3 * row, ORDER).reinterpretAsInts();
            large3 = x.max(large3);
            least3 = x.min(least3);
        }
        IntVector zero = IntVector.zero(I);
        zero.or(large0)
                .blend(least0, zero.compare(VectorOperators.GT, large0))
                .reinterpretAsFloats()
                .intoMemorySegment(memory, max, ORDER);
        zero.or(large1)
                .blend(least1, zero.compare(VectorOperators.GT, large1))
                .reinterpretAsFloats()
                .intoMemorySegment(memory, max + BYTES, ORDER);
        zero.or(large2)
                .blend(least2, zero.compare(VectorOperators.GT, large2))
                .reinterpretAsFloats()
                .intoMemorySegment(memory, max + 2 * BYTES, ORDER);
        zero.or(large3)
                .blend(least3, zero.compare(VectorOperators.GT, large3))
                .reinterpretAsFloats()
                .intoMemorySegment(memory, max + 3 * BYTES, ORDER);
    }

    /** The largest lane of each of four vectors, or 0 where that is −∞: four floats, and whatever comes after them in a vector. */
    static void reduceMaxima(MemorySegment scratch, long max, long tops) {
        MemorySegment memory = Lanes.requireNative(scratch);
        FloatVector a = FloatVector.fromMemorySegment(F, memory, max, ORDER);
        FloatVector b = FloatVector.fromMemorySegment(F, memory, max + BYTES, ORDER);
        FloatVector c = FloatVector.fromMemorySegment(F, memory, max + 2 * BYTES, ORDER);
        FloatVector d = FloatVector.fromMemorySegment(F, memory, max + 3 * BYTES, ORDER);
        FloatVector m = a.blend(b, Transpose.BIT1);
        FloatVector other = b.blend(a, Transpose.BIT1).rearrange(Transpose.XOR1);
        FloatVector ab = m.blend(other, other.compare(VectorOperators.GT, m));
        m = c.blend(d, Transpose.BIT1);
        other = d.blend(c, Transpose.BIT1).rearrange(Transpose.XOR1);
        FloatVector cd = m.blend(other, other.compare(VectorOperators.GT, m));
        m = ab.blend(cd, Transpose.BIT2);
        other = cd.blend(ab, Transpose.BIT2).rearrange(Transpose.XOR2);
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
    }

    /** Turns the scores of two rows into weights, in place or elsewhere, and leaves the sums of each lane. */
    static void exponentiate(MemorySegment in, long at, long row, MemorySegment out, long to, long toRow, int vectors,
            long step, MemorySegment scratch, long tops, long sums) {
        MemorySegment from = Lanes.requireNative(in);
        MemorySegment target = Lanes.requireNative(out);
        MemorySegment memory = Lanes.requireNative(scratch);
        FloatVector log2e = FloatVector.fromMemorySegment(F, Exp.TABLE, 0, ORDER);
        FloatVector shifter = FloatVector.fromMemorySegment(F, Exp.TABLE, BYTES, ORDER);
        FloatVector minusLn2 = FloatVector.fromMemorySegment(F, Exp.TABLE, 2 * BYTES, ORDER);
        FloatVector c2 = FloatVector.fromMemorySegment(F, Exp.TABLE, 3 * BYTES, ORDER);
        FloatVector c3 = FloatVector.fromMemorySegment(F, Exp.TABLE, 4 * BYTES, ORDER);
        FloatVector c4 = FloatVector.fromMemorySegment(F, Exp.TABLE, 5 * BYTES, ORDER);
        FloatVector lowest = FloatVector.fromMemorySegment(F, Exp.TABLE, 6 * BYTES, ORDER);
        FloatVector zero = FloatVector.fromMemorySegment(F, Exp.TABLE, 7 * BYTES, ORDER);
        FloatVector one = FloatVector.fromMemorySegment(F, Exp.TABLE, 8 * BYTES, ORDER);
        IntVector roots = IntVector.fromMemorySegment(I, Exp.TABLE, Exp.ROOTS, ORDER);
        FloatVector shift0 = FloatVector.broadcast(F, memory.get(FLOAT, tops));
        FloatVector shift1 = FloatVector.broadcast(F, memory.get(FLOAT, tops + 4));
        FloatVector sum0 = zero;
        FloatVector sum1 = zero;
        long end = at + vectors * step;
        for (; at != end; at += step, to += step) {
            FloatVector x = FloatVector.fromMemorySegment(F, from, at, ORDER).sub(shift0);
            FloatVector shifted = x.fma(log2e, shifter);
            FloatVector f = shifted.sub(shifter).fma(minusLn2, x);
            FloatVector high = Exp.QUARTIC ? c4.fma(f, c3) : c3;
            FloatVector t = high.fma(f, c2).fma(f, one).mul(f);
            IntVector steps = shifted.reinterpretAsInts();
            FloatVector scale = steps.lanewise(VectorOperators.LSHL, Exp.EXPONENT_SHIFT)
                    .add(steps.selectFrom(roots))
                    .reinterpretAsFloats();
            FloatVector weight = t.fma(scale, scale).blend(zero, x.compare(VectorOperators.LT, lowest));
            weight.intoMemorySegment(target, to, ORDER);
            sum0 = weight.add(sum0);
            x = FloatVector.fromMemorySegment(F, from, at + row, ORDER).sub(shift1);
            shifted = x.fma(log2e, shifter);
            f = shifted.sub(shifter).fma(minusLn2, x);
            high = Exp.QUARTIC ? c4.fma(f, c3) : c3;
            t = high.fma(f, c2).fma(f, one).mul(f);
            steps = shifted.reinterpretAsInts();
            scale = steps.lanewise(VectorOperators.LSHL, Exp.EXPONENT_SHIFT)
                    .add(steps.selectFrom(roots))
                    .reinterpretAsFloats();
            weight = t.fma(scale, scale).blend(zero, x.compare(VectorOperators.LT, lowest));
            weight.intoMemorySegment(target, to + toRow, ORDER);
            sum1 = weight.add(sum1);
        }
        sum0.intoMemorySegment(memory, sums, ORDER);
        sum1.intoMemorySegment(memory, sums + BYTES, ORDER);
    }

    /** The reciprocal of the sum of each of four vectors: four floats, and whatever comes after them in a vector. */
    static void invertSums(MemorySegment scratch, long sums, long factors) {
        MemorySegment memory = Lanes.requireNative(scratch);
        FloatVector a = FloatVector.fromMemorySegment(F, memory, sums, ORDER);
        FloatVector b = FloatVector.fromMemorySegment(F, memory, sums + BYTES, ORDER);
        FloatVector c = FloatVector.fromMemorySegment(F, memory, sums + 2 * BYTES, ORDER);
        FloatVector d = FloatVector.fromMemorySegment(F, memory, sums + 3 * BYTES, ORDER);
        FloatVector ab = a.blend(b, Transpose.BIT1).add(b.blend(a, Transpose.BIT1).rearrange(Transpose.XOR1));
        FloatVector cd = c.blend(d, Transpose.BIT1).add(d.blend(c, Transpose.BIT1).rearrange(Transpose.XOR1));
        FloatVector sum = ab.blend(cd, Transpose.BIT2).add(cd.blend(ab, Transpose.BIT2).rearrange(Transpose.XOR2));
        if (COUNT >= 8) {
            sum = sum.add(sum.rearrange(Transpose.XOR4));
        }
        if (COUNT >= 16) {
            sum = sum.add(sum.rearrange(Transpose.XOR8));
        }
        FloatVector.broadcast(F, 1).div(sum).intoMemorySegment(memory, factors, ORDER);
    }

    /** Multiplies each of four rows by the factor of the row. */
    static void scale(MemorySegment out, long to, long row, int vectors, long step, MemorySegment scratch,
            long factors) {
        MemorySegment target = Lanes.requireNative(out);
        MemorySegment memory = Lanes.requireNative(scratch);
        FloatVector factor0 = FloatVector.broadcast(F, memory.get(FLOAT, factors));
        FloatVector factor1 = FloatVector.broadcast(F, memory.get(FLOAT, factors + 4));
        FloatVector factor2 = FloatVector.broadcast(F, memory.get(FLOAT, factors + 8));
        FloatVector factor3 = FloatVector.broadcast(F, memory.get(FLOAT, factors + 12));
        long end = to + vectors * step;
        for (; to != end; to += step) {
            FloatVector.fromMemorySegment(F, target, to, ORDER).mul(factor0).intoMemorySegment(target, to, ORDER);
            long at = to + row;
            FloatVector.fromMemorySegment(F, target, at, ORDER).mul(factor1).intoMemorySegment(target, at, ORDER);
            at += row;
            FloatVector.fromMemorySegment(F, target, at, ORDER).mul(factor2).intoMemorySegment(target, at, ORDER);
            at += row;
            FloatVector.fromMemorySegment(F, target, at, ORDER).mul(factor3).intoMemorySegment(target, at, ORDER);
        }
    }
}
