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

/** Contiguous narrow numbers of native memory to float32, a vector at a time; exact. */
final class Widening {
    /** As many shorts as there are float lanes. */
    private static final VectorSpecies<Short> HALF = VectorSpecies.of(short.class,
            VectorShape.forBitSize(COUNT * Short.SIZE));
    /** As many bytes as there are float lanes; of the smallest shape that exists, where that is 4. */
    private static final VectorSpecies<Byte> QUARTER = VectorSpecies.of(byte.class,
            VectorShape.forBitSize(Math.max(COUNT, 8) * Byte.SIZE));
    private static final int UPPER_HALF = 16;
    private static final int FRACTION_SHIFT = 13;
    private static final int SIGN_EXPONENT_FRACTION = 0x8FFFE000;
    private static final int EXPONENT = 0x0F800000;
    private static final int ALL_ONES = 0x7F800000;
    /** 24, 16, 8, 0: what moves byte i of a little-endian int to the top of lane i. */
    private static final IntVector TO_THE_TOP = IntVector.zero(I).addIndex(1).mul(-8).add(24);

    private Widening() {
    }

    /** Widens whole vectors of bfloat16; tells how many elements were done. */
    static int bfloat16(MemorySegment from, long at, int count, MemorySegment to, long target) {
        MemorySegment source = Lanes.requireNative(from);
        MemorySegment memory = Lanes.requireNative(to);
        int c = 0;
        for (; c + COUNT <= count; c += COUNT) {
            bfloat16(source, at + c * 2L).intoMemorySegment(memory, target + c * 4L, ORDER);
        }
        return c;
    }

    /** Widens whole vectors of float16; tells how many elements were done. */
    static int float16(MemorySegment from, long at, int count, MemorySegment to, long target) {
        MemorySegment source = Lanes.requireNative(from);
        MemorySegment memory = Lanes.requireNative(to);
        int c = 0;
        for (; c + COUNT <= count; c += COUNT) {
            float16(source, at + c * 2L).intoMemorySegment(memory, target + c * 4L, ORDER);
        }
        return c;
    }

    /** Widens whole vectors of int8; tells how many elements were done. */
    static int int8(MemorySegment from, long at, int count, MemorySegment to, long target) {
        MemorySegment source = Lanes.requireNative(from);
        MemorySegment memory = Lanes.requireNative(to);
        int c = 0;
        for (; c + COUNT <= count; c += COUNT) {
            int8(source, at + c).intoMemorySegment(memory, target + c * 4L, ORDER);
        }
        return c;
    }

    /** A bfloat16 is the upper half of a float32. */
    static FloatVector bfloat16(MemorySegment source, long at) {
        return ((IntVector) ShortVector.fromMemorySegment(HALF, source, at, ORDER)
                .convertShape(VectorOperators.S2I, I, 0)).lanewise(VectorOperators.LSHL, UPPER_HALF)
                .reinterpretAsFloats();
    }

    /**
     * A binary16 has 5 bits of exponent and 10 of fraction. Moved up by 13 bits, the sign extended first, and rid of the copies of the sign, it
     * is a float32 whose exponent is too small by 112: multiplying by 2¹¹² puts it right, for subnormals, too. Where the exponent is all
     * ones, for ∞ and NaN, all ones are put in instead.
     */
    static FloatVector float16(MemorySegment source, long at) {
        IntVector bits = ((IntVector) ShortVector.fromMemorySegment(HALF, source, at, ORDER)
                .convertShape(VectorOperators.S2I, I, 0)).lanewise(VectorOperators.LSHL, FRACTION_SHIFT)
                .and(SIGN_EXPONENT_FRACTION);
        IntVector scaled = bits.reinterpretAsFloats().mul(0x1p112f).reinterpretAsInts();
        VectorMask<Integer> special = bits.and(EXPONENT).compare(VectorOperators.EQ, EXPONENT);
        return scaled.blend(bits.or(ALL_ONES), special).reinterpretAsFloats();
    }

    /** An int8 is a float32; its row's scale is applied to the sums. Vectors of 4 bytes do not exist: four lanes shift an int apart. */
    static FloatVector int8(MemorySegment source, long at) {
        if (COUNT == 4) {
            return (FloatVector) IntVector.broadcast(I, source.get(ValueLayout.JAVA_INT_UNALIGNED, at))
                    .lanewise(VectorOperators.LSHL, TO_THE_TOP)
                    .lanewise(VectorOperators.ASHR, 24)
                    .convertShape(VectorOperators.I2F, F, 0);
        }
        return (FloatVector) ByteVector.fromMemorySegment(QUARTER, source, at, ORDER)
                .convertShape(VectorOperators.B2F, F, 0);
    }
}
