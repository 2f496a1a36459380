package dev.lanewise.examples;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lanewise.ElementType;
import dev.lanewise.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.Random;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Label;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class NpyRoundTripTest {
    @Property(tries = 300)
    @Label("float32 of any shape, empty axes and any bits included, comes back as it was written")
    void floats(@ForAll("shapes") long[] shape, @ForAll long seed) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            Tensor tensor = Tensor.allocate(arena, ElementType.FLOAT32, shape);
            Random random = new Random(seed);
            for (long i = 0; i < tensor.elementCount(); i++) {
                tensor.segment().setAtIndex(ValueLayout.JAVA_INT, i, random.nextInt());
            }
            Tensor read = NpyBytes.read(NpyBytes.write(tensor), arena);
            assertSameBits(tensor, read, 4);
        }
    }

    @Property(tries = 200)
    @Label("bool of any shape comes back as it was written")
    void booleans(@ForAll("shapes") long[] shape, @ForAll long seed) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            Tensor tensor = Tensor.allocate(arena, ElementType.BOOL, shape);
            Random random = new Random(seed);
            for (long i = 0; i < tensor.elementCount(); i++) {
                tensor.segment().set(ValueLayout.JAVA_BYTE, i, (byte) random.nextInt(2));
            }
            assertSameBits(tensor, NpyBytes.read(NpyBytes.write(tensor), arena), 1);
        }
    }

    @Provide
    Arbitrary<long[]> shapes() {
        return Arbitraries.longs().between(0, 5).array(long[].class).ofMaxSize(5);
    }

    private static void assertSameBits(Tensor wanted, Tensor read, int bytes) {
        assertEquals(wanted.type(), read.type());
        assertArrayEquals(wanted.shape(), read.shape());
        long size = wanted.elementCount() * bytes;
        assertEquals(-1, wanted.segment().asSlice(0, size).mismatch(read.segment().asSlice(0, size)));
    }

    @Property(tries = 100)
    @Label("a header is padded to 64 bytes and says what NumPy says")
    void header(@ForAll @IntRange(max = 3) int rows, @ForAll @IntRange(max = 3) int columns) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            byte[] file = NpyBytes.write(Tensor.allocate(arena, ElementType.FLOAT32, rows, columns));
            String text = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + rows + ", " + columns + "), }";
            assertEquals(128 + 4 * rows * columns, file.length);
            assertEquals(text + " ".repeat(117 - text.length()) + "\n",
                    new String(file, 10, 118, StandardCharsets.ISO_8859_1));
        }
    }

    @Property(tries = 60)
    @Label("all three versions, any order of keys, any white space")
    void variants(@ForAll @IntRange(min = 1, max = 3) int version, @ForAll boolean reversed, @ForAll boolean spaces,
            @ForAll boolean lastComma) throws IOException {
        String descr = "'descr':'<f4'";
        String shape = "\"shape\":(2,1" + (lastComma ? ",)" : ")");
        String text = "{" + (reversed
                ? shape + ",'fortran_order':False," + descr
                : descr + ",'fortran_order':False," + shape) + (lastComma ? ",}" : "}");
        if (spaces) {
            text = text.replace(",", " , \n")
                    .replace(":", "\t: ")
                    .replace("(", " ( ")
                    .replace(")", "\r\n)")
                    .replace("}", "\f} ") + "  \n";
        }
        byte[] data = {0, 0, (byte) 0x80, 0x3f, 0, 0, 0, (byte) 0xc0};
        try (Arena arena = Arena.ofConfined()) {
            Tensor read = NpyBytes.read(NpyBytes.of(version, text, data), arena);
            assertArrayEquals(new long[]{2, 1}, read.shape());
            assertArrayEquals(new float[]{1, -2}, read.toFloats());
        }
    }

    @Test
    void dataLongerThanOneChunk() throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            float[] values = new float[50_001];
            for (int i = 0; i < values.length; i++) {
                values[i] = i;
            }
            Tensor tensor = Tensor.ofFloats(arena, values, 3, 16667);
            assertArrayEquals(values, NpyBytes.read(NpyBytes.write(tensor), arena).toFloats());
        }
    }

    @Test
    void viewsInAnotherOrderAreRefused() {
        try (Arena arena = Arena.ofConfined()) {
            Tensor tensor = Tensor.allocate(arena, ElementType.FLOAT32, 2, 3);
            assertThrows(IllegalArgumentException.class, () -> NpyBytes.write(tensor.transpose(0, 1)));
            assertThrows(IllegalArgumentException.class, () -> NpyBytes.write(tensor.slice(1, 0, 2)));
            assertThrows(IllegalArgumentException.class,
                    () -> NpyBytes.write(Tensor.allocate(arena, ElementType.INT32, 2)));
        }
    }
}
