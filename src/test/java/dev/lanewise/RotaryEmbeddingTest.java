package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lanewise.RotaryEmbedding.Pairing;
import java.lang.foreign.Arena;
import java.util.Random;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;

class RotaryEmbeddingTest {
    @Property(tries = 200, edgeCases = EdgeCasesMode.NONE)
    void rotatesEachPairByItsAngle(@ForAll @IntRange(min = 1, max = 20) int pairs, @ForAll @IntRange(max = 5) int rest,
            @ForAll @IntRange(max = 12) int rows, @ForAll @IntRange(max = 80) int offset, @ForAll Pairing pairing,
            @ForAll Layout.Order order, @ForAll Layout.Place place, @ForAll boolean inPlace, @ForAll long seed) {
        try (Arena arena = Arena.ofConfined()) {
            int depth = 2 * pairs + rest;
            Tensor in = new Layout(order, place, ElementType.FLOAT32).normal(arena, new Random(seed), 1, 2, 3, rows,
                    depth);
            float[] x = in.toFloats();
            Tensor out = inPlace ? in : Layout.PLAIN.allocate(arena, 2, 3, rows, depth);
            RotaryEmbedding.of(2 * pairs, pairing, 10000, 100).apply(in, offset, out);
            float[] y = out.toFloats();
            for (int row = 0; row < y.length / depth; row++) {
                int position = offset + row % Math.max(1, rows);
                for (int d = 0; d < depth; d++) {
                    assertEquals(expected(x, row * depth, d, pairs, pairing, position), y[row * depth + d], 1e-6);
                }
            }
        }
    }

    /** As a complex number times e^(i·angle), pair by pair. */
    private static double expected(float[] x, int row, int d, int pairs, Pairing pairing, int position) {
        if (d >= 2 * pairs) {
            return x[row + d];
        }
        boolean interleaved = pairing == Pairing.INTERLEAVED;
        int pair = interleaved ? d / 2 : d % pairs;
        boolean imaginary = interleaved ? d % 2 == 1 : d >= pairs;
        double re = x[row + (interleaved ? 2 * pair : pair)];
        double im = x[row + (interleaved ? 2 * pair + 1 : pair + pairs)];
        double angle = position / Math.pow(10000, (double) pair / pairs);
        return imaginary ? re * Math.sin(angle) + im * Math.cos(angle) : re * Math.cos(angle) - im * Math.sin(angle);
    }

    @Property(tries = 50, edgeCases = EdgeCasesMode.NONE)
    void scoresDependOnTheDistanceOnly(@ForAll @IntRange(max = 50) int shift, @ForAll long seed) {
        try (Arena arena = Arena.ofConfined()) {
            Tensor q = Layout.PLAIN.normal(arena, new Random(seed), 1, 1, 1, 1, 16);
            Tensor k = Layout.PLAIN.normal(arena, new Random(seed + 1), 1, 1, 1, 1, 16);
            RotaryEmbedding rotary = RotaryEmbedding.of(16, Pairing.HALF_SPLIT, 10000, 100);
            assertEquals(score(arena, rotary, q, k, 20, 7), score(arena, rotary, q, k, 20 + shift, 7 + shift), 2e-5);
        }
    }

    private static double score(Arena arena, RotaryEmbedding rotary, Tensor q, Tensor k, int query, int key) {
        Tensor a = Layout.PLAIN.allocate(arena, 1, 1, 1, 16);
        Tensor b = Layout.PLAIN.allocate(arena, 1, 1, 1, 16);
        rotary.apply(q, query, a);
        rotary.apply(k, key, b);
        double sum = 0;
        for (int d = 0; d < 16; d++) {
            sum += a.getFloat(0, 0, 0, d) * b.getFloat(0, 0, 0, d);
        }
        return sum;
    }

    @Example
    void refusesPositionsBeyondItsTable() {
        try (Arena arena = Arena.ofConfined()) {
            Tensor x = Tensor.allocate(arena, ElementType.FLOAT32, 4, 8);
            RotaryEmbedding rotary = RotaryEmbedding.of(8, Pairing.INTERLEAVED, 10000, 10);
            assertEquals("offset: 7 with 4 rows, wanted positions from 0 to 9",
                    assertThrows(IllegalArgumentException.class, () -> rotary.apply(x, 7, x)).getMessage());
            assertEquals("rotated: 3, wanted an even number of features, at least 2",
                    assertThrows(IllegalArgumentException.class,
                            () -> RotaryEmbedding.of(3, Pairing.INTERLEAVED, 10000, 10)).getMessage());
        }
    }

    /** The angles of the last pair grow as base^(2/R − 1): past 1.8e308 they are infinite, and their sines NaN. */
    @Example
    void refusesABaseWhoseAnglesAreInfinite() {
        RotaryEmbedding.of(64, Pairing.INTERLEAVED, 1e-310, 1000);
        for (int positions : new int[]{1, 1000}) {
            assertEquals("base: 4.9E-324, wanted one whose angles are finite, up to position " + (positions - 1),
                    assertThrows(IllegalArgumentException.class,
                            () -> RotaryEmbedding.of(64, Pairing.INTERLEAVED, Double.MIN_VALUE, positions))
                            .getMessage());
        }
        assertEquals("base: 1.0E-318, wanted one whose angles are finite, up to position 9",
                assertThrows(IllegalArgumentException.class,
                        () -> RotaryEmbedding.of(64, Pairing.INTERLEAVED, 1e-318, 10)).getMessage());
    }
}
