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
 * The loops of {@link FewKeysAttention}, for vectors of 16 lanes: a vector of scores is a tile, four queries by four keys, a quarter of the vector
 * for each query, and four queries have as many tiles in a row as it takes for all keys. Each loop goes through the queries of many heads: to begin
 * one takes as long as a head does. Few arguments and one check for a row of four vectors leave C2 registers enough: 42 ns a head of 8 × 8 × 64
 * for weights·v instead of 62.
 */
final class FourByFour {
    /** Queries of a tile, and vectors in a row of q, k and v. */
    static final int FOUR = 4;
    private static final long ROW = FOUR * (long) BYTES;

    private FourByFour() {
    }

    /**
     * Products of four queries, all in registers, and one key after another: a vector a key, of which every query has a quarter whose lanes are
     * still to be summed. To the bit what {@link StridedRows#dotFours} computes.
     *
     * @param keys the memory of the keys
     * @param key the byte of key 0 of the first head
     * @param head bytes between heads
     * @param stride bytes between keys
     * @param count how many keys a head has; in the output as many as are whole tiles, those beyond the last being the last
     * @param fours four queries each, of all heads
     * @param each of them, how many a head has
     * @param queries the memory of the queries
     * @param query the byte of the first, the others next to it
     * @param factor what they are to be multiplied by
     * @param out the byte of the first vector in scratch
     */
    static void dot(MemorySegment keys, long key, long head, long stride, int count, int fours, int each,
            MemorySegment queries, long query, float factor, MemorySegment scratch, long out) {
        MemorySegment from = Lanes.requireNative(keys);
        MemorySegment asking = Lanes.requireNative(queries);
        MemorySegment memory = Lanes.requireNative(scratch);
        FloatVector scale = FloatVector.broadcast(F, factor);
        long bytes = (count + FOUR - 1) / FOUR * ROW;
        int left = each;
        for (int f = 0; f < fours; f++) {
            MemorySegment q = asking.asSlice(query, FOUR * ROW);
            FloatVector q00 = FloatVector.fromMemorySegment(F, q, 0, ORDER).mul(scale);
            FloatVector q01 = FloatVector.fromMemorySegment(F, q, BYTES, ORDER).mul(scale);
            FloatVector q02 = FloatVector.fromMemorySegment(F, q, 2 * BYTES, ORDER).mul(scale);
            FloatVector q03 = FloatVector.fromMemorySegment(F, q, 3 * BYTES, ORDER).mul(scale);
            FloatVector q10 = FloatVector.fromMemorySegment(F, q, ROW, ORDER).mul(scale);
            FloatVector q11 = FloatVector.fromMemorySegment(F, q, ROW + BYTES, ORDER).mul(scale);
            FloatVector q12 = FloatVector.fromMemorySegment(F, q, ROW + 2 * BYTES, ORDER).mul(scale);
            FloatVector q13 = FloatVector.fromMemorySegment(F, q, ROW + 3 * BYTES, ORDER).mul(scale);
            FloatVector q20 = FloatVector.fromMemorySegment(F, q, 2 * ROW, ORDER).mul(scale);
            FloatVector q21 = FloatVector.fromMemorySegment(F, q, 2 * ROW + BYTES, ORDER).mul(scale);
            FloatVector q22 = FloatVector.fromMemorySegment(F, q, 2 * ROW + 2 * BYTES, ORDER).mul(scale);
            FloatVector q23 = FloatVector.fromMemorySegment(F, q, 2 * ROW + 3 * BYTES, ORDER).mul(scale);
            FloatVector q30 = FloatVector.fromMemorySegment(F, q, 3 * ROW, ORDER).mul(scale);
            FloatVector q31 = FloatVector.fromMemorySegment(F, q, 3 * ROW + BYTES, ORDER).mul(scale);
            FloatVector q32 = FloatVector.fromMemorySegment(F, q, 3 * ROW + 2 * BYTES, ORDER).mul(scale);
            FloatVector q33 = FloatVector.fromMemorySegment(F, q, 3 * ROW + 3 * BYTES, ORDER).mul(scale);
            long at = key;
            long last = out + (count - 1) * (long) BYTES;
            for (long end = out + bytes; out < end; out += BYTES) {
                MemorySegment k = from.asSlice(at, ROW);
                FloatVector k0 = FloatVector.fromMemorySegment(F, k, 0, ORDER);
                FloatVector k1 = FloatVector.fromMemorySegment(F, k, BYTES, ORDER);
                FloatVector k2 = FloatVector.fromMemorySegment(F, k, 2 * BYTES, ORDER);
                FloatVector k3 = FloatVector.fromMemorySegment(F, k, 3 * BYTES, ORDER);
                FloatVector a0 = k2.fma(q02, k0.mul(q00)).add(k3.fma(q03, k1.mul(q01)));
                FloatVector a1 = k2.fma(q12, k0.mul(q10)).add(k3.fma(q13, k1.mul(q11)));
                FloatVector a2 = k2.fma(q22, k0.mul(q20)).add(k3.fma(q23, k1.mul(q21)));
                FloatVector a3 = k2.fma(q32, k0.mul(q30)).add(k3.fma(q33, k1.mul(q31)));
                FloatVector b0 = a0.blend(a2, Transpose.BIT8)
                        .add(a2.blend(a0, Transpose.BIT8).rearrange(Transpose.XOR8));
                FloatVector b1 = a1.blend(a3, Transpose.BIT8)
                        .add(a3.blend(a1, Transpose.BIT8).rearrange(Transpose.XOR8));
                b0.blend(b1, Transpose.BIT4)
                        .add(b1.blend(b0, Transpose.BIT4).rearrange(Transpose.XOR4))
                        .intoMemorySegment(memory, out, ORDER);
                at += out < last ? stride : 0;
            }
            query += FOUR * ROW;
            if (--left == 0) {
                key += head;
                left = each;
            }
        }
    }

