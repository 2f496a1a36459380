package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.COUNT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * eˣ for x ≤ 0, the range of a softmax whose maximum was subtracted. {@code lanewise(EXP)} calls a library function and costs
 * three times as much.
 *
 * <p>N stands for the lanes of a vector. x = n·ln 2/N + f with n the nearest integer to N·x·log₂e, |f| ≤ ½·ln 2/N, and eˣ =
 * 2^(n/N)·P(f). A vector holds the N roots 2^(i/N), and one permutation finds that of n for every lane: fewer multiplications than
 * a polynomial over all of ½·ln 2, 5.5 cycles a vector instead of 6.4 (P. T. P. Tang, "Table-driven implementation of the exponential
 * function in IEEE floating-point arithmetic", 1989). P has leading terms 1 + f and minimises the largest relative error: degree 3, 1.6e-9
 * with 16 lanes and 2.6e-8 with 8; degree 4, 5.5e-9 with 4. As P(f) = 1 + t with t = f + f²·(…), eˣ = t·s + s, s = 2^(n/N), is one
 * rounding. Adding 1.5·2²³ + 127·N to N·x·log₂e leaves n + 127·N in the low bits of the sum; moved up, its multiples of N are the biased exponent
 * of s, and what is left, the index of the root, is a number already taken off the bits of that root. One constant for ln 2 is enough: its
 * error, 2e-9, counts x·log₂e times, and then eˣ is so much smaller. The relative error is at most 2·2⁻²⁴ + that of P +
 * 2e-9·|x|·log₂e + 0.2e-8.
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

    /** N·log₂e. */
    static final float LOG2E = COUNT * 0x1.715476p0f;
    static final float SHIFTER = 0x1.8p23f + 127 * COUNT;
    /** −ln 2/N. */
    static final float MINUS_LN2 = -0x1.62e430p-1f / COUNT;
    /** Moves multiples of N to where a float has its exponent. */
    static final int EXPONENT_SHIFT = 23 - Integer.numberOfTrailingZeros(COUNT);

    /** Whether P has a term of degree 4. */
    static final boolean QUARTIC = COUNT == 4;
    static final float C2 = COUNT == 16 ? 0x1.00021ep-1f : COUNT == 8 ? 0x1.000874p-1f : 0x1.000006p-1f;
    static final float C3 = COUNT == 16 ? 0x1.55559ap-3f : COUNT == 8 ? 0x1.555656p-3f : 0x1.5571d6p-3f;
    static final float C4 = 0x1.55211ap-5f;

    /** A vector each of the constants above in their order, the lowest x, 0 and 1; then the roots. */
    static final MemorySegment TABLE = table(LOG2E, SHIFTER, MINUS_LN2, C2, C3, C4, LOWEST, 0, 1);
    /** The byte of a vector whose lane i has the bits of 2^(i/N) that are to be added to the exponent of s and i. */
    static final long ROOTS = 9L * Lanes.BYTES;

    private Exp() {
    }

    private static MemorySegment table(float... constants) {
        MemorySegment table = Arena.global().allocate((constants.length + 1L) * Lanes.BYTES, Lanes.BYTES);
        for (int i = 0; i < constants.length; i++) {
            for (int lane = 0; lane < COUNT; lane++) {
                table.setAtIndex(Lanes.FLOAT, (long) i * COUNT + lane, constants[i]);
            }
        }
        int one = Float.floatToRawIntBits(1);
        for (int lane = 0; lane < COUNT; lane++) {
            int root = Float.floatToRawIntBits((float) Math.pow(2, (double) lane / COUNT));
            table.setAtIndex(ValueLayout.JAVA_INT, (long) constants.length * COUNT + lane,
                    root - one - (lane << EXPONENT_SHIFT));
        }
        return table;
    }
}
