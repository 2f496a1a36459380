package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The matrix of JVMs: what each, started in one of the ways that users start theirs, chooses, why, and that it computes. */
@Execution(ExecutionMode.CONCURRENT)
class StartUpTest {
    private static final int WIDEST = RuntimeInfo.current().vectorBits();
    private static final String SCALAR = "attention f32 scalar";
    private static final int JVMS_AT_ONCE = 2;

    private static ExecutorService runner;
    private static final Map<Jvm, Future<FreshJvm.Result>> RESULTS = new EnumMap<>(Jvm.class);

    /** How a JVM is started. */
    private enum Start {
        CLASS_PATH, MODULE_PATH, CLASS_PATH_WITHOUT_MODULE
    }

    /** The options, at what level it tells what it runs, the start of the kernel's name, and a part of the reason. */
    private enum Jvm {
        NO_OPTION(vector("INFO", WIDEST, "the widest that C2 compiles here")), //
        MODULE_PATH(vector("INFO", WIDEST, "the widest").on(Start.MODULE_PATH)), //
        NO_MODULE(scalar("--add-modules jdk.incubator.vector").on(Start.CLASS_PATH_WITHOUT_MODULE)), //
        AVX_0(scalar("no fused multiply-add", "-XX:UseAVX=0").onX86()), //
        AVX_1(vector("INFO", Math.min(128, WIDEST), "4x3", "the widest", "-XX:UseAVX=1").onX86()), //
        AVX_2(vector("INFO", Math.min(256, WIDEST), "4x3", "the widest", "-XX:UseAVX=2").onX86()), //
        /** Where the processor has no AVX-512, HotSpot says so and goes on as without the option. */
        AVX_3(vector("INFO", WIDEST, "", "the widest", "-XX:UseAVX=3").onX86()), //
        SIZE_16(vector("INFO", 128, "", "the widest", "-XX:MaxVectorSize=16")), //
        SIZE_32(vector("INFO", Math.min(256, WIDEST), "", "the widest", "-XX:MaxVectorSize=32")), //
        SIZE_8(scalar("vectors of 64 bits", "-XX:MaxVectorSize=8")), //
        NO_FMA(scalar("multiply-add", "-XX:-UseFMA")), //
        C1_BY_LEVEL(scalar("C1 (TieredStopAtLevel)", "-XX:TieredStopAtLevel=1")), //
        C1_BY_MODE(scalar("C1 (CompilationMode)", "-XX:CompilationMode=quick-only")), //
        INTERPRETER(scalar("the interpreter (-Xint)", "-Xint")), //
        UNKNOWN_ARCHITECTURE(scalar("no fused multiply-add instruction on z80", "-Dos.arch=z80")), //
        NO_VECTOR_SUPPORT(
                scalar("C2 with -EnableVectorSupport", "-XX:+UnlockExperimentalVMOptions", "-XX:-EnableVectorSupport")), //
        C2_ALONE(vector("INFO", WIDEST, "", "the widest", "-XX:-TieredCompilation")), //
        OVERRIDE_128(override(128)), //
        OVERRIDE_256(override(256)), //
        OVERRIDE_512(override(512)), //
        OVERRIDE_SCALAR(new Row("INFO", SCALAR, "dev.lanewise.kernel=scalar", Start.CLASS_PATH, false,
                List.of("-Ddev.lanewise.kernel=scalar"))), //
        OVERRIDE_WITHOUT_MODULE(scalar("--add-modules jdk.incubator.vector", "-Ddev.lanewise.kernel=256")
                .on(Start.CLASS_PATH_WITHOUT_MODULE)), //
        OVERRIDE_OF_NO_MEANING(vector("WARNING", WIDEST, "", "dev.lanewise.kernel={0} fast ignored",
                "-Ddev.lanewise.kernel={0} fast"));

        private final Row row;

        Jvm(Row row) {
            this.row = row;
        }

        private static Row vector(String level, int bits, String reason) {
            return vector(level, bits, "", reason, new String[0]);
        }

        private static Row vector(String level, int bits, String tile, String reason, String... options) {
            return new Row(level, "attention f32 " + bits + "-bit " + tile, reason, Start.CLASS_PATH, false,
                    List.of(options));
        }

        private static Row override(int bits) {
            return vector(bits <= WIDEST ? "INFO" : "WARNING", Math.min(bits, WIDEST), "",
                    "dev.lanewise.kernel=" + bits, "-Ddev.lanewise.kernel=" + bits);
        }

        /** By circumstance and not by wish, so with a warning. */
        private static Row scalar(String reason, String... options) {
            return new Row("WARNING", SCALAR, reason, Start.CLASS_PATH, false, List.of(options));
        }
    }

    private record Row(String level, String kernel, String reason, Start path, boolean x86, List<String> options) {
        Row on(Start other) {
            return new Row(level, kernel, reason, other, x86, options);
        }

