package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.F;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/**
 * 2ˣ for x ≤ 0, the range of a softmax whose maximum was subtracted. {@code lanewise(EXP)} calls a library function and costs
 * three times as much.
 *
 * <p>x = n + f with n the nearest integer, |f| ≤ ½, and 2ˣ = 2ⁿ·P(f). P is the polynomial of degree 6 that minimises the largest
 * relative error on that interval: 2e-9 in exact arithmetic, so that the rounding of float32 is what remains (8e-8 in all). Adding 1.5·2²³ + 127
 * to x leaves n + 127, the biased exponent of 2ⁿ, in the low bits of the sum. Below −126, where 2ⁿ would be subnormal, the result
 * is 0, which also makes it 0 for −∞. NaN stays NaN. Above 127 the result means nothing.
 */
final class Exp2 {
    private static final float SHIFTER = 0x1.8p23f + 127;
    private static final float UNSHIFTER = -0x1.8p23f - 127;
    private static final float LOWEST = -126;
    private static final int EXPONENT_SHIFT = 23;

    private static final float C1 = 0x1.62e430p-1f;
    private static final float C2 = 0x1.ebfbdcp-3f;
    private static final float C3 = 0x1.c6aee8p-5f;
    private static final float C4 = 0x1.3b2d4cp-7f;
    private static final float C5 = 0x1.5f3e54p-10f;
    private static final float C6 = 0x1.41fbbcp-13f;

    private Exp2() {
    }

    /** 2ˣ lane by lane. */
    static FloatVector of(FloatVector x) {
        FloatVector shifted = x.add(SHIFTER);
        FloatVector f = x.sub(shifted.add(UNSHIFTER));
        FloatVector p = FloatVector.broadcast(F, C6).fma(f, FloatVector.broadcast(F, C5));
        p = p.fma(f, FloatVector.broadcast(F, C4));
        p = p.fma(f, FloatVector.broadcast(F, C3));
        p = p.fma(f, FloatVector.broadcast(F, C2));
        p = p.fma(f, FloatVector.broadcast(F, C1));
        p = p.fma(f, FloatVector.broadcast(F, 1));
        FloatVector power = shifted.reinterpretAsInts()
                .lanewise(VectorOperators.LSHL, EXPONENT_SHIFT)
                .reinterpretAsFloats();
        return p.mul(power).blend(0, x.compare(VectorOperators.LT, LOWEST));
    }
}
