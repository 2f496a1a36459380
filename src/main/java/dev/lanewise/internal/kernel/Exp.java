package dev.lanewise.internal.kernel;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * eˣ for x ≤ 0, the range of a softmax whose maximum was subtracted. {@code lanewise(EXP)} calls a library function and costs
 * three times as much.
 *
 * <p>x = n·ln 2 + f with n the nearest integer to x·log₂e, |f| ≤ ½·ln 2, and eˣ = 2ⁿ·P(f). P is the polynomial of degree 6 with
 * leading terms 1 + f that minimises the largest relative error on that interval: 3e-9 in exact arithmetic, so that the rounding of
 * float32 is what remains. As P(f) = 1 + t with t = f + f²·(…), eˣ = t·2ⁿ + 2ⁿ is one rounding. Adding 1.5·2²³ + 127 to x·log₂e leaves n + 127, the biased exponent of 2ⁿ, in the low bits of the
 * sum. One constant for ln 2 is enough: its error, 2e-9, counts n times, and then eˣ is 2ⁿ times smaller. The relative error is at
 * most 6e-8 + 2e-9·|n| + 2⁻²⁴.
 *
 * <p>There is no method: each loop writes it out. A helper that takes a vector is inlined at C2's pleasure, and its profile is empty if C1
 * compiled it without one; then calls on its arguments are bound only as long as the JVM has loaded one class of vectors. Either way
 * vectors are boxed.
 *
 * <p>Below −126·ln 2, where 2ⁿ would be subnormal, the result is 0, which also makes it 0 for −∞. NaN stays NaN. Above 88 the
 * result means nothing.
 */
final class Exp {
    /** The least x whose result is not 0. */
    static final float LOWEST = -87.336f;

    static final float LOG2E = 0x1.715476p0f;
    static final float SHIFTER = 0x1.8p23f + 127;
    static final float MINUS_LN2 = -0x1.62e430p-1f;
    static final int EXPONENT_SHIFT = 23;

    static final float C2 = 0x1.fffffcp-2f;
    static final float C3 = 0x1.555492p-3f;
    static final float C4 = 0x1.5558f2p-5f;
    static final float C5 = 0x1.1239e2p-7f;
    static final float C6 = 0x1.6a2434p-10f;

    /** A vector each of the constants above in their order, the lowest x, and 0. */
    static final MemorySegment TABLE = table(LOG2E, SHIFTER, MINUS_LN2, C2, C3, C4, C5, C6, LOWEST, 0);

    private Exp() {
    }

    private static MemorySegment table(float... constants) {
        MemorySegment table = Arena.global().allocate((long) constants.length * Lanes.BYTES, Lanes.BYTES);
        for (int i = 0; i < constants.length; i++) {
            table.asSlice((long) i * Lanes.BYTES, Lanes.BYTES)
                    .copyFrom(MemorySegment.ofArray(filled(constants[i])));
        }
        return table;
    }

    private static float[] filled(float value) {
        float[] lanes = new float[Lanes.COUNT];
        Arrays.fill(lanes, value);
        return lanes;
    }
}
