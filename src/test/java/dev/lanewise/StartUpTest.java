package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** What a JVM of its own chooses when it is started in the ways that users start theirs, and that it computes. */
class StartUpTest {
    private static final String SCALAR = "kernel     attention f32 scalar (SCALAR)";
    private static final int WIDEST = RuntimeInfo.current().vectorBits();

    /** Says what was chosen, computes one attention with it and compares with the specification. */
    static final class Program {
        /**
         * Scores of 8 products of numbers within ±1, times 8^−½, are within ±2.83 and off by at most 9·2⁻²⁴·2.83 = 1.5e-6; weights by
         * e to the power of twice that, so 3e-6, and 2e-7 of exp itself; and a weighted mean of 9 numbers within ±1 by that
         * and 9·2⁻²⁴ more: 4e-6.
         */
        private static final double BOUND = 4e-6;
        private static final int KEYS = 9;
        private static final int DEPTH = 8;

        private Program() {
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
                Attention.builder().build().run(q, k, v, actual);
                Attention.builder().kernel(Kernel.REFERENCE).build().run(q, k, v, wanted);
                for (int i = 0; i < 5; i++) {
                    for (int d = 0; d < DEPTH; d++) {
                        error = Math.max(error, Math.abs(actual.getFloat(i, d) - wanted.getFloat(i, d)));
                    }
                }
            }
            System.out.println("attention  " + (error <= BOUND ? "agrees" : "differs by " + error));
        }

        private static Tensor random(Arena arena, Random random, int rows) {
            float[] values = new float[rows * DEPTH];
            for (int i = 0; i < values.length; i++) {
                values[i] = random.nextFloat(-1, 1);
            }
            return Tensor.ofFloats(arena, values, rows, DEPTH);
        }
    }

    private static String line(FreshJvm.Result result, String label) {
        return result.out().lines().filter(line -> line.startsWith(label)).findFirst().orElse("no line " + label);
    }

    /** Ends well, says once at the given level what it runs, and computes; the log says the same as the value object. */
    private static FreshJvm.Result assertWorks(FreshJvm.Result result, String level) {
        assertEquals(0, result.exit(), result::toString);
        assertEquals("attention  agrees", line(result, "attention"), result::toString);
        List<String> log = result.err().lines().filter(line -> line.contains("Lanewise")).toList();
        assertEquals(1, log.size(), result::toString);
        String name = line(result, "kernel").replaceFirst("kernel +", "").replaceFirst(" \\(.*", "");
        String reason = line(result, "reason").replaceFirst("reason +", "");
        assertEquals(level + ": Lanewise runs " + name + ": " + reason, log.getFirst());
        assertFalse(result.err().contains("Exception") || result.err().contains("Error"), result::toString);
        return result;
    }

    private static FreshJvm.Result vector(String... options) throws IOException, InterruptedException {
        List<String> all = new ArrayList<>(FreshJvm.VECTOR);
        all.addAll(List.of(options));
        return FreshJvm.onClassPath(all, Program.class);
    }

    private static void assertKernel(String wanted, FreshJvm.Result result) {
        assertTrue(line(result, "kernel").startsWith("kernel     " + wanted), result::toString);
    }

    private static void assertReason(String part, FreshJvm.Result result) {
        assertTrue(line(result, "reason").contains(part), result::toString);
    }

    @Test
    void withoutTheModuleItWarnsOnceAndRunsTheScalarKernel() throws IOException, InterruptedException {
        FreshJvm.Result result = assertWorks(FreshJvm.onClassPath(List.of(), Program.class), "WARNING");
        assertEquals(SCALAR, line(result, "kernel"));
        assertReason("--add-modules jdk.incubator.vector", result);
    }

    @Test
    void onTheModulePathNoOptionIsNeeded() throws IOException, InterruptedException {
        assumeVectors();
        assertKernel("attention f32 " + WIDEST + "-bit",
                assertWorks(FreshJvm.asModule(List.of(), Program.class), "INFO"));
    }

    @ParameterizedTest
    @CsvSource({"512", "256", "128"})
    void anOverrideWithinTheMachinesWidthIsHonouredAndOneBeyondIsIgnoredWithAWarning(int bits)
            throws IOException, InterruptedException {
        assumeVectors();
        FreshJvm.Result result = assertWorks(vector("-Ddev.lanewise.kernel=" + bits),
                bits <= WIDEST ? "INFO" : "WARNING");
        assertKernel("attention f32 " + Math.min(bits, WIDEST) + "-bit", result);
        assertReason("dev.lanewise.kernel=" + bits, result);
    }

    @Test
    void theScalarKernelMayBeAskedFor() throws IOException, InterruptedException {
        assertEquals(SCALAR, line(assertWorks(vector("-Ddev.lanewise.kernel=scalar"), "INFO"), "kernel"));
    }

    @Test
    void anOverrideThatMeansNothingIsIgnoredWithAWarning() throws IOException, InterruptedException {
        assumeVectors();
        FreshJvm.Result result = assertWorks(vector("-Ddev.lanewise.kernel={0} fast"), "WARNING");
        assertKernel("attention f32 " + WIDEST + "-bit", result);
        assertReason("dev.lanewise.kernel={0} fast ignored", result);
    }

    static Stream<Arguments> optionsThatTakeTheVectorUnitAway() {
        return Stream.of(Arguments.of("-XX:-UseFMA", "multiply-add"),
                Arguments.of("-XX:TieredStopAtLevel=1", "C1 (TieredStopAtLevel)"),
                Arguments.of("-Xint", "the interpreter (-Xint)"),
                Arguments.of("-XX:MaxVectorSize=8", "vectors of 64 bits"));
    }

    @ParameterizedTest
    @MethodSource("optionsThatTakeTheVectorUnitAway")
    void whereVectorsWouldBeSlowItWarnsAndRunsTheScalarKernel(String option, String reason)
            throws IOException, InterruptedException {
        assumeVectors();
        FreshJvm.Result result = assertWorks(vector(option), "WARNING");
        assertEquals(SCALAR, line(result, "kernel"));
        assertReason(reason, result);
    }

    @Test
    void aNarrowerJvmRunsTheNarrowerKernel() throws IOException, InterruptedException {
        assumeVectors();
        assertKernel("attention f32 128-bit", assertWorks(vector("-XX:MaxVectorSize=16"), "INFO"));
    }

    @Test
    void withoutAvx512TheTileFitsSixteenRegisters() throws IOException, InterruptedException {
        assumeVectors();
        Assumptions.assumeTrue(RuntimeInfo.current().architecture().equals("amd64"), "an option of x86");
        FreshJvm.Result result = assertWorks(vector("-XX:UseAVX=2"), "INFO");
        assertKernel("attention f32 256-bit 4x3", result);
        assertEquals("registers  16", line(result, "registers"));
    }

    /** A run-time image need not have {@code jdk.management}, which tells HotSpot's options, nor {@code java.logging}. */
    @Test
    void withoutTheManagementModuleItStillRuns() throws IOException, InterruptedException {
        FreshJvm.Result result = vector("--limit-modules", "java.base,jdk.incubator.vector");
        assertEquals(0, result.exit(), result::toString);
        assertEquals("attention  agrees", line(result, "attention"), result::toString);
        assertEquals(1, result.err().lines().filter(line -> line.contains("Lanewise")).count(), result::toString);
    }

    private static void assumeVectors() {
        Assumptions.assumeTrue(RuntimeInfo.current().kernel() == Kernel.VECTOR, RuntimeInfo.current().reason());
    }
}
