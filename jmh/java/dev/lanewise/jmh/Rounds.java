package dev.lanewise.jmh;

import java.util.ArrayList;
import java.util.List;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;

/**
 * The forks of a run, in rounds: each has one fork of every contender of every call, so that a machine that slows down for a while
 * slows all of them. Empty lists stand for all calls and all contenders of a topic.
 */
record Rounds(List<Topic> topics, int rounds, boolean quick, List<String> calls, List<String> contenders,
        String jvmArgs) {
    /** JavaCPP by default reads /proc at each allocation and holds results until the garbage collector runs: not PyTorch's doing. */
    private static final List<String> JVM = List.of("--add-modules", "jdk.incubator.vector",
            "--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow", "-Xmx8g",
            "-Dorg.bytedeco.javacpp.maxPhysicalBytes=0", "-Dorg.bytedeco.javacpp.nopointergc=true");

    /** One round, the machine's limits first. Stops at the first contender that fails or gives a wrong answer. */
    void run(Results results) throws RunnerException {
        ChainedOptionsBuilder limits = options(MachineLimits.class);
        if (topics.stream().allMatch(topic -> topic.computes)) {
            limits.exclude("\\.readTogether$");
        }
        results.add(new Runner(limits.build()).run());
        for (Topic topic : topics) {
            ChainedOptionsBuilder options = options(topic.benchmark);
            List<String> chosen = calls.isEmpty() && quick ? topic.quickCalls : calls;
            if (!chosen.isEmpty()) {
                options.param("call", chosen.toArray(String[]::new));
            }
            if (!contenders.isEmpty()) {
                options.param("contender", contenders.toArray(String[]::new));
            }
            results.add(new Runner(options.build()).run());
        }
    }

    /** Warm-up and measurement, for people. */
    String iterations() {
        return quick ? "4 × 0.5 s of warm-up, 1 × 1 s measured" : "5 × 1 s of warm-up, 3 × 1 s measured";
    }

    private ChainedOptionsBuilder options(Class<?> benchmark) {
        List<String> jvm = new ArrayList<>(JVM);
        if (!jvmArgs.isBlank()) {
            jvm.addAll(List.of(jvmArgs.trim().split("\\s+")));
        }
        return new OptionsBuilder().include("^" + benchmark.getName().replace(".", "\\.") + "\\.")
                .forks(1)
                .jvmArgs(jvm.toArray(String[]::new))
                .warmupTime(TimeValue.milliseconds(quick ? 500 : 1000))
                .warmupIterations(quick ? 4 : 5)
                .measurementTime(TimeValue.seconds(1))
                .measurementIterations(quick ? 1 : 3)
                .shouldFailOnError(true);
    }
}
