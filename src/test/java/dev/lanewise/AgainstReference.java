package dev.lanewise;

import dev.lanewise.AttentionCase.Results;
import java.lang.foreign.Arena;

/** A drawn call on one kernel, held to the float64 kernel within the derived bound. */
final class AgainstReference {
    private AgainstReference() {
    }

    static void check(AttentionCase drawn, Kernel kernel) {
        try (Arena arena = Arena.ofConfined()) {
            AttentionInputs inputs = drawn.inputs(arena);
            ErrorBound bound = new ErrorBound(drawn, inputs);
            Results actual = drawn.run(arena, kernel, inputs, drawn.layouts().context());
            Results expected = drawn.run(arena, Kernel.REFERENCE, inputs, Layout.PLAIN);
            compare("context", actual.context(), expected.context(), bound.context, 0);
            compare("scores", actual.scores(), expected.scores(), bound.score, 0);
            compare("weights", actual.weights(), expected.weights(), ErrorBound.VANISHED, bound.weight);
            compare("logSumExp", actual.logSumExp(), expected.logSumExp(), bound.logSumExp, 0);
        }
    }

    /** Each element within absolute + relative·|expected| and the rounding to the type of the result; infinities and NaN alike. */
    static void compare(String name, Tensor actual, Tensor expected, double absolute, double relative) {
        float[] a = actual.toFloats();
        float[] e = expected.toFloats();
        for (int i = 0; i < a.length; i++) {
            double bound = absolute + relative * Math.abs(e[i]) + ErrorBound.storage(actual.type(), e[i]);
            if (!(Math.abs(a[i] - e[i]) <= bound) && Float.compare(a[i], e[i]) != 0) {
                throw new AssertionError(name + "[" + i + "] is " + a[i] + ", wanted " + e[i] + " within " + bound);
            }
        }
    }
}
