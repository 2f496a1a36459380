package dev.lanewise.internal.plan;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lanewise.internal.cpu.CpuFacts;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The choice of a kernel, on machines that are made up. */
class KernelChoiceTest {
    private static CpuFacts machine(boolean module, boolean topTier, boolean fma, int bits, int registers) {
        return new CpuFacts("z80", "a JVM", topTier, topTier ? "C2" : "C1 (TieredStopAtLevel)", module, bits, fma,
                registers, 32 << 10, 1 << 20);
    }

    private static CpuFacts capable(int bits) {
        return machine(true, true, true, bits, 32);
    }

    private static KernelChoice refused(CpuFacts facts, String override) {
        KernelChoice choice = KernelChoice.decide(facts, override);
        assertFalse(choice.vector());
        assertEquals(0, choice.bits());
        assertEquals(1, choice.lanes());
        assertEquals("attention f32 scalar", choice.kernelName());
        return choice;
    }

    private static KernelChoice taken(CpuFacts facts, String override, int bits) {
        KernelChoice choice = KernelChoice.decide(facts, override);
        assertTrue(choice.vector());
        assertEquals(bits, choice.bits());
        assertEquals(bits / 32, choice.lanes());
        return choice;
    }

    private static void assertContains(String text, String part) {
        assertTrue(text.contains(part), () -> "'" + text + "' lacks '" + part + "'");
    }

    @ParameterizedTest
    @CsvSource({"512, 512", "256, 256", "128, 128", "1024, 512", "2048, 512"})
    void theWidestVectorIsTakenWithoutAWord(int machine, int chosen) {
        KernelChoice choice = taken(capable(machine), null, chosen);
        assertFalse(choice.warning());
        assertContains(choice.reason(), "C2");
    }

    @ParameterizedTest
    @CsvSource({"32, 8, attention f32 256-bit 8x3", "16, 4, attention f32 256-bit 4x3"})
    void theTileFitsTheRegisterFile(int registers, int rows, String name) {
        KernelChoice choice = taken(machine(true, true, true, 256, registers), null, 256);
        assertEquals(name, choice.kernelName());
        int vectors = choice.tileVectors();
        int live = rows * vectors + vectors + 1;
        assertTrue(live <= registers, "accumulators, panel vectors and the broadcast one: " + live);
    }

    @Test
    void withoutTheModuleTheScalarKernelRunsAndTheUserIsToldTheOption() {
        KernelChoice choice = refused(machine(false, true, true, 0, 32), null);
        assertTrue(choice.warning());
        assertContains(choice.reason(), "--add-modules jdk.incubator.vector");
    }

    @Test
    void underAnotherCompilerTheScalarKernelRunsAndTheUserIsToldWhich() {
        KernelChoice choice = refused(machine(true, false, true, 512, 32), null);
        assertTrue(choice.warning());
        assertContains(choice.reason(), "C1 (TieredStopAtLevel)");
    }

    @Test
    void withoutFusedMultiplyAddTheScalarKernelRunsAndTheUserIsTold() {
        KernelChoice choice = refused(machine(true, true, false, 512, 32), null);
        assertTrue(choice.warning());
        assertContains(choice.reason(), "multiply-add");
        assertContains(choice.reason(), "z80");
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 64, 127})
    void narrowVectorsAreNotWorthIt(int bits) {
        KernelChoice choice = refused(capable(bits), null);
        assertTrue(choice.warning());
        assertContains(choice.reason(), bits + " bits");
    }

    @ParameterizedTest
    @CsvSource({"512, 512", "512, 256", "512, 128", "256, 256", "256, 128", "128, 128"})
    void aWidthThatTheMachineHasIsHonouredWithoutAWord(int machine, String override) {
        KernelChoice choice = taken(capable(machine), override, Integer.parseInt(override));
        assertFalse(choice.warning());
        assertContains(choice.reason(), "dev.lanewise.kernel=" + override);
    }

    @ParameterizedTest
    @CsvSource({"256, 512", "128, 512", "128, 256"})
    void aWidthThatTheMachineLacksIsIgnoredWithAWarningThatNamesBoth(int machine, String override) {
        KernelChoice choice = taken(capable(machine), override, machine);
        assertTrue(choice.warning());
        assertContains(choice.reason(), "dev.lanewise.kernel=" + override + " ignored");
        assertContains(choice.reason(), machine + " bits");
    }

    @ParameterizedTest
    @ValueSource(strings = {"64", "1024", "0", "-256", "256 ", "Scalar", "avx2", "true", "99999999999999999999"})
    void anOverrideThatMeansNothingIsIgnoredWithAWarningThatQuotesIt(String override) {
        KernelChoice choice = taken(capable(512), override, 512);
        assertTrue(choice.warning());
        assertContains(choice.reason(), "dev.lanewise.kernel=" + override + " ignored");
        assertContains(choice.reason(), "512, 256, 128 or scalar");
    }

    @Test
    void anEmptyOverrideIsNone() {
        assertEquals(KernelChoice.decide(capable(512), null), KernelChoice.decide(capable(512), ""));
    }

    @Property
    void theUserMayAlwaysHaveTheScalarKernelWithoutAWord(@ForAll("machines") CpuFacts facts) {
        KernelChoice choice = refused(facts, "scalar");
        assertFalse(choice.warning());
        assertEquals("dev.lanewise.kernel=scalar", choice.reason());
    }

    @Property
    void noOverrideMakesAMachineDoWhatItCannot(@ForAll("machines") CpuFacts facts,
            @ForAll("overrides") String override) {
        KernelChoice choice = KernelChoice.decide(facts, override);
        boolean able = facts.vectorModule() && facts.topTier() && facts.fma() && facts.preferredBits() >= 128;
        assertTrue(able || !choice.vector());
        assertTrue(choice.bits() <= facts.preferredBits());
        assertEquals(choice.vector(), choice.bits() >= 128 && choice.bits() <= 512);
        assertFalse(choice.reason().isBlank());
        assertSame(facts, choice.facts());
    }

    @Property
    void theUserHearsOfItWhereverAnAbleMachineWasExpected(@ForAll("machines") CpuFacts facts) {
        KernelChoice choice = KernelChoice.decide(facts, null);
        assertEquals(!choice.vector(), choice.warning());
    }

    @Provide
    Arbitrary<CpuFacts> machines() {
        Arbitrary<Boolean> coin = Arbitraries.of(true, true, true, false);
        Arbitrary<Integer> bits = Arbitraries.oneOf(Arbitraries.of(0, 64, 128, 256, 512, 1024, 2048),
                Arbitraries.integers().greaterOrEqual(0));
        Arbitrary<Integer> registers = Arbitraries.oneOf(Arbitraries.of(16, 32), Arbitraries.integers());
        return Combinators.combine(coin, coin, coin, bits, registers).as(KernelChoiceTest::machine);
    }

    @Provide
    Arbitrary<String> overrides() {
        return Arbitraries.oneOf(Arbitraries.of("512", "256", "128", "scalar", ""), Arbitraries.strings())
                .injectNull(0.1);
    }
}
