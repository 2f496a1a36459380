package dev.lanewise.internal.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tag;

/** eˣ for x ≤ 0 against float64. */
@Tag("width")
@Tag("vector")
class ExpTest {
    /**
     * x = n·ln 2/N + f, |f| ≤ ln 2/8. Half an ulp is lost of the result and of the root, 2⁻²⁴ each, of f and of t = P(f) − 1, 2⁻²⁸
     * each, and of t/f, 2⁻²⁴, which counts f times; what is multiplied by f before is the less. The error of the one constant for ln 2, 1.905e-9,
     * counts x·log₂e times.
     */
    private static final double POLYNOMIAL = Lanes.COUNT == 8 ? 2.6e-8 : Lanes.COUNT == 16 ? 1.6e-9 : 5.5e-9;
    private static final double BOUND = 0x2p-24 + 0x2p-28 + Math.log(2) / 8 * 0x1.1p-24 + POLYNOMIAL;
    private static final double LN2_ERROR = 1.905e-9;
    private static final float LOWEST = Exp.LOWEST;
    private static final long MAX = 2L * Lanes.BYTES;
    private static final long SUMS = 4L * Lanes.BYTES;
    private static final long OUT = 6L * Lanes.BYTES;
    private static final long OTHER = 8L * Lanes.BYTES;
    private static final MemorySegment MEMORY = Arena.ofAuto().allocate(12L * Lanes.BYTES);

    /** All lanes of the argument hold different floats, the one in question at a lane that changes with it. */
    private static float exp(float x) {
        int lane = Math.floorMod(Float.floatToRawIntBits(x), Lanes.COUNT);
        float[] lanes = new float[Lanes.COUNT];
        for (int i = 0; i < lanes.length; i++) {
            lanes[i] = -i;
        }
        lanes[lane] = x;
        return exp(lanes)[lane];
    }

    /** One vector of a softmax whose maximum is 0: every loop that leaves exponentials leaves the same. */
    private static float[] exp(float[] lanes) {
        load(lanes);
        RowSoftmax.exponentiate(MEMORY, 0, MEMORY, OUT, 1, MEMORY, MAX, MAX, SUMS);
        float[] results = vector(OUT);
        RowWeights.exponentiate(MEMORY, 0, Lanes.BYTES, MEMORY, OUT, Lanes.BYTES, 2, 1, MEMORY, MAX, SUMS);
        assertArrayEquals(results, vector(OUT), "RowWeights");
        RowWeights.exponentiateAhead(MEMORY, 0, Lanes.BYTES, MEMORY, OUT, Lanes.BYTES, 2, 1, MEMORY, MAX, SUMS, 0,
                OTHER);
        assertArrayEquals(results, vector(OUT), "RowWeights, looking ahead");
        QuadWeights.exponentiate(MEMORY, 0, Lanes.BYTES, MEMORY, OUT, Lanes.BYTES, 1, Lanes.BYTES, MEMORY, MAX, SUMS);
        assertArrayEquals(results, vector(OUT), "QuadWeights, first row");
        assertArrayEquals(results, vector(OUT + Lanes.BYTES), "QuadWeights, second row");
        RowGroups.exponentiate(MEMORY, 0, 1, 1, Lanes.COUNT, true, MAX, OTHER, SUMS, OTHER);
        assertArrayEquals(results, vector(0), "RowGroups");
        load(lanes);
        OnlineSoftmax.weigh(MEMORY, 0, 1, 1, MAX, SUMS, Lanes.BYTES);
        assertArrayEquals(results, vector(0), "OnlineSoftmax");
        assertArrayEquals(results, vector(Lanes.BYTES), "factors of OnlineSoftmax");
        return results;
    }

    /** Two vectors of them. */
    private static void load(float[] lanes) {
        MemorySegment.copy(lanes, 0, MEMORY, Lanes.FLOAT, 0, lanes.length);
        MemorySegment.copy(lanes, 0, MEMORY, Lanes.FLOAT, Lanes.BYTES, lanes.length);
    }