        Row onX86() {
            return new Row(level, kernel, reason, path, true, options);
        }

        boolean canRunHere() {
            return !x86 || RuntimeInfo.current().architecture().equals("amd64");
        }

        FreshJvm.Result run() throws IOException, InterruptedException {
            return switch (path) {
                case CLASS_PATH -> onClassPath(options);
                case MODULE_PATH -> FreshJvm.asModule(options, StartUpProgram.class);
                case CLASS_PATH_WITHOUT_MODULE -> FreshJvm.onClassPath(options, StartUpProgram.class);
            };
        }
    }

    @BeforeAll
    static void start() {
        runner = Executors.newFixedThreadPool(JVMS_AT_ONCE);
        for (Jvm jvm : Jvm.values()) {
            if (jvm.row.canRunHere()) {
                RESULTS.put(jvm, runner.submit(jvm.row::run));
            }
        }
    }

    @AfterAll
    static void stop() {
        runner.shutdownNow();
    }

    private static FreshJvm.Result onClassPath(List<String> options) throws IOException, InterruptedException {
        List<String> all = new ArrayList<>(FreshJvm.VECTOR);
        all.addAll(options);
        return FreshJvm.onClassPath(all, StartUpProgram.class);
    }

    private static String line(FreshJvm.Result result, String label) {
        return result.out()
                .lines()
                .filter(line -> line.startsWith(label))
                .findFirst()
                .map(line -> line.substring(label.length()).strip())
                .orElse("no line " + label);
    }

    /** Ends well, says once at the given level what it runs, and computes; the log says the same as the value object. */
    @ParameterizedTest
    @EnumSource
    void choosesSaysWhyAndComputes(Jvm jvm) throws InterruptedException, ExecutionException {
        Assumptions.assumeTrue(RuntimeInfo.current().kernel() == Kernel.VECTOR, RuntimeInfo.current().reason());
        Assumptions.assumeTrue(jvm.row.canRunHere(), "an option of x86");
        FreshJvm.Result result = RESULTS.get(jvm).get();
        assertEquals(0, result.exit(), result::toString);
        assertEquals("agrees", line(result, "attention"), result::toString);
        String name = line(result, "kernel").replaceFirst(" \\(.*", "");
        String reason = line(result, "reason");
        assertTrue(name.startsWith(jvm.row.kernel), result::toString);
        assertTrue(reason.contains(jvm.row.reason), result::toString);
        List<String> log = result.err().lines().filter(line -> line.contains("Lanewise")).toList();
        assertEquals(List.of(jvm.row.level + ": Lanewise runs " + name + ": " + reason), log, result::toString);
        assertFalse(result.err().contains("Exception") || result.err().contains("Error"), result::toString);
    }

    /** On the module path the JVM resolves the module by itself; where it cannot, it says what is missing, and runs nothing of ours. */
    @Test
    void onTheModulePathAJvmWithoutTheVectorModuleNamesIt() throws IOException, InterruptedException {
        FreshJvm.Result result = FreshJvm.asModule(
                List.of("--limit-modules", "java.base,java.logging,jdk.management"), StartUpProgram.class);
        assertEquals(1, result.exit(), result::toString);
        assertTrue((result.out() + result.err())
                .contains("Module jdk.incubator.vector not found, required by dev.lanewise"), result::toString);
    }

    /** A run-time image need not have {@code jdk.management}, which tells HotSpot's options, nor {@code java.logging}. */
    @Test
    void withoutTheManagementModuleItStillRuns() throws IOException, InterruptedException {
        FreshJvm.Result result = onClassPath(List.of("--limit-modules", "java.base,jdk.incubator.vector"));
        assertEquals(0, result.exit(), result::toString);
        assertEquals("agrees", line(result, "attention"), result::toString);
        assertEquals(1, result.err().lines().filter(line -> line.contains("Lanewise")).count(), result::toString);
    }

    /** What a service has on its class path for logging may be broken. */
    public static final class BrokenLoggers extends System.LoggerFinder {
        @Override
        public System.Logger getLogger(String name, Module module) {
            throw new IllegalStateException("no logger today");
        }
    }

    @Test
    void aBrokenLoggerDoesNotBreakTheLibrary(@TempDir Path folder) throws IOException, InterruptedException {
        Path services = Files.createDirectories(folder.resolve("META-INF/services"));
        Files.writeString(services.resolve(System.LoggerFinder.class.getName()), BrokenLoggers.class.getName());
        FreshJvm.Result result = onClassPath(List.of("-Xbootclasspath/a:" + folder));
        assertEquals(0, result.exit(), result::toString);
        assertEquals("agrees", line(result, "attention"), result::toString);
        assertTrue(result.err().contains("no logger today"), result::toString);
        assertTrue(result.err().contains("Lanewise runs " + line(result, "kernel").replaceFirst(" \\(.*", "")),
                result::toString);
    }
}
