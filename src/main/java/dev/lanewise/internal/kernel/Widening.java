package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.COUNT;
import static dev.lanewise.internal.kernel.Lanes.F;
import static dev.lanewise.internal.kernel.Lanes.I;
import static dev.lanewise.internal.kernel.Lanes.ORDER;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/** Contiguous 16-bit floats of native memory to float32, a vector at a time; exact. */
final class Widening {
    /** As many shorts as there are float lanes. */
    private static final VectorSpecies<Short> HALF = VectorSpecies.of(short.class,
            VectorShape.forBitSize(COUNT * Short.SIZE));
    private static final int UPPER_HALF = 16;

    private Widening() {
    }

    /** A bfloat16 is the upper half of a float32. Tells how many elements were done: whole vectors. */
    static int bfloat16(MemorySegment from, long at, int count, MemorySegment to, long target) {
        MemorySegment source = Lanes.requireNative(from);
        MemorySegment memory = Lanes.requireNative(to);
        int c = 0;
        for (; c + COUNT <= count; c += COUNT) {
            load(source, at + c * 2L).lanewise(VectorOperators.LSHL, UPPER_HALF)
                    .reinterpretAsFloats()
                    .intoMemorySegment(memory, target + c * 4L, ORDER);
        }
        return c;
    }

    /**
     * A binary16 has 5 bits of exponent and 10 of fraction. Its magnitude, moved up by 13 bits, is a float32 whose exponent is too small by
     * 112: multiplying by 2¹¹² puts it right, for subnormals, too. Where the exponent is all ones, for ∞ and NaN, all ones are put
     * in instead.
     */
    static int float16(MemorySegment from, long at, int count, MemorySegment to, long target) {
        MemorySegment source = Lanes.requireNative(from);
        MemorySegment memory = Lanes.requireNative(to);
        int c = 0;
        for (; c + COUNT <= count; c += COUNT) {
            IntVector bits = load(source, at + c * 2L);
            IntVector magnitude = bits.and(0x7FFF).lanewise(VectorOperators.LSHL, 13);
            IntVector scaled = magnitude.reinterpretAsFloats().mul(0x1p112f).reinterpretAsInts();
            IntVector special = magnitude.or(0x7F800000);
            IntVector sign = bits.and(0x8000).lanewise(VectorOperators.LSHL, UPPER_HALF);
            FloatVector widened = scaled.blend(special, magnitude.compare(VectorOperators.GE, 0x0F800000))
                    .or(sign)
                    .reinterpretAsFloats();
            widened.intoMemorySegment(memory, target + c * 4L, ORDER);
        }
        return c;
    }

    private static IntVector load(MemorySegment source, long at) {
        return (IntVector) ShortVector.fromMemorySegment(HALF, source, at, ORDER)
                .convertShape(VectorOperators.ZERO_EXTEND_S2I, I, 0);
    }
}