    private static float[] vector(long at) {
        return MEMORY.asSlice(at, Lanes.BYTES).toArray(Lanes.FLOAT);
    }

    private static void assertAccurate(float x, float actual) {
        double exact = Math.exp(x);
        double error = Math.abs(actual - exact) / exact;
        double bound = BOUND + LN2_ERROR * Math.abs(x) / Math.log(2);
        assertTrue(error <= bound, () -> "e^" + x + " = " + actual + ", wanted " + exact + ", relative error " + error);
    }

    @Property
    void everyArgumentDownToTheLowestIsAccurate(@ForAll("downToLowest") float x) {
        assertAccurate(x, exp(x));
    }

    @Property
    void everyArgumentNextToAHalfMultipleOfLn2IsAccurate(@ForAll("nextToSteps") float x) {
        assertAccurate(x, exp(x));
    }

    /** 2¹⁷ steps over [−87, 0] and as many over [−1, 0], 16 a vector, are less than a second's work. */
    @Property(tries = 1)
    void aDenseGridIsAccurate() {
        float[] lanes = new float[Lanes.COUNT];
        for (float width : new float[]{87, 1}) {
            for (int i = 0; i < 1 << 17; i += lanes.length) {
                for (int lane = 0; lane < lanes.length; lane++) {
                    lanes[lane] = -width * (i + lane) / (1 << 17);
                }
                float[] results = exp(lanes);
                for (int lane = 0; lane < lanes.length; lane++) {
                    assertAccurate(lanes[lane], results[lane]);
                }
            }
        }
    }

    @Property
    void whereTheResultWouldBeSubnormalItIsExactlyZero(@ForAll("belowLowest") float x) {
        assertEquals(0, Float.floatToRawIntBits(exp(x)), () -> "e^" + x);
    }

    @Property
    void nanOfAnySignAndPayloadStaysNan(@ForAll("nans") int bits) {
        assertTrue(Float.isNaN(exp(Float.intBitsToFloat(bits))), () -> Integer.toHexString(bits));
    }

    @Property(tries = 1)
    void zeroGivesExactlyOne() {
        assertEquals(1, exp(0));
        assertEquals(1, exp(-0f));
    }

    @Provide
    Arbitrary<Float> nextToSteps() {
        Arbitrary<Integer> halves = Arbitraries.integers().between(-252, 0);
        Arbitrary<Integer> ulps = Arbitraries.integers().between(-3, 3);
        return halves.flatMap(half -> ulps.map(ulp -> {
            float at = (float) (half * Math.log(2) / 2);
            float near = at == 0 ? -Math.abs(ulp) * Float.MIN_VALUE : at + ulp * Math.ulp(at);
            return Math.max(LOWEST, near);
        }));
    }

    @Provide
    Arbitrary<Float> downToLowest() {
        return negatives(-0f, LOWEST);
    }

    @Provide
    Arbitrary<Float> belowLowest() {
        float next = Math.nextDown(LOWEST);
        return Arbitraries.oneOf(Arbitraries.of(next, -87.34f, -87.7f, -88f, -88.8f, -103f, -104f),
                negatives(next, -160), negatives(next, Float.NEGATIVE_INFINITY));
    }

    /** Every float of a range is as likely as another; jqwik's own floats are multiples of 0.01. Bits order by magnitude. */
    private static Arbitrary<Float> negatives(float from, float to) {
        return Arbitraries.integers()
                .between(Float.floatToRawIntBits(from), Float.floatToRawIntBits(to))
                .map(Float::intBitsToFloat);
    }

    /** Exponent all ones, fraction not 0. */
    @Provide
    Arbitrary<Integer> nans() {
        return Arbitraries.integers()
                .between(1, 0x7FFFFF)
                .flatMap(fraction -> Arbitraries.of(0x7F800000 | fraction, 0xFF800000 | fraction));
    }
}
