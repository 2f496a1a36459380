package dev.lanewise;

import net.jqwik.api.Arbitrary;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tag;

/** The kernels against float64, over all options at once. */
@Tag("width")
class AttentionPropertyTest {
    @Provide
    Arbitrary<AttentionCase> anyCase() {
        return AttentionCases.any();
    }

    @Provide
    Arbitrary<AttentionCase> plainCase() {
        return AttentionCases.plain();
    }

    @Provide
    Arbitrary<AttentionCase> fewRows() {
        return AttentionCases.fewRows();
    }

    @Property(tries = 250, edgeCases = EdgeCasesMode.NONE)
    void fewRowsAreWithinTheBoundOfFloat64(@ForAll("fewRows") AttentionCase drawn) {
        AgainstReference.check(drawn, RuntimeInfo.current().kernel());
    }

    @Property(tries = 250, edgeCases = EdgeCasesMode.NONE)
    void everyCombinationOfOptionsIsWithinTheBoundOfFloat64(@ForAll("anyCase") AttentionCase drawn) {
        AgainstReference.check(drawn, RuntimeInfo.current().kernel());
    }

    @Property(tries = 80, edgeCases = EdgeCasesMode.NONE)
    void thePlainOperatorIsWithinTheBoundOfFloat64(@ForAll("plainCase") AttentionCase drawn) {
        AgainstReference.check(drawn, RuntimeInfo.current().kernel());
    }

    @Property(tries = 60, edgeCases = EdgeCasesMode.NONE)
    void theScalarKernelIsWithinTheBoundOfFloat64(@ForAll("anyCase") AttentionCase drawn) {
        AgainstReference.check(drawn, Kernel.SCALAR);
    }
}
