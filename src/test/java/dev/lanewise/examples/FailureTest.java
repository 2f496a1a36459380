package dev.lanewise.examples;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lanewise.ElementType;
import dev.lanewise.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class FailureTest {
    @TempDir
    private Path inputs;
    @TempDir
    private Path outputs;

    @BeforeEach
    void writeGoodInputs() throws IOException {
        write("q", 2, 3, 4);
        write("k", 2, 5, 4);
        write("v", 2, 5, 6);
    }

    private void write(String name, long... shape) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            Files.write(input(name), NpyBytes.write(Tensor.allocate(arena, ElementType.FLOAT32, shape)));
        }
    }

    private Path input(String name) {
        return inputs.resolve(name + ".npy");
    }

    private AttendResult attend(String... options) {
        List<String> args = new ArrayList<>(List.of("--q=" + input("q"), "--k=" + input("k"), "--v=" + input("v"),
                "--out=" + outputs.resolve("out.npy")));
        args.addAll(Arrays.asList(options));
        return AttendResult.of(args.toArray());
    }

    private void requireFailure(AttendResult result, String named, String reason) throws IOException {
        assertEquals(2, result.exitCode(), result.err());
        assertEquals("", result.out());
        assertEquals(1, result.err().lines().count(), result.err());
        assertTrue(result.err().startsWith("attend: "), result.err());
        assertTrue(result.err().contains(named), result.err());
        assertTrue(result.err().contains(reason), result.err());
        try (Stream<Path> files = Files.list(outputs)) {
            assertEquals(List.of(), files.filter(Files::isRegularFile).toList());
        }
    }

    static Stream<Object[]> badFiles() {
        return Stream.concat(NpyMalformedTest.files(), NpyMalformedTest.headers())
                .map(arguments -> Arrays.copyOfRange(arguments.get(), 1, 3));
    }

    @ParameterizedTest
    @MethodSource("badFiles")
    void malformedFiles(byte[] file, String reason) throws IOException {
        for (String operand : List.of("q", "v")) {
            writeGoodInputs();
            Files.write(input(operand), file);
            requireFailure(attend(), input(operand).toString(), reason);
        }
        Files.write(inputs.resolve("mask.npy"), file);
        writeGoodInputs();
        requireFailure(attend("--mask=" + inputs.resolve("mask.npy")), "mask.npy", reason);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            q | 4         | rank 1, wanted 2 to 4
            q | 1 1 2 3 4 | rank 5, wanted 2 to 4
            k | 5 4       | rank 2, wanted q's 3
            k | 2 5 3     | k: axis 2 has 3 elements, wanted q's 4
            k | 3 5 4     | k: axis 0 has 3 elements, wanted q's 2
            v | 2 6 6     | v: axis 1 has 6 elements, wanted k's 5
            v | 1 5 6     | v: axis 0 has 1 elements, wanted q's 2
            q | 2 3 0     | head dimensions 0
            """)
    void shapesThatDoNotFit(String operand, String shape, String reason) throws IOException {
        write(operand, Stream.of(shape.split(" ")).mapToLong(Long::parseLong).toArray());
        String named = reason.contains("head dimensions") ? input("q").toString() : input(operand).toString();
        AttendResult result = attend();
        requireFailure(result, named, reason.strip());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            --heads=3               | q.npy     | last axis has 4 elements, wanted a multiple of 3 heads
            --heads=4               | v.npy     | last axis has 6 elements, wanted a multiple of 4 heads
            --heads=0               | --heads   | wanted at least 1
            --kv-heads=2            | --kv-heads | only with the first
            --scale=NaN             | --scale   | wanted a finite float32
            --scale=x               | --scale   | not a double
            --causal=diagonal       | --causal  | wanted top-left, bottom-right or a whole number
            --causal=9999999999999  | --causal  | wanted -2^40 to 2^40
            --mask=/no/such.npy     | /no/such.npy | no such file or directory
            --mask=/                | /         | not a regular file
            --scores=/no/such/x.npy | /no/such/x.npy | no such file or directory
            --weights=/             | /         | not a regular file
            --tutorial              | --help    | options of different runs
            --q=again.npy           | --help    | an option twice
            --nonsense              | --nonsense | Unknown option
            more                    | more      | Unmatched argument
            """)
    void optionsThatDoNotFit(String option, String named, String reason) throws IOException {
        requireFailure(attend(option), named, reason);
    }

    @Test
    void headsOfRankFour() throws IOException {
        write("q", 1, 2, 3, 4);
        write("k", 1, 2, 3, 4);
        write("v", 1, 2, 3, 4);
        requireFailure(attend("--heads=2"), "q.npy", "rank 4 has an axis of heads already");
    }

    @Test
    void maskThatDoesNotFit() throws IOException {
        write("mask", 4, 5);
        requireFailure(attend("--mask=" + input("mask")), "mask.npy", "mask: axis 0 has 4 elements, wanted 1 or 3");
    }

    @Test
    void boolOperand() throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            Files.write(input("k"), NpyBytes.write(Tensor.allocate(arena, ElementType.BOOL, 2, 5, 4)));
        }
        requireFailure(attend(), "k.npy", "BOOL, wanted FLOAT32");
    }

    @Test
    void missingInput() throws IOException {
        Files.delete(input("v"));
        requireFailure(attend(), input("v").toString(), "no such file or directory");
    }

    @Test
    void missingOption() throws IOException {
        requireFailure(AttendResult.of("--q=" + input("q")), "--out", "Missing required argument");
    }

    @Test
    void twoOutputsInOnePlace() throws IOException {
        requireFailure(attend("--weights=" + outputs.resolve("./out.npy")), "out.npy", "named for two outputs");
    }

    @Test
    void outputInThePlaceOfAFolder() throws IOException {
        Path folder = Files.createDirectory(outputs.resolve("weights.npy"));
        requireFailure(attend("--weights=" + folder), folder.toString(), "not a regular file");
    }

    @Test
    void lineFeedsInNamesStayOnOneLine() throws IOException {
        requireFailure(attend("--mask=" + inputs.resolve("a\nb\r.npy")), "a b .npy", "no such file or directory");
    }

    @Test
    void pictureThatCannotBeWritten() throws IOException {
        AttendResult result = AttendResult.of("--picture=" + outputs.resolve("none").resolve("x.png"));
        assertEquals(2, result.exitCode());
        assertEquals(1, result.err().lines().count(), result.err());
        assertTrue(result.err().contains("x.png: no such file or directory"), result.err());
        assertFalse(Files.exists(outputs.resolve("none")));
    }

    @ParameterizedTest
    @ValueSource(strings = {"--head=12", "--head=-1", "--sentence=2", "--head=x", "--seed=1"})
    void wrongNumbers(String option) throws IOException {
        requireFailure(AttendResult.of(option), option.startsWith("--seed") ? "--tutorial" : option.split("=")[0], "");
    }

    @Test
    void earlierOutputSurvivesAFailure() throws IOException {
        byte[] earlier = "earlier".getBytes(StandardCharsets.US_ASCII);
        Files.write(inputs.resolve("out.npy"), earlier);
        AttendResult result = AttendResult.of("--q=" + input("q"), "--k=" + input("q"), "--v=" + input("v"),
                "--out=" + inputs.resolve("out.npy"));
        assertEquals(2, result.exitCode());
        assertArrayEquals(earlier, Files.readAllBytes(inputs.resolve("out.npy")));
    }

    @Test
    void helpIsNoFailure() {
        AttendResult result = AttendResult.of("--help");
        assertEquals(0, result.exitCode());
        assertEquals("", result.err());
        assertTrue(result.out().contains("--tutorial"));
    }
}
