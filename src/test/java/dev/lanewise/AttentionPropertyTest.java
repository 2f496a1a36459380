package dev.lanewise;

import static org.junit.jupiter.api.Assertions.fail;

import dev.lanewise.AttentionCase.Results;
import java.lang.foreign.Arena;
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

    @Property(tries = 250, edgeCases = EdgeCasesMode.NONE)
    void everyCombinationOfOptionsIsWithinTheBoundOfFloat64(@ForAll("anyCase") AttentionCase drawn) {
        check(drawn, RuntimeInfo.current().kernel());
    }

    @Property(tries = 80, edgeCases = EdgeCasesMode.NONE)
    void thePlainOperatorIsWithinTheBoundOfFloat64(@ForAll("plainCase") AttentionCase drawn) {
        check(drawn, RuntimeInfo.current().kernel());
    }

    @Property(tries = 60, edgeCases = EdgeCasesMode.NONE)
    void theScalarKernelIsWithinTheBoundOfFloat64(@ForAll("anyCase") AttentionCase drawn) {
        check(drawn, Kernel.SCALAR);
    }

    private static void check(AttentionCase drawn, Kernel kernel) {
        try (Arena arena = Arena.ofConfined()) {
            ErrorBound bound = new ErrorBound(drawn, drawn.inputs(arena));
            Results actual = drawn.run(arena, kernel);
            Results expected = drawn.withContext(Layout.PLAIN).run(arena, Kernel.REFERENCE);
            compare("context", actual.context(), expected.context(), bound.context, 0);
            compare("scores", actual.scores(), expected.scores(), bound.score, 0);
            compare("weights", actual.weights(), expected.weights(), Float.MIN_NORMAL, bound.weight);
            compare("logSumExp", actual.logSumExp(), expected.logSumExp(), bound.logSumExp, 0);
        }
    }

    /** Each element within absolute + relative·|expected| and the rounding to the type of the result; infinities and NaN alike. */
    private static void compare(String name, Tensor actual, Tensor expected, double absolute, double relative) {
        float[] a = actual.toFloats();
        float[] e = expected.toFloats();
        for (int i = 0; i < a.length; i++) {
            double bound = absolute + relative * Math.abs(e[i]) + ErrorBound.storage(actual.type(), e[i]);
            if (!(Math.abs(a[i] - e[i]) <= bound) && Float.compare(a[i], e[i]) != 0) {
                fail(name + "[" + i + "] is " + a[i] + ", wanted " + e[i] + " within " + bound);
            }
        }
    }
}
