package dev.lanewise;

import java.lang.foreign.Arena;
import java.util.Random;

/** Says what was chosen, computes one attention with it, and what a first call runs on, and compares with the specification. */
final class StartUpProgram {
    /**
     * Scores of 8 products of numbers within ±1, times 8^−½, are within ±2.83 and off by at most 9·2⁻²⁴·2.83 = 1.5e-6; weights by
     * e to the power of twice that, so 3e-6, and 2e-7 of exp itself; and a weighted mean of 9 numbers within ±1 by that
     * and 9·2⁻²⁴ more: 4e-6.
     */
    private static final double BOUND = 4e-6;
    private static final int KEYS = 9;
    private static final int DEPTH = 8;

    private StartUpProgram() {
    }

    public static void main(String[] args) {
        Info.main(args);
        Random random = new Random(1);
        double error = 0;
        try (Arena arena = Arena.ofConfined()) {
            Tensor q = random(arena, random, 5);
            Tensor k = random(arena, random, KEYS);
            Tensor v = random(arena, random, KEYS);
            Tensor actual = Tensor.allocate(arena, ElementType.FLOAT32, 5, DEPTH);
            Tensor wanted = Tensor.allocate(arena, ElementType.FLOAT32, 5, DEPTH);
            Attention.builder().kernel(Kernel.REFERENCE).build().run(q, k, v, wanted);
            Attention.builder().build().run(q, k, v, actual);
            error = Math.max(error, difference(actual, wanted));
            Attention.builder().kernel(RuntimeInfo.current().kernel()).build().run(q, k, v, actual);
            error = Math.max(error, difference(actual, wanted));
        }
        System.out.println("attention  " + (error <= BOUND ? "agrees" : "differs by " + error));
    }

    private static double difference(Tensor actual, Tensor wanted) {
        double error = 0;
        for (int i = 0; i < 5; i++) {
            for (int d = 0; d < DEPTH; d++) {
                error = Math.max(error, Math.abs(actual.getFloat(i, d) - wanted.getFloat(i, d)));
            }
        }
        return error;
    }

    private static Tensor random(Arena arena, Random random, int rows) {
        float[] values = new float[rows * DEPTH];
        for (int i = 0; i < values.length; i++) {
            values[i] = random.nextFloat(-1, 1);
        }
        return Tensor.ofFloats(arena, values, rows, DEPTH);
    }
}
