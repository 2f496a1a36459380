package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.lang.foreign.Arena;
import java.util.Random;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Tag;
import net.jqwik.api.constraints.IntRange;

@Tag("width")
class MatMulTest {
    @Property(tries = 200, edgeCases = EdgeCasesMode.NONE)
    void isWithinTheBoundOfFloat64(@ForAll @IntRange(max = 150) int m, @ForAll @IntRange(max = 200) int n,
            @ForAll @IntRange(max = 300) int k,
            @ForAll Layout.Order a, @ForAll Layout.Order b, @ForAll Layout.Order out, @ForAll Layout.Place place,
            @ForAll boolean biased,
            @ForAll long seed) {
        try (Arena arena = Arena.ofConfined()) {
            Random random = new Random(seed);
            ElementType type = seed % 4 == 0 ? ElementType.BFLOAT16 : ElementType.FLOAT32;
            Tensor ta = matrix(new Layout(a, place, type).normal(arena, random, 1, 1, 1, m, k));
            Tensor tb = matrix(new Layout(b, Layout.Place.NATIVE, type).normal(arena, random, 1, 1, 1, k, n));
            Tensor bias = biased ? matrix(Layout.PLAIN.normal(arena, random, 1, 1, 1, 1, n)).select(0, 0) : null;
            Tensor result = matrix(new Layout(out, place, ElementType.FLOAT32).allocate(arena, 1, 1, m, n));
            MatMul.multiply(ta, tb, bias, result);
            check(ta, tb, bias, result);
            Tensor again = matrix(Layout.PLAIN.allocate(arena, 1, 1, m, n));
            MatMul.multiply(ta, PackedMatrix.of(arena, tb), bias, again);
            check(ta, tb, bias, again);
        }
    }

    @Example
    void aPackedMatrixWhoseArenaIsClosedIsNamed() {
        try (Arena arena = Arena.ofConfined()) {
            Tensor square = Tensor.allocate(arena, ElementType.FLOAT32, 4, 4);
            Tensor out = Tensor.allocate(arena, ElementType.FLOAT32, 4, 4);
            PackedMatrix packed;
            try (Arena brief = Arena.ofConfined()) {
                packed = PackedMatrix.of(brief, square);
            }
            String message = "b: its arena is closed, wanted an open one";
            assertEquals(message, assertThrows(IllegalStateException.class,
                    () -> MatMul.multiply(square, packed, null, out)).getMessage());
            assertEquals(message, assertThrows(IllegalStateException.class,
                    () -> WarmUp.ofMultiply(square, packed, null, out)).getMessage());
        }
    }

    @Example
    void rowsWithoutElementsLieNowhere() {
        try (Arena arena = Arena.ofConfined()) {
            Tensor a = Tensor.of(arena.allocate(0), ElementType.FLOAT32, 0, new long[]{70, 0}, new long[]{7, 1});
            Tensor out = matrix(Layout.PLAIN.allocate(arena, 1, 1, 70, 40));
            MatMul.multiply(a, Tensor.allocate(arena, ElementType.FLOAT32, 0, 40), out);
            assertArrayEquals(new float[70 * 40], out.toFloats());
        }
    }

    /** One to three rows have kernels of their own; more than a thousand terms are summed in blocks. */
    @Property(tries = 60, edgeCases = EdgeCasesMode.NONE)
    void fewRowsAndLongSums(@ForAll @IntRange(min = 1, max = 7) int m, @ForAll @IntRange(min = 1, max = 150) int n,
            @ForAll @IntRange(max = 2600) int k, @ForAll Layout.Order a, @ForAll Layout.Order b,
            @ForAll Layout.Order out,
            @ForAll boolean biased, @ForAll long seed) {
        try (Arena arena = Arena.ofConfined()) {
            Random random = new Random(seed);
            Tensor ta = matrix(
                    new Layout(a, Layout.Place.NATIVE, ElementType.FLOAT32).normal(arena, random, 1, 1, 1, m, k));
            Tensor tb = matrix(
                    new Layout(b, Layout.Place.NATIVE, ElementType.FLOAT32).normal(arena, random, 1, 1, 1, k, n));
            Tensor bias = biased ? matrix(Layout.PLAIN.normal(arena, random, 1, 1, 1, 1, n)).select(0, 0) : null;
            Tensor result = matrix(
                    new Layout(out, Layout.Place.NATIVE, ElementType.FLOAT32).allocate(arena, 1, 1, m, n));
            MatMul.multiply(ta, tb, bias, result);
            check(ta, tb, bias, result);
            Tensor again = matrix(Layout.PLAIN.allocate(arena, 1, 1, m, n));
            MatMul.multiply(ta, PackedMatrix.of(arena, tb), bias, again);
            check(ta, tb, bias, again);
        }
    }

