package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.COUNT;
import static dev.lanewise.internal.kernel.Lanes.F;
import static dev.lanewise.internal.kernel.Lanes.I;
import static dev.lanewise.internal.kernel.Lanes.ORDER;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * Contiguous float32 of native memory to narrower types, a vector at a time, rounded to nearest even: the same bits as one element at a
 * time. Each method tells how many elements it did: whole vectors. No method takes a vector: C2 does not inline one that it has compiled
 * to more than 2,500 bytes ({@code InlineSmallCode}), and boxes its arguments.
 */
final class Narrowing {
    /** As many shorts as there are float lanes. */
    private static final VectorSpecies<Short> HALF = VectorSpecies.of(short.class,
            VectorShape.forBitSize(COUNT * Short.SIZE));
    /** As many bytes as there are float lanes; there is no shape for the four of a 128-bit vector. */
    private static final VectorSpecies<Byte> QUARTER = VectorSpecies.of(byte.class,
            VectorShape.forBitSize(Math.max(COUNT, Long.BYTES) * Byte.SIZE));
    /** Where each of four lanes goes in an int of four bytes. */
    private static final IntVector BYTE_SHIFTS = IntVector.zero(I).addIndex(Byte.SIZE);
    private static final boolean BYTES_HAVE_A_SHAPE = COUNT >= Long.BYTES;
    private static final int MAGNITUDE = 0x7FFFFFFF;
    private static final int INFINITY = 0x7F800000;
    private static final int UPPER_HALF = 16;

    private Narrowing() {
    }

    /** The upper half, after half an ulp has been added, or a little less to those that are even. */
    static int bfloat16(MemorySegment from, long at, int count, MemorySegment to, long target) {
        MemorySegment source = Lanes.requireNative(from);
        MemorySegment memory = Lanes.requireNative(to);
        int c = 0;
        for (; c + COUNT <= count; c += COUNT) {
            IntVector bits = load(source, at + c * 4L);
            IntVector upper = bits.lanewise(VectorOperators.LSHR, UPPER_HALF);
            IntVector rounded = bits.add(upper.and(1)).add(0x7FFF).lanewise(VectorOperators.LSHR, UPPER_HALF);
            VectorMask<Integer> nan = bits.and(MAGNITUDE).compare(VectorOperators.GT, INFINITY);
            ((ShortVector) rounded.blend(upper.or(0x40), nan).convertShape(VectorOperators.I2S, HALF, 0))
                    .intoMemorySegment(memory, target + c * 2L, ORDER);
        }
        return c;
    }

    /**
     * The exponent is lowered by 112 and the fraction rounded to 10 bits, which may carry into the exponent; what comes out at or above
     * 2¹⁶ is ∞. A magnitude below 2⁻¹⁴ is rounded by adding 0.5, whose last bit is worth the smallest binary16, 2⁻²⁴.
     */
    static int float16(MemorySegment from, long at, int count, MemorySegment to, long target) {
        MemorySegment source = Lanes.requireNative(from);
        MemorySegment memory = Lanes.requireNative(to);
        int c = 0;
        for (; c + COUNT <= count; c += COUNT) {
            IntVector bits = load(source, at + c * 4L);
            IntVector magnitude = bits.and(MAGNITUDE);
            IntVector sign = bits.lanewise(VectorOperators.LSHR, UPPER_HALF).and(0x8000);
            IntVector odd = magnitude.lanewise(VectorOperators.LSHR, 13).and(1);
            IntVector normal = magnitude.add(odd)
                    .add(0xFFF - (112 << 23))
                    .lanewise(VectorOperators.LSHR, 13);
            IntVector small = magnitude.reinterpretAsFloats().add(0.5f).reinterpretAsInts().sub(0x3F000000);
            IntVector quiet = magnitude.lanewise(VectorOperators.LSHR, 13).and(0x3FF).or(0x7E00);
            IntVector half = normal.blend(small, magnitude.compare(VectorOperators.LT, 113 << 23))
                    .blend(0x7C00, magnitude.compare(VectorOperators.GE, 143 << 23))
                    .blend(quiet, magnitude.compare(VectorOperators.GT, INFINITY));
            ((ShortVector) half.or(sign).convertShape(VectorOperators.I2S, HALF, 0))
                    .intoMemorySegment(memory, target + c * 2L, ORDER);
        }
        return c;
    }

    /** The bits of the largest magnitude, as an int: a NaN's are above those of ∞, and ∞'s above every number's. 0 for no element. */
    static int largest(MemorySegment from, long at, int count) {
        MemorySegment source = Lanes.requireNative(from);
        IntVector largest = IntVector.zero(I);
        for (int c = 0; c + COUNT <= count; c += COUNT) {
            largest = load(source, at + c * 4L).and(MAGNITUDE).max(largest);
        }
        return largest.reduceLanes(VectorOperators.MAX);
    }

    /** Element times factor, at most 127, as a byte. Adding 1.5·2²³ leaves the nearest integer in the lowest bits. */
    static int int8(MemorySegment from, long at, int count, float factor, MemorySegment to, long target) {
        MemorySegment source = Lanes.requireNative(from);
        MemorySegment memory = Lanes.requireNative(to);
        int c = 0;
        for (; c + COUNT <= count; c += COUNT) {
            IntVector q = FloatVector.fromMemorySegment(F, source, at + c * 4L, ORDER)
                    .mul(factor)
                    .add(0x1.8p23f)
                    .reinterpretAsInts();
            if (BYTES_HAVE_A_SHAPE) {
                q.convertShape(VectorOperators.I2B, QUARTER, 0).intoMemorySegment(memory, target + c, ORDER);
            } else {
                int four = q.and(0xFF).lanewise(VectorOperators.LSHL, BYTE_SHIFTS).reduceLanes(VectorOperators.OR);
                memory.set(ValueLayout.JAVA_INT_UNALIGNED, target + c, four);
            }
        }
        return c;
    }

    private static IntVector load(MemorySegment source, long at) {
        return FloatVector.fromMemorySegment(F, source, at, ORDER).reinterpretAsInts();
    }
}
