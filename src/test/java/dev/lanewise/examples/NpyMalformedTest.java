package dev.lanewise.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import java.io.ByteArrayInputStream;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class NpyMalformedTest {
    private static final String PLAIN = dictionary("'<f4'", "False", "(2,)");

    private static String dictionary(String descr, String order, String shape) {
        return "{'descr': " + descr + ", 'fortran_order': " + order + ", 'shape': " + shape + "}";
    }

    private static Arguments header(String name, String dictionary, String reason) {
        return arguments(name, NpyBytes.of(dictionary, 8), reason);
    }

    static Stream<Arguments> files() {
        byte[] plain = NpyBytes.of(PLAIN, 8);
        byte[] otherMagic = plain.clone();
        otherMagic[5] = 'X';
        byte[] version4 = plain.clone();
        version4[6] = 4;
        byte[] minor1 = plain.clone();
        minor1[7] = 1;
        return Stream.of(
                arguments("empty file", new byte[0], "truncated in the header"),
                arguments("magic cut", Arrays.copyOf(plain, 4), "truncated in the header"),
                arguments("length cut", Arrays.copyOf(plain, 9), "truncated in the header"),
                arguments("dictionary cut", Arrays.copyOf(plain, 30), "truncated in the header"),
                arguments("text file", "q,k,v\n1,2,3\n".getBytes(StandardCharsets.US_ASCII), "not an .npy file"),
                arguments("other magic", otherMagic, "not an .npy file"),
                arguments("version 4.0", version4, "format version 4.0"),
                arguments("version 1.1", minor1, "format version 1.1"),
                arguments("oversized header", NpyBytes.start(2, 65537, 70000).array(), "oversized header: 65537"),
                arguments("header of 4 GiB", NpyBytes.start(3, -1, 0).array(), "oversized header: 4294967295"),
                arguments("no data", NpyBytes.of(PLAIN, 0), "truncated: 0 bytes of data, the shape needs 8"),
                arguments("data cut", NpyBytes.of(PLAIN, 7), "truncated: 7 bytes of data, the shape needs 8"),
                arguments("data after the end", NpyBytes.of(PLAIN, 9), "1 bytes after the array's end"));
    }

    static Stream<Arguments> headers() {
        return Stream.of(
                header("big-endian", dictionary("'>f4'", "False", "(2,)"), "big-endian type '>f4'"),
                header("float64", dictionary("'<f8'", "False", "(1,)"), "type '<f8', wanted '<f4'"),
                header("objects", dictionary("'|O'", "False", "(1,)"), "type '|O'"),
                header("structure", dictionary("[('a', '<f4')]", "False", "(2,)"), "structured type"),
                header("Fortran order", dictionary("'<f4'", "True", "(2,)"), "Fortran order"),
                header("order not a truth value", dictionary("'<f4'", "0", "(2,)"), "wanted True or False"),
                header("negative size", dictionary("'<f4'", "False", "(-2,)"), "negative size"),
                header("size of 64 bits", dictionary("'<f4'", "False", "(9223372036854775808,)"),
                        "does not fit 64 bits"),
                header("product overflow", dictionary("'<f4'", "False", "(4294967296, 4294967296)"),
                        "more bytes than 64 bits"),
                header("overflow beside an empty axis", dictionary("'<f4'", "False", "(0, 4294967296, 4294967296)"),
                        "more bytes than 64 bits"),
                header("huge shape in a small file", dictionary("'<f4'", "False", "(1099511627776,)"),
                        "truncated: 8 bytes of data, the shape needs 4398046511104"),
                header("shape not a tuple", dictionary("'<f4'", "False", "2"), "wanted '('"),
                header("number in brackets", dictionary("'<f4'", "False", "(2)"), "no tuple"),
                header("fraction", dictionary("'<f4'", "False", "(2.0,)"), "wanted ',' or ')'"),
                header("leading zero", dictionary("'<f4'", "False", "(02,)"), "leading zeros"),
                header("lone comma", dictionary("'<f4'", "False", "(,)"), "wanted a whole number"),
                header("65 axes", dictionary("'<f4'", "False", "(" + "1,".repeat(65) + ")"), "more than 64 axes"),
                header("no dictionary", "[1, 2]", "wanted '{'"),
                header("empty dictionary", "{}", "no descr"),
                header("no shape", "{'descr': '<f4', 'fortran_order': False}", "no shape"),
                header("no order", "{'descr': '<f4', 'shape': (2,)}", "no fortran_order"),
                header("unknown key", "{'descr': '<f4', 'extra': 1}", "unknown key 'extra'"),
                header("key twice", "{'descr': '<f4', 'descr': '<f4'}", "two entries of descr"),
                header("not closed", "{'descr': '<f4'", "its end"),
                header("quote not closed", "{'descr': '<f4", "a closing quote"),
                header("line feed in a string", "{'descr': '<f\n4'}", "plain characters"),
                header("escape in a string", "{'descr': '\\x3cf4'}", "plain characters"),
                header("long type name", "{'descr': '" + "f".repeat(100) + "'}", "plain characters"),
                header("text after the end", PLAIN + " x", "wanted the end"),
                header("not ASCII", "{'descr': 'é'}", "plain characters"));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource({"files", "headers"})
    void isRefusedWithTheReason(String name, byte[] file, String reason) {
        try (Arena arena = Arena.ofConfined()) {
            NpyException refused = assertThrows(NpyException.class, () -> NpyBytes.read(file, arena), name);
            assertTrue(refused.getMessage().contains(reason), refused.getMessage());
            assertEquals(1, refused.getMessage().lines().count());
        }
    }

    @Test
    void aStreamThatChangedItsLengthIsRefused() {
        byte[] file = NpyBytes.of(PLAIN, 8);
        try (Arena arena = Arena.ofConfined()) {
            byte[] shorter = Arrays.copyOf(file, file.length - 1);
            byte[] longer = Arrays.copyOf(file, file.length + 1);
            assertThrows(NpyException.class,
                    () -> NpyFile.read(new ByteArrayInputStream(shorter), file.length, arena));
            assertThrows(NpyException.class, () -> NpyFile.read(new ByteArrayInputStream(longer), file.length, arena));
        }
    }
}
