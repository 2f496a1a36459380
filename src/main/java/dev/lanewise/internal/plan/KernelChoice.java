package dev.lanewise.internal.plan;

import dev.lanewise.internal.cpu.CpuFacts;

/**
 * Which kernel runs, and why: a pure function of the machine's facts and the user's override.
 *
 * @param vector whether the vector kernels run; otherwise the scalar one
 * @param bits the vector width, or 0
 * @param registers how many vector registers the tile may count on, or 0
 * @param warning whether the user should hear of it: the machine could do better than what was chosen
 * @param reason what decided, in a sentence
 * @param facts what it was decided from
 */
public record KernelChoice(boolean vector, int bits, int registers, boolean warning, String reason, CpuFacts facts) {
    /** The system property that overrides the choice: {@code 512}, {@code 256}, {@code 128} or {@code scalar}. */
    public static final String PROPERTY = "dev.lanewise.kernel";

    private static final int NARROWEST = 128;
    private static final int WIDEST = 512;
    private static final int AVX512_REGISTERS = 32;

    /** Decides; an override that cannot be honoured is ignored, and the reason says so. */
    public static KernelChoice decide(CpuFacts facts, String override) {
        if (override != null && override.equals("scalar")) {
            return new KernelChoice(false, 0, 0, false, PROPERTY + "=scalar", facts);
        }
        String obstacle = obstacle(facts);
        if (obstacle != null) {
            return new KernelChoice(false, 0, 0, true, obstacle, facts);
        }
        int widest = Math.min(facts.preferredBits(), WIDEST);
        if (override == null || override.isEmpty()) {
            return vector(facts, widest, false, "the widest that " + facts.compiler() + " compiles here");
        }
        return switch (override) {
            case "128", "256", "512" -> {
                int asked = Integer.parseInt(override);
                yield asked <= widest
                        ? vector(facts, asked, false, PROPERTY + "=" + override)
                        : vector(facts, widest, true,
                                PROPERTY + "=" + override + " ignored: this JVM compiles at most " + widest + " bits");
            }
            default -> vector(facts, widest, true,
                    PROPERTY + "=" + override + " ignored: wanted 512, 256, 128 or scalar");
        };
    }

    private static KernelChoice vector(CpuFacts facts, int bits, boolean warning, String reason) {
        return new KernelChoice(true, bits, facts.vectorRegisters(), warning, reason, facts);
    }

    /** Why no vector kernel can run at speed here, or null. */
    private static String obstacle(CpuFacts facts) {
        if (!facts.vectorModule()) {
            return "module jdk.incubator.vector is not resolved; start the JVM with --add-modules jdk.incubator.vector";
        }
        if (!facts.topTier()) {
            return "compiled by " + facts.compiler() + ", which does not turn the Vector API into instructions";
        }
        if (!facts.fma()) {
            return "no fused multiply-add instruction on " + facts.architecture()
                    + ", -XX:-UseFMA, or no module jdk.management to ask";
        }
        if (facts.preferredBits() < NARROWEST) {
            return "vectors of " + facts.preferredBits() + " bits on " + facts.architecture() + ", wanted at least "
                    + NARROWEST;
        }
        return null;
    }

    /** float32 lanes in a vector, or 1. */
    public int lanes() {
        return vector ? bits / Float.SIZE : 1;
    }

    /** Query vectors in the widest tile: 8×3 accumulators fit a file of 32 registers, 4×3 one of 16. */
    public int tileVectors() {
        return 3;
    }

    /** Column vectors in the widest tile of a matrix multiply. */
    public int multiplyVectors() {
        return manyRegisters() ? 4 : 3;
    }

    /** Whether 24 accumulators and what they meet fit the registers. */
    public boolean manyRegisters() {
        return registers >= AVX512_REGISTERS;
    }

    /** The kernel's name: operation, element type, width, tile. */
    public String kernelName() {
        return vector
                ? "attention f32 " + bits + "-bit " + (manyRegisters() ? 8 : 4) + "x" + tileVectors()
                : "attention f32 scalar";
    }
}