    /** Sums the quarters that {@link #dot} leaves, four vectors to a tile of scores. */
    static void sum(MemorySegment scratch, long vectors, int count, long tiles) {
        MemorySegment memory = Lanes.requireNative(scratch);
        for (long end = tiles + count * (long) BYTES; tiles < end; tiles += BYTES) {
            MemorySegment from = memory.asSlice(vectors, FOUR * (long) BYTES);
            FloatVector a = FloatVector.fromMemorySegment(F, from, 0, ORDER);
            FloatVector b = FloatVector.fromMemorySegment(F, from, BYTES, ORDER);
            FloatVector c = FloatVector.fromMemorySegment(F, from, 2 * BYTES, ORDER);
            FloatVector d = FloatVector.fromMemorySegment(F, from, 3 * BYTES, ORDER);
            FloatVector e = a.blend(c, Transpose.BIT2).add(c.blend(a, Transpose.BIT2).rearrange(Transpose.XOR2));
            FloatVector f = b.blend(d, Transpose.BIT2).add(d.blend(b, Transpose.BIT2).rearrange(Transpose.XOR2));
            e.blend(f, Transpose.BIT1)
                    .add(f.blend(e, Transpose.BIT1).rearrange(Transpose.XOR1))
                    .intoMemorySegment(memory, tiles, ORDER);
            vectors += FOUR * (long) BYTES;
        }
    }

    /**
     * Turns the tiles of scores of four queries after four into weights, and leaves one over the sum of each query in its quarter of a vector. Sums
     * are made in the order of {@link RowGroups#exponentiate}; what {@link Exp} explains is written out here.
     *
     * @param tiles the byte of the first tile
     * @param fours how many times four queries
     * @param row tiles that four queries have
     * @param pad the byte of what is added to the last of them: −∞ for keys that are none, else 0
     * @param reciprocals the byte of the first vector of them
     */
    static void softmax(MemorySegment scratch, long tiles, int fours, int row, long pad, long reciprocals) {
        MemorySegment memory = Lanes.requireNative(scratch);
        FloatVector one = FloatVector.broadcast(F, 1);
        IntVector roots = IntVector.fromMemorySegment(I, Exp.TABLE, Exp.ROOTS, ORDER);
        FloatVector hidden = FloatVector.fromMemorySegment(F, memory, pad, ORDER);
        FloatVector zero = FloatVector.zero(F);
        long bytes = row * (long) BYTES;
        long at = tiles;
        for (long end = reciprocals + fours * (long) BYTES; reciprocals < end; reciprocals += BYTES) {
            long last = at + bytes - BYTES;
            FloatVector top = FloatVector.fromMemorySegment(F, memory, last, ORDER).add(hidden);
            top.intoMemorySegment(memory, last, ORDER);
            for (long v = at; v < last; v += BYTES) {
                FloatVector s = FloatVector.fromMemorySegment(F, memory, v, ORDER);
                top = s.blend(top, s.compare(VectorOperators.LT, top));
            }
            top = zero.add(top);
            FloatVector other = top.rearrange(Transpose.XOR2);
            top = other.blend(top, other.compare(VectorOperators.LT, top));
            other = top.rearrange(Transpose.XOR1);
            top = other.blend(top, other.compare(VectorOperators.LT, top));
            FloatVector shift = top.blend(0, top.compare(VectorOperators.EQ, Float.NEGATIVE_INFINITY));
            FloatVector even = zero;
            FloatVector odd = zero;
            for (; at <= last; at += BYTES) {
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
                weight = weight.add(even);
                even = odd;
                odd = weight;
            }
            FloatVector total = zero.add(odd).add(even);
            total = total.add(total.rearrange(Transpose.XOR2));
            total = total.add(total.rearrange(Transpose.XOR1));
            one.div(total).intoMemorySegment(memory, reciprocals, ORDER);
        }
    }

