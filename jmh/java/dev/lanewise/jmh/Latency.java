package dev.lanewise.jmh;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.HdrHistogram.Histogram;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * Latency of one call at a fixed arrival rate, while another thread allocates: what a service sees. A call's latency is counted from when
 * it should have started, so calls that wait behind a slow one count as slow, too (no coordinated omission). The contenders take
 * turns in short slices of one JVM, in an order that turns round from round to round.
 */
@Command(name = "Latency", sortOptions = false, mixinStandardHelpOptions = true)
public final class Latency implements Callable<Integer> {
    private static final double[] PERCENTILES = {50, 99, 99.9, 100};
    private static final long SLICE_NANOS = 2_000_000_000L;
    private static final long WARM_UP_NANOS = 10_000_000_000L;
    private static final int DIGITS = 3;

    @Option(names = "-call", defaultValue = "12x128x64", description = "heads x length x depth (${DEFAULT-VALUE})")
    private String shape;

    @Option(names = "-contenders", split = ",", defaultValue = "lanewise,onnx-mha,onnx-mha-batch", description = "who (${DEFAULT-VALUE})")
    private List<String> contenders;

    @Option(names = "-seconds", defaultValue = "60", description = "for each contender (${DEFAULT-VALUE})")
    private int seconds;

    @Option(names = "-rate", description = "calls a second; by default what keeps the slowest contender busy for 40 % of the time")
    private Double rate;

    @Option(names = "-load", defaultValue = "200", description = "MiB that the other thread allocates in a second (${DEFAULT-VALUE})")
    private int load;

    @Option(names = "-out", defaultValue = "target/jmh-report", description = "where the report goes (${DEFAULT-VALUE})")
    private Path out;

    private final String arguments;

    private Latency(String arguments) {
        this.arguments = arguments;
    }

    /** See {@code --help}. */
    public static void main(String[] args) {
        System.exit(new CommandLine(new Latency(String.join(" ", args))).execute(args));
    }

    @Override
    public Integer call() throws Exception {
        AttentionCall call = AttentionCall.parse(shape, false);
        Map<String, Contender> running = new LinkedHashMap<>();
        Map<String, Histogram> latencies = new LinkedHashMap<>();
        double slowest = 0;
        for (String name : contenders) {
            Contender contender = call.contender(name);
            slowest = Math.max(slowest, warmUp(contender));
            call.check(contender.result());
            running.put(name, contender);
            latencies.put(name, new Histogram(DIGITS));
        }
        double calls = rate != null ? rate : 0.4 * 1e9 / slowest;
        AllocatingThread other = AllocatingThread.start(load);
        List<String> order = new ArrayList<>(contenders);
        for (long done = 0; done < seconds * 1_000_000_000L; done += SLICE_NANOS) {
            for (String name : order) {
                slice(running.get(name), (long) (1e9 / calls), latencies.get(name));
            }
            Collections.reverse(order);
        }
        other.stop();
        for (Contender contender : running.values()) {
            call.check(contender.result());
            contender.close();
        }
        String page = report(latencies, calls, other);
        Files.createDirectories(out);
        Files.writeString(out.resolve("latency.md"), page);
        LatencyChart.write(out.resolve("latency.png"),
                String.format(Locale.ROOT, "%s, %.0f calls a second, %s", shape, calls, other), latencies);
        System.out.println(page);
        return 0;
    }

    /** The median time of a call, in nanoseconds, once there has been time to compile it. */
    private static double warmUp(Contender contender) {
        long end = System.nanoTime() + WARM_UP_NANOS;
        double[] last = new double[101];
        for (int i = 0; System.nanoTime() < end || i < last.length; i++) {
            long start = System.nanoTime();
            contender.run();
            last[i % last.length] = System.nanoTime() - start;
        }
        Arrays.sort(last);
        return last[last.length / 2];
    }

    private static void slice(Contender contender, long interval, Histogram latencies) {
        contender.run();
        long start = System.nanoTime();
        for (long due = start; due - start < SLICE_NANOS; due += interval) {
            while (System.nanoTime() - due < 0) {
                Thread.onSpinWait();
            }
            contender.run();
            latencies.recordValue(System.nanoTime() - due);
        }
    }

    private String report(Map<String, Histogram> latencies, double calls, AllocatingThread other)
            throws IOException, InterruptedException {
        StringBuilder page = new StringBuilder(
                Header.of(arguments, "").replace("exec:exec@jmh -Djmh.args", "exec:exec@latency -Dlatency.args"));
        page.append(
                String.format(Locale.ROOT, "Latency of %s at %.0f calls a second, beside %s; microseconds.%n%n", shape,
                        calls, other));
        page.append("| contender | p50 | p99 | p99.9 | max | calls |\n| --- | ---: | ---: | ---: | ---: | ---: |\n");
        latencies.forEach(
                (name, histogram) -> page.append(row(name, percentile -> value(histogram, percentile), " | %.0f"))
                        .append(" | ")
                        .append(histogram.getTotalCount())
                        .append(" |\n"));
        Histogram own = latencies.get("lanewise");
        List<Histogram> peers = latencies.entrySet()
                .stream()
                .filter(entry -> !entry.getKey().equals("lanewise"))
                .map(Map.Entry::getValue)
                .toList();
        if (own != null && !peers.isEmpty()) {
            page.append(row("lanewise ÷ the best peer",
                    percentile -> value(own, percentile)
                            / peers.stream().mapToDouble(peer -> value(peer, percentile)).min().orElseThrow(),
                    " | %.2f")).append(" | |\n");
        }
        return page.toString();
    }

    private static double value(Histogram histogram, double percentile) {
        return histogram.getValueAtPercentile(percentile) / 1e3;
    }

    private static String row(String name, java.util.function.DoubleUnaryOperator value, String format) {
        StringBuilder row = new StringBuilder("| ").append(name);
        for (double percentile : PERCENTILES) {
            row.append(String.format(Locale.ROOT, format, value.applyAsDouble(percentile)));
        }
        return row.toString();
    }
}
