package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.util.Random;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Tag;
import net.jqwik.api.constraints.IntRange;

@Tag("width")
class SoftmaxTest {
    @Property(tries = 200, edgeCases = EdgeCasesMode.NONE)
    void isWithinTheBoundOfFloat64(@ForAll @IntRange(max = 5) int rows, @ForAll @IntRange(max = 400) int columns,
            @ForAll Layout.Order order, @ForAll Layout.Place place, @ForAll boolean inPlace, @ForAll long seed) {
        check(rows, columns, new Layout(order, place, ElementType.FLOAT32), inPlace, seed);
    }

    @Example
    void longRows() {
        check(1, 100_000, Layout.PLAIN, false, 1);
        check(2, 99_999, Layout.PLAIN, true, 2);
        check(2, 99_999, new Layout(Layout.Order.GAPS, Layout.Place.NATIVE, ElementType.FLOAT32), true, 3);
    }

    /** Short rows are taken four at a time; long ones in groups, each of which looks at the next. */
    @Property(tries = 50, edgeCases = EdgeCasesMode.NONE)
    void aRowHasTheSameBitsInAnyCompany(@ForAll @IntRange(min = 1, max = 21) int rows,
            @ForAll @IntRange(min = 1, max = 700) int columns, @ForAll boolean negative, @ForAll long seed) {
        try (Arena arena = Arena.ofConfined()) {
            Tensor in = Layout.PLAIN.normal(arena, new Random(seed), 10, 1, 1, rows, columns).select(0, 0).select(0, 0);
            for (int r = 0; r < rows && negative; r++) {
                for (int c = 0; c < columns; c++) {
                    in.setFloat(-Math.abs(in.getFloat(r, c)), r, c);
                }
            }
            Tensor together = Tensor.allocate(arena, ElementType.FLOAT32, rows, columns);
            Softmax.rows(in, together);
            Tensor alone = Tensor.allocate(arena, ElementType.FLOAT32, 1, columns);
            for (int r = 0; r < rows; r++) {
                Softmax.rows(in.slice(0, r, r + 1), alone);
                assertArrayEquals(alone.toFloats(), together.slice(0, r, r + 1).toFloats());
            }
            Softmax.rows(in, in);
            assertArrayEquals(together.toFloats(), in.toFloats());
        }
    }

    /** Loops for whole vectors, and for so many of them, leave the bits of the loops for rows with a rest, to which −∞ adds nothing. */
    @Property(tries = 100, edgeCases = EdgeCasesMode.NONE)
    void aColumnOfMinusInfinityBehindWholeVectorsChangesNoBit(@ForAll @IntRange(min = 1, max = 9) int rows,
            @ForAll @IntRange(min = 1, max = 12) int vectors, @ForAll boolean inPlace, @ForAll long seed) {
        try (Arena arena = Arena.ofConfined()) {
            int columns = vectors * Math.max(4, RuntimeInfo.current().lanes());
            Tensor wide = Layout.PLAIN.normal(arena, new Random(seed), 10, 1, 1, rows, columns + 1)
                    .select(0, 0)
                    .select(0, 0);
            for (int r = 0; r < rows; r++) {
                wide.setFloat(Float.NEGATIVE_INFINITY, r, columns);
            }
            Tensor in = wide.slice(1, 0, columns);
            Tensor out = inPlace ? in : Tensor.allocate(arena, ElementType.FLOAT32, rows, columns);
            Tensor expected = Tensor.allocate(arena, ElementType.FLOAT32, rows, columns + 1);
            Softmax.rows(wide, expected);
            Softmax.rows(in, out);
            assertArrayEquals(expected.slice(1, 0, columns).toFloats(), out.toFloats());
        }
    }

    /** Of any sign, anywhere, beside rows of other values. */
    @Property(tries = 100, edgeCases = EdgeCasesMode.NONE)
    void nanMakesItsRowNaNAndNoOther(@ForAll @IntRange(min = 1, max = 9) int rows,
            @ForAll @IntRange(min = 1, max = 700) int columns, @ForAll boolean sign, @ForAll boolean negative,
            @ForAll long seed) {
        try (Arena arena = Arena.ofConfined()) {
            Random random = new Random(seed);
            float[] values = new float[rows * columns];
            for (int i = 0; i < values.length; i++) {
                values[i] = negative ? -1 - random.nextFloat() : random.nextFloat(-1, 1);
            }
            int bad = random.nextInt(values.length);
            values[bad] = Float.intBitsToFloat(sign ? 0xFFC00001 : 0x7FC00001);
            Tensor in = Tensor.ofFloats(arena, values, rows, columns);
            Softmax.rows(in, in);
            for (int i = 0; i < values.length; i++) {
                assertEquals(i / columns == bad / columns, Float.isNaN(in.getFloat(i / columns, i % columns)));
            }
        }
    }

    private static void check(int rows, int columns, Layout layout, boolean inPlace, long seed) {
        try (Arena arena = Arena.ofConfined()) {
            Tensor in = layout.normal(arena, new Random(seed), 10, 1, 1, rows, columns).select(0, 0).select(0, 0);
            float[] x = in.toFloats();
            Tensor out = inPlace ? in : Layout.PLAIN.allocate(arena, 1, 1, rows, columns).select(0, 0).select(0, 0);
            Softmax.rows(in, out);
            for (int r = 0; r < rows; r++) {
                double max = Double.NEGATIVE_INFINITY;
                for (int c = 0; c < columns; c++) {
                    max = Math.max(max, x[r * columns + c]);
                }
                double sum = 0;
                for (int c = 0; c < columns; c++) {
                    sum += Math.exp(x[r * columns + c] - max);
                }
                for (int c = 0; c < columns; c++) {
                    double expected = Math.exp(x[r * columns + c] - max) / sum;
                    // The argument is rounded at |x|·log₂e, at most 60·1.44; the sum of positive terms has n·u at most.
                    double bound = expected * (2 * 60 * 1.45 + columns + 8) * 0x1p-24 + Float.MIN_NORMAL;
                    assertEquals(expected, out.getFloat(r, c), bound);
                }
            }
        }
    }

    @Example
    void aRowWithNaNOrWithNothingButMinusInfinityIsNaN() {
        try (Arena arena = Arena.ofConfined()) {
            float inf = Float.POSITIVE_INFINITY;
            Tensor rows = Tensor.ofFloats(arena, new float[]{1, Float.NaN, -inf, -inf, 1, -inf, 1, inf}, 4, 2);
            Softmax.rows(rows, rows);
            for (int row : new int[]{0, 1}) {
                assertTrue(Float.isNaN(rows.getFloat(row, 0)) && Float.isNaN(rows.getFloat(row, 1)));
            }
            assertEquals(1f, rows.getFloat(2, 0));
            assertEquals(0f, rows.getFloat(2, 1));
            assertTrue(Float.isNaN(rows.getFloat(3, 1)));
        }
    }
}