    /** Blocks of terms do not depend on where the result goes. */
    @Property(tries = 30, edgeCases = EdgeCasesMode.NONE)
    void theBitsDoNotDependOnTheMemoryOfTheResult(@ForAll @IntRange(min = 2, max = 140) int m,
            @ForAll @IntRange(min = 1, max = 150) int n, @ForAll @IntRange(max = 2600) int k,
            @ForAll Layout.Order order, @ForAll boolean biased, @ForAll long seed) {
        try (Arena arena = Arena.ofConfined()) {
            Random random = new Random(seed);
            Tensor a = matrix(Layout.PLAIN.normal(arena, random, 1, 1, 1, m, k));
            Tensor b = matrix(Layout.PLAIN.normal(arena, random, 1, 1, 1, k, n));
            Tensor bias = biased ? matrix(Layout.PLAIN.normal(arena, random, 1, 1, 1, 1, n)).select(0, 0) : null;
            Tensor inPlace = matrix(Layout.PLAIN.allocate(arena, 1, 1, m, n));
            Tensor elsewhere = matrix(
                    new Layout(order, Layout.Place.HEAP, ElementType.FLOAT32).allocate(arena, 1, 1, m, n));
            MatMul.multiply(a, b, bias, inPlace);
            MatMul.multiply(a, b, bias, elsewhere);
            assertArrayEquals(inPlace.toFloats(), elsewhere.toFloats());
        }
    }

    /** More terms than the scalar kernel has on the heap at a time. */
    @Example
    void manyTerms() {
        for (int k : new int[]{4096, 4097, 9001}) {
            try (Arena arena = Arena.ofConfined()) {
                Random random = new Random(k);
                Tensor a = matrix(Layout.PLAIN.normal(arena, random, 1, 1, 1, 67, k));
                Tensor b = matrix(Layout.PLAIN.normal(arena, random, 1, 1, 1, k, 70));
                Tensor out = matrix(Layout.PLAIN.allocate(arena, 1, 1, 67, 70));
                MatMul.multiply(a, b, out);
                check(a, b, null, out);
            }
        }
    }

    /** More rows than read b in place. */
    @Example
    void manyRowsWithAPackedPanel() {
        for (Layout.Order order : Layout.Order.values()) {
            try (Arena arena = Arena.ofConfined()) {
                Random random = new Random(1);
                Layout layout = new Layout(order, Layout.Place.NATIVE, ElementType.FLOAT32);
                Tensor a = matrix(layout.normal(arena, random, 1, 1, 1, 261, 37));
                Tensor b = matrix(layout.normal(arena, random, 1, 1, 1, 37, 139));
                Tensor out = matrix(Layout.PLAIN.allocate(arena, 1, 1, 261, 139));
                MatMul.multiply(a, b, out);
                check(a, b, null, out);
            }
        }
    }

    @Example
    void multipliesByTheTransposeOfAView() {
        try (Arena arena = Arena.ofConfined()) {
            Tensor a = Tensor.ofFloats(arena, new float[]{1, 2, 3, 4, 5, 6}, 2, 3);
            Tensor b = Tensor.ofFloats(arena, new float[]{1, 0, 1, 0, 1, 0}, 2, 3);
            Tensor out = Tensor.allocate(arena, ElementType.FLOAT32, 2, 2);
            MatMul.multiply(a, b.transpose(0, 1), out);
            assertArrayEquals(new float[]{4, 2, 10, 5}, out.toFloats());
        }
    }

    @Example
    void refusesOperandsThatDoNotFit() {
        try (Arena arena = Arena.ofConfined()) {
            Tensor a = Tensor.allocate(arena, ElementType.FLOAT32, 2, 3);
            Tensor out = Tensor.allocate(arena, ElementType.FLOAT32, 2, 2);
            String message = assertThrows(IllegalArgumentException.class, () -> MatMul.multiply(a, out, out))
                    .getMessage();
            assertEquals("out: " + out + " overlaps b: " + out + ", wanted memory of its own", message);
            assertEquals("a: axis 1 has 3 elements, wanted b's 2 rows",
                    assertThrows(IllegalArgumentException.class, () -> MatMul.multiply(a, a.slice(1, 0, 2), out))
                            .getMessage());
        }
    }

    private static Tensor matrix(Tensor tensor) {
        return tensor.select(0, 0).select(0, 0);
    }

    /** A sum of k products and a bias: (k + 2)·u·Σ|terms|. */
    private static void check(Tensor a, Tensor b, Tensor bias, Tensor out) {
        float[] as = a.toFloats();
        float[] bs = b.toFloats();
        int k = (int) a.size(1);
        int n = (int) b.size(1);
        for (int i = 0; i < a.size(0); i++) {
            for (int j = 0; j < n; j++) {
                double sum = bias == null ? 0 : bias.getFloat(j);
                double magnitude = Math.abs(sum);
                for (int x = 0; x < k; x++) {
                    double term = (double) as[i * k + x] * bs[x * n + j];
                    sum += term;
                    magnitude += Math.abs(term);
                }
                assertEquals(sum, out.getFloat(i, j), (k + 2) * 0x1p-24 * magnitude + Float.MIN_VALUE,
                        "[" + i + ", " + j + "]");
            }
        }
    }
}
