package dev.lanewise.jmh;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.openjdk.jmh.infra.BenchmarkParams;
import org.openjdk.jmh.results.BenchmarkResult;
import org.openjdk.jmh.results.RunResult;

/** All forks of a run so far, those of one benchmark and its parameters together. */
final class Results {
    private final Map<String, BenchmarkParams> parameters = new LinkedHashMap<>();
    private final Map<String, List<BenchmarkResult>> forks = new LinkedHashMap<>();

    void add(Collection<RunResult> round) {
        for (RunResult result : round) {
            parameters.putIfAbsent(result.getParams().id(), result.getParams());
            forks.computeIfAbsent(result.getParams().id(), _ -> new ArrayList<>())
                    .addAll(result.getBenchmarkResults());
        }
    }

    /** One result a benchmark, as JMH would have it had it run the forks in a row. */
    List<RunResult> merged() {
        return forks.entrySet()
                .stream()
                .map(fork -> new RunResult(parameters.get(fork.getKey()), fork.getValue()))
                .toList();
    }

    /** How many figures there are for each. */
    int rounds() {
        return forks.values().stream().mapToInt(List::size).max().orElse(0);
    }

    /** In the order measured, so that a call's contenders stand together. */
    List<Measurement> of(Topic topic) {
        return results(topic.benchmark.getName() + ".").map(
                result -> new Measurement(topic, result.getParams().getParam("call"),
                        result.getParams().getParam("contender"), rounds(result)))
                .toList();
    }

    /** GFLOP/s, one figure a round. */
    double[] fmaPeak() {
        return limit("multiplyAdd", MachineLimits.FLOPS);
    }

    /** GB/s, one figure a round. */
    double[] readBandwidth() {
        return limit("readMemory", MachineLimits.BYTES);
    }

    /** GB/s of two streams together, one figure a round; none if only topics were run that compute. */
    double[] readBandwidthTogether() {
        return limit("readTogether", MachineLimits.READERS * MachineLimits.BYTES);
    }

    private double[] limit(String method, double work) {
        return results(MachineLimits.class.getName() + "." + method)
                .flatMapToDouble(result -> Arrays.stream(rounds(result)))
                .map(time -> work / time)
                .toArray();
    }

    private Stream<RunResult> results(String prefix) {
        return merged().stream().filter(result -> result.getParams().getBenchmark().startsWith(prefix));
    }

    private static double[] rounds(RunResult result) {
        return result.getBenchmarkResults().stream().mapToDouble(fork -> fork.getPrimaryResult().getScore()).toArray();
    }
}
