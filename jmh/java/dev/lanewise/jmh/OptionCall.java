package dev.lanewise.jmh;

import dev.lanewise.Kernel;
import java.util.Arrays;
import java.util.List;

/** One call with some options. Work is that of the plain call, so that rates compare as times do. */
record OptionCall(int heads, int length, int depth, List<String> options) implements Call {
    /** As of {@link AttentionCall}; bfloat16 keys and values are the same for both kernels. */
    private static final double BOUND = 1e-5;
    /** The head that is checked, by the scalar kernel: all of them would take ten seconds a fork. */
    private static final int CHECKED = 3;

    static OptionCall parse(String call, String options) {
        int[] n = Arrays.stream(call.split("x")).mapToInt(Integer::parseInt).toArray();
        return new OptionCall(n[0], n[1], n[2], List.of(options.split("\\+")));
    }

    boolean has(String option) {
        return options.contains(option);
    }

    @Override
    public double work() {
        return 4.0 * heads * length * length * depth;
    }

    @Override
    public LanewiseOptions contender(String name) {
        return new LanewiseOptions(this, 0, heads, null);
    }

    @Override
    public void check(float[] answer) {
        Operands.requireCount(answer, heads * length * depth);
        try (LanewiseOptions scalar = new LanewiseOptions(this, CHECKED, CHECKED + 1, Kernel.SCALAR)) {
            scalar.run();
            float[] wanted = scalar.result();
            for (int i = 0; i < wanted.length; i++) {
                int at = CHECKED * length * depth + i;
                Operands.requireClose(at, answer[at], wanted[i], BOUND);
            }
        }
    }
}