    /**
     * out[r] = reciprocals[r] · Σ weights[r, j] · value[j], four vectors of each. To the bit what {@link StridedRows#mix4x4} computes.
     *
     * @param values the memory of the values
     * @param value the byte of value 0 of the first head
     * @param head bytes between heads
     * @param stride bytes between values
     * @param count how many values a head has
     * @param fours four queries each, of all heads
     * @param each of them, how many a head has
     * @param tiles the byte of the first tile of weights
     * @param reciprocals the byte of the first vector of them
     * @param to the memory of the context
     * @param out the byte of its first row
     * @param outHead bytes from the end of a head's rows to the next head's
     * @param outRow bytes between rows
     */
    static void mix(MemorySegment values, long value, long head, long stride, int count, int fours, int each,
            MemorySegment scratch, long tiles, long reciprocals, MemorySegment to, long out, long outHead,
            long outRow) {
        MemorySegment from = Lanes.requireNative(values);
        MemorySegment memory = Lanes.requireNative(scratch);
        MemorySegment target = Lanes.requireNative(to);
        int left = each;
        for (int f = 0; f < fours; f++) {
            FloatVector c00 = FloatVector.zero(F);
            FloatVector c01 = c00;
            FloatVector c02 = c00;
            FloatVector c03 = c00;
            FloatVector c10 = c00;
            FloatVector c11 = c00;
            FloatVector c12 = c00;
            FloatVector c13 = c00;
            FloatVector c20 = c00;
            FloatVector c21 = c00;
            FloatVector c22 = c00;
            FloatVector c23 = c00;
            FloatVector c30 = c00;
            FloatVector c31 = c00;
            FloatVector c32 = c00;
            FloatVector c33 = c00;
            long at = value;
            for (long j = 0; j < count * 4L; j += 4) {
                MemorySegment v = from.asSlice(at, ROW);
                FloatVector v0 = FloatVector.fromMemorySegment(F, v, 0, ORDER);
                FloatVector v1 = FloatVector.fromMemorySegment(F, v, BYTES, ORDER);
                FloatVector v2 = FloatVector.fromMemorySegment(F, v, 2 * BYTES, ORDER);
                FloatVector v3 = FloatVector.fromMemorySegment(F, v, 3 * BYTES, ORDER);
                MemorySegment w = memory.asSlice(tiles + j + (j & -16) * 3, 52);
                FloatVector w0 = FloatVector.broadcast(F, w.get(FLOAT, 0));
                c00 = v0.fma(w0, c00);
                c01 = v1.fma(w0, c01);
                c02 = v2.fma(w0, c02);
                c03 = v3.fma(w0, c03);
                FloatVector w1 = FloatVector.broadcast(F, w.get(FLOAT, 16));
                c10 = v0.fma(w1, c10);
                c11 = v1.fma(w1, c11);
                c12 = v2.fma(w1, c12);
                c13 = v3.fma(w1, c13);
                FloatVector w2 = FloatVector.broadcast(F, w.get(FLOAT, 32));
                c20 = v0.fma(w2, c20);
                c21 = v1.fma(w2, c21);
                c22 = v2.fma(w2, c22);
                c23 = v3.fma(w2, c23);
                FloatVector w3 = FloatVector.broadcast(F, w.get(FLOAT, 48));
                c30 = v0.fma(w3, c30);
                c31 = v1.fma(w3, c31);
                c32 = v2.fma(w3, c32);
                c33 = v3.fma(w3, c33);
                at += stride;
            }
            for (int r = 0; r < FOUR; r++) {
                FloatVector t = FloatVector.broadcast(F, memory.get(FLOAT, reciprocals + r * 16L));
                MemorySegment o = target.asSlice(out, ROW);
                t.mul(c00).intoMemorySegment(o, 0, ORDER);
                t.mul(c01).intoMemorySegment(o, BYTES, ORDER);
                t.mul(c02).intoMemorySegment(o, 2 * BYTES, ORDER);
                t.mul(c03).intoMemorySegment(o, 3 * BYTES, ORDER);
                c00 = c10;
                c01 = c11;
                c02 = c12;
                c03 = c13;
                c10 = c20;
                c11 = c21;
                c12 = c22;
                c13 = c23;
                c20 = c30;
                c21 = c31;
                c22 = c32;
                c23 = c33;
                out += outRow;
            }
            tiles += (count + FOUR - 1) / FOUR * (long) BYTES;
            reciprocals += BYTES;
            if (--left == 0) {
                value += head;
                out += outHead;
                left = each;
            }
        }
    }
}
