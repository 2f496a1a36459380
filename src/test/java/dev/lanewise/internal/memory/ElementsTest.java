package dev.lanewise.internal.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lanewise.ElementType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;

/** The narrow floating-point types, from their definitions: sign, exponent and fraction as numbers. */
class ElementsTest {
    /** A 16-bit format: bits of the fraction, and the largest and the smallest exponent of a normal number. */
    private enum Format {
        BFLOAT16(ElementType.BFLOAT16, 7, 127), FLOAT16(ElementType.FLOAT16, 10, 15);

        private final ElementType type;
        private final int fractionBits;
        private final int maxExponent;

        Format(ElementType type, int fractionBits, int maxExponent) {
            this.type = type;
            this.fractionBits = fractionBits;
            this.maxExponent = maxExponent;
        }

        /** IEEE 754-2019, 3.4: the value of a bit pattern. Exact in float64, which has both formats within its range. */
        double value(int pattern) {
            int fraction = pattern & (1 << fractionBits) - 1;
            int exponent = pattern >>> fractionBits & 2 * maxExponent + 1;
            double sign = (pattern & 0x8000) != 0 ? -1 : 1;
            if (exponent == 2 * maxExponent + 1) {
                return fraction == 0 ? sign * Double.POSITIVE_INFINITY : Double.NaN;
            }
            int implicit = exponent == 0 ? 0 : 1 << fractionBits;
            int scale = Math.max(exponent, 1) - maxExponent - fractionBits;
            return sign * Math.scalb((double) (implicit + fraction), scale);
        }

        /**
         * IEEE 754-2019, 4.3.1: the nearest pattern, the even one of two. What is at least half a last place beyond the largest
         * number is infinite. Divided by the last place, a power of two, every float32 is exact in float64, and so is the rounding.
         */
        double nearest(double value) {
            int exponent = value == 0 ? 1 - maxExponent : Math.max(Math.getExponent(value), 1 - maxExponent);
            double lastPlace = Math.scalb(1.0, exponent - fractionBits);
            double rounded = Math.rint(value / lastPlace) * lastPlace;
            double beyond = Math.scalb(1.0, maxExponent + 1);
            return Math.abs(rounded) >= beyond ? Math.copySign(Double.POSITIVE_INFINITY, value) : rounded;
        }
    }

    private static float get(Format format, int pattern) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment segment = arena.allocate(3);
            segment.set(ValueLayout.JAVA_SHORT_UNALIGNED, 1, (short) pattern);
            return Elements.get(segment, format.type, 1);
        }
    }

    private static int set(Format format, float value) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment segment = arena.allocate(4).fill((byte) 0x55);
            Elements.set(segment, format.type, 1, value);
            assertEquals(0x55, segment.get(ValueLayout.JAVA_BYTE, 0));
            assertEquals(0x55, segment.get(ValueLayout.JAVA_BYTE, 3));
            return segment.get(ValueLayout.JAVA_SHORT_UNALIGNED, 1) & 0xFFFF;
        }
    }

    @Test
    void allPatternsWidenToTheirValuesAndNarrowBackToThemselves() {
        for (Format format : Format.values()) {
            for (int pattern = 0; pattern <= 0xFFFF; pattern++) {
                assertRoundTrip(format, pattern);
            }
        }
    }

    private static void assertRoundTrip(Format format, int pattern) {
        double wanted = format.value(pattern);
        float widened = get(format, pattern);
        String name = format + " " + Integer.toHexString(pattern);
        assertEquals(Double.doubleToLongBits(wanted), Double.doubleToLongBits(widened), name);
        int back = set(format, widened);
        if (Double.isNaN(wanted)) {
            assertTrue(Double.isNaN(format.value(back)), name);
            assertEquals(pattern & 0x8000, back & 0x8000, name + ": sign");
        } else {
            assertEquals(pattern, back, name);
        }
    }

    @Property(tries = 5000)
    void narrowingIsCorrectlyRoundedToNearestEven(@ForAll Format format, @ForAll("floats") float value) {
        double wanted = format.nearest(value);
        double actual = format.value(set(format, value));
        assertEquals(Double.doubleToLongBits(wanted), Double.doubleToLongBits(actual),
                () -> format + " of " + Float.toHexString(value) + ": " + actual + ", wanted " + wanted);
    }

    @Property
    void nanOfAnySignAndPayloadStaysNan(@ForAll Format format, @ForAll("nans") int bits) {
        int pattern = set(format, Float.intBitsToFloat(bits));
        assertTrue(Double.isNaN(format.value(pattern)), () -> format + " of " + Integer.toHexString(bits));
    }

    @Property
    void booleansAreZeroOrOneAndReadAsAnythingThatIsNotZero(@ForAll byte stored, @ForAll("floats") float written) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment segment = arena.allocate(1);
            segment.set(ValueLayout.JAVA_BYTE, 0, stored);
            assertEquals(stored == 0 ? 0 : 1, Elements.get(segment, ElementType.BOOL, 0));
            Elements.set(segment, ElementType.BOOL, 0, written);
            assertEquals(written == 0 ? 0 : 1, Elements.getByte(segment, 0));
        }
    }

    @Property
    void integersAndFloatsAreStoredAsTheyAre(@ForAll int integer, @ForAll("floats") float value) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment segment = arena.allocate(5);
            segment.set(ValueLayout.JAVA_INT_UNALIGNED, 1, integer);
            assertEquals(integer, Elements.getInt(segment, 1));
            assertEquals((float) integer, Elements.get(segment, ElementType.INT32, 1));
            Elements.set(segment, ElementType.INT32, 1, value);
            assertEquals((int) value, Elements.getInt(segment, 1));
            Elements.set(segment, ElementType.FLOAT32, 1, value);
            assertEquals(Float.floatToRawIntBits(value),
                    Float.floatToRawIntBits(Elements.get(segment, ElementType.FLOAT32, 1)));
        }
    }

    /**
     * Any bits but NaN's, and what lies at, just above and just below the middle between two neighbours in either format: the
     * lowest 16 or 13 bits (as many as a fraction of 7 or 10 bits leaves of 23) near a half, or any shorter ones for subnormals.
     */
    @Provide
    Arbitrary<Float> floats() {
        Arbitrary<Integer> any = Arbitraries.integers();
        Arbitrary<Integer> middles = any.flatMap(bits -> Arbitraries.integers()
                .between(12, 23)
                .flatMap(dropped -> Arbitraries.integers()
                        .between(-1, 1)
                        .map(near -> (bits >> dropped << dropped | 1 << dropped - 1) + near)));
        return Arbitraries.oneOf(any, middles, halfPrecisionRange())
                .map(Float::intBitsToFloat)
                .filter(value -> !Float.isNaN(value));
    }

    /** The exponents −26 to 16, where float16 has subnormals, numbers and its largest one. */
    private static Arbitrary<Integer> halfPrecisionRange() {
        return Arbitraries.integers()
                .between(127 - 26, 127 + 16)
                .flatMap(exponent -> Arbitraries.integers()
                        .between(0, 0x3FF)
                        .flatMap(high -> Arbitraries.of(0, 1, 0xFFF, 0x1000, 0x1001, 0x1FFF)
                                .flatMap(low -> Arbitraries.of(0, Integer.MIN_VALUE)
                                        .map(sign -> sign | exponent << 23 | high << 13 | low))));
    }

    @Provide
    Arbitrary<Integer> nans() {
        return Arbitraries.integers()
                .between(1, 0x7FFFFF)
                .flatMap(fraction -> Arbitraries.of(0x7F800000 | fraction, 0xFF800000 | fraction));
    }
}
