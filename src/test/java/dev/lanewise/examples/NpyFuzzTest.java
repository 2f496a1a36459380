package dev.lanewise.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lanewise.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Label;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;

class NpyFuzzTest {
    private static final byte[] VALID = NpyBytes
            .of("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n", 24);
    private static final List<String> PIECES = List.of("{", "}", "(", ")", "[", ",", ":", "'", "\"", " ", "\n", "-",
            "0",
            "1", "7", "99999999999", "9223372036854775807", "True", "False", "'descr'", "'fortran_order'", "'shape'",
            "'<f4'", "'|b1'", "(2, 3)", "{'descr': '<f4', ", "'fortran_order': False, ", "'shape': (2, 3)}", "\u00e9",
            "\\", "\0");

    @Property
    @Label("random bytes")
    void bytes(@ForAll @Size(max = 200) byte[] file) {
        requireOrderlyEnd(file);
    }

    @Property
    @Label("random bytes after a good start")
    void bytesAfterTheMagic(@ForAll @IntRange(max = 4) int version, @ForAll @Size(max = 200) byte[] rest) {
        requireOrderlyEnd(NpyBytes.start(version, rest.length - 8, rest.length).put(rest).array());
    }

    @Property(tries = 5000)
    @Label("a valid file with bytes changed, and cut or extended")
    void mutations(@ForAll @IntRange(max = 4) int changes, @ForAll @IntRange(min = -8, max = 8) int growth,
            @ForAll long seed) {
        Random random = new Random(seed);
        byte[] file = Arrays.copyOf(VALID, VALID.length + growth);
        for (int i = 0; i < changes; i++) {
            file[random.nextInt(VALID.length - 32)] = (byte) random.nextInt(256);
        }
        requireOrderlyEnd(file);
    }

    @Property(tries = 5000)
    @Label("dictionaries of plausible pieces in any order")
    void dictionaries(@ForAll("pieces") List<String> pieces, @ForAll @IntRange(min = 1, max = 3) int version) {
        requireOrderlyEnd(NpyBytes.of(version, String.join("", pieces), new byte[24]));
    }

    @Provide
    Arbitrary<List<String>> pieces() {
        return Arbitraries.of(PIECES).list().ofMaxSize(20);
    }

    /** An array that uses the whole file, or the documented exception with one line. */
    private static void requireOrderlyEnd(byte[] file) {
        try (Arena arena = Arena.ofConfined()) {
            Tensor tensor = NpyBytes.read(file, arena);
            tensor.toFloats();
        } catch (IOException refused) {
            assertEquals(NpyException.class, refused.getClass());
            assertEquals(1, refused.getMessage().lines().count());
        }
    }
}
