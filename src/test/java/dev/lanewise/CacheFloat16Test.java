package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What rows of float16 that are read in place cannot hold: numbers that are not finite, and queries beyond the range of the rebiased product. */
@Tag("width")
class CacheFloat16Test {
    private static final int KEYS = 40;
    private static final int DEPTH = 64;
    /** Beyond float16, whose largest number is 65,504. */
    private static final float BEYOND = 1e6f;
    /**
     * Scores here are exact. Exponentials are within 1.5e-7 of themselves ({@code Exp}), in the sum of weights and in that of weighted values, where
     * each addition rounds by 2⁻²⁴; values are ±1.
     */
    private static final double BOUND = 2 * 1.5e-7 + 2 * KEYS * 0x1p-24;

    private static float[] signs(Random random) {
        float[] signs = new float[KEYS * DEPTH];
        for (int i = 0; i < signs.length; i++) {
            signs[i] = random.nextBoolean() ? 1 : -1;
        }
        return signs;
    }

    /** Element 0 of key j is a multiple of 2⁻²⁰, a subnormal float16 for small j. */
    private static float[] keys() {
        float[] keys = new float[KEYS * DEPTH];
        for (int j = 0; j < KEYS; j++) {
            keys[j * DEPTH] = j * 0x1p-20f;
        }
        return keys;
    }

    private static float[] attend(float[] keys, float[] values, float query, long from, Kernel kernel) {
        try (Arena arena = Arena.ofConfined()) {
            KvCache cache = KvCache.builder(1, DEPTH).storage(ElementType.FLOAT16).capacity(KEYS).allocate(arena);
            KvCache.Sequence sequence = cache.newSequence();
            sequence.append(0, Tensor.ofFloats(arena, keys, 1, KEYS, DEPTH),
                    Tensor.ofFloats(arena, values, 1, KEYS, DEPTH));
            Tensor q = Tensor.allocate(arena, ElementType.FLOAT32, 1, 1, 1, DEPTH);
            q.setFloat(query, 0, 0, 0, 0);
            Tensor context = Tensor.allocate(arena, ElementType.FLOAT32, 1, 1, 1, DEPTH);
            Attention.builder()
                    .scale(1)
                    .kernel(kernel)
                    .build()
                    .run(AttentionInputs.ofCache(q, 0, sequence).withKeyRange(from, KEYS),
                            AttentionOutputs.of(context));
            return context.toFloats();
        }
    }

    private static void compare(float[] keys, float[] values, float query, long from) {
        float[] actual = attend(keys, values, query, from, RuntimeInfo.current().kernel());
        float[] expected = attend(keys, values, query, from, Kernel.REFERENCE);
        for (int d = 0; d < DEPTH; d++) {
            if (Float.isFinite(expected[d])) {
                assertEquals(expected[d], actual[d], BOUND, "feature " + d);
            } else {
                assertEquals(expected[d], actual[d], "feature " + d);
            }
        }
    }

    @Test
    void queriesOfAnySize() {
        for (float query : new float[]{0x1p14f, 0x1p15f, 0x1p16f, -0x1p17f}) {
            compare(keys(), signs(new Random(1)), query, 0);
        }
    }

    @Test
    void infiniteAndUndefinedValues() {
        float[] values = signs(new Random(2));
        values[3 * DEPTH] = BEYOND;
        values[4 * DEPTH + 1] = -BEYOND;
        values[5 * DEPTH + 2] = Float.NaN;
        float[] context = attend(keys(), values, 0x1p14f, 0, RuntimeInfo.current().kernel());
        assertEquals(Float.POSITIVE_INFINITY, context[0]);
        assertEquals(Float.NEGATIVE_INFINITY, context[1]);
        assertTrue(Float.isNaN(context[2]));
        compare(keys(), values, 0x1p14f, 0);
        compare(keys(), values, 0x1p14f, 6);
    }

    /** More keys than a block of rows that go through scratch has. */
    @Test
    void aSequenceDoesNotNoticeItsNeighboursInfinity() {
        int keys = 300;
        try (Arena arena = Arena.ofConfined()) {
            Random random = new Random(4);
            KvCache cache = KvCache.builder(1, DEPTH)
                    .storage(ElementType.FLOAT16)
                    .pageTokens(keys)
                    .capacity(2L * keys)
                    .allocate(arena);
            Tensor k = Layout.PLAIN.normal(arena, random, 1, 1, 1, keys, DEPTH).select(0, 0);
            KvCache.Sequence finite = cache.newSequence();
            finite.append(0, k, k);
            k.setFloat(BEYOND, 0, 3, 0);
            KvCache.Sequence infinite = cache.newSequence();
            infinite.append(0, k, k);
            Tensor q = Layout.PLAIN.normal(arena, random, 1, 2, 1, 1, DEPTH);
            Tensor both = Tensor.allocate(arena, ElementType.FLOAT32, 2, 1, 1, DEPTH);
            Tensor alone = Tensor.allocate(arena, ElementType.FLOAT32, 1, 1, 1, DEPTH);
            Attention attention = Attention.builder().bitStable().build();
            attention.run(AttentionInputs.ofCache(q, 0, infinite, finite), AttentionOutputs.of(both));
            attention.run(AttentionInputs.ofCache(q.slice(0, 1, 2), 0, finite), AttentionOutputs.of(alone));
            assertArrayEquals(alone.toFloats(), both.slice(0, 1, 2).toFloats());
        }
    }

    @Test
    void infiniteKeys() {
        float[] keys = keys();
        keys[3 * DEPTH] = -BEYOND;
        compare(keys, signs(new Random(3)), 0x1p14f, 0);
        keys[5 * DEPTH] = Float.NaN;
        compare(keys, signs(new Random(3)), 0x1p14f, 0);
        compare(keys, signs(new Random(3)), 0x1p14f, 6);
    }
}
