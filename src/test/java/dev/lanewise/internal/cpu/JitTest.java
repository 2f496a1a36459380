package dev.lanewise.internal.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lanewise.internal.plan.KernelChoice;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.NullSource;
import org.junit.jupiter.params.provider.ValueSource;

/** JVMs that are not here, by the names and options that they report. */
class JitTest {
    private static String name(String vm, String info, Map<String, String> options) {
        Map<String, String> properties = Map.of("java.vm.name", vm, "java.vm.info", info);
        return Jit.name(properties::get, options::getOrDefault);
    }

    private static KernelChoice choice(String compiler) {
        return KernelChoice
                .decide(new CpuFacts("amd64", "a JVM", compiler.equals(Jit.C2), compiler, true, 512, true, 32,
                        32 << 10, 1 << 20), null);
    }

    @ParameterizedTest
    @ValueSource(strings = {"OpenJDK 64-Bit Server VM", "Java HotSpot(TM) 64-Bit Server VM"})
    void hotSpotEndsInC2(String vm) {
        String name = name(vm, "mixed mode, sharing", Map.of());
        assertEquals("C2", name);
        assertTrue(choice(name).vector());
        assertFalse(choice(name).warning());
    }

    @ParameterizedTest
    @ValueSource(strings = {"Eclipse OpenJ9 VM", "IBM J9 VM", "Zing 64-Bit Tiered VM", "Substrate VM", "Dalvik", ""})
    void anotherJvmIsNamedAndGetsTheScalarKernelWithAWarning(String vm) {
        String name = name(vm, "", Map.of());
        assertEquals("a JVM that is not HotSpot (" + vm + ")", name);
        assertScalar(name);
    }

    @ParameterizedTest
    @NullSource
    void aJvmWithoutANameIsNotHotSpot(String vm) {
        assertScalar(Jit.name(property -> vm, (option, otherwise) -> otherwise));
    }

    /** Graal's compiler in a HotSpot, OpenJDK's by name; and HotSpot's own modes without C2. */
    @ParameterizedTest
    @CsvSource({"UseJVMCICompiler, true, a JVMCI compiler", "TieredStopAtLevel, 3, C1 (TieredStopAtLevel)",
        "TieredStopAtLevel, 0, the interpreter (TieredStopAtLevel)",
        "CompilationMode, quick-only, C1 (CompilationMode)",
        "EnableVectorSupport, false, C2 with -EnableVectorSupport"})
    void anotherCompilerGetsTheScalarKernelWithAWarning(String option, String value, String wanted) {
        String name = name("OpenJDK 64-Bit Server VM", "mixed mode", Map.of(option, value));
        assertEquals(wanted, name);
        assertScalar(name);
    }

    @ParameterizedTest
    @ValueSource(strings = {"interpreted mode", "interpreted mode, sharing"})
    void theInterpreterGetsTheScalarKernelWithAWarning(String info) {
        assertScalar(name("OpenJDK 64-Bit Server VM", info, Map.of()));
    }

    private static void assertScalar(String compiler) {
        KernelChoice choice = choice(compiler);
        assertFalse(choice.vector());
        assertTrue(choice.warning());
        assertTrue(choice.reason().contains(compiler), choice::reason);
    }
}
