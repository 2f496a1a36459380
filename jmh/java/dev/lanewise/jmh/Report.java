package dev.lanewise.jmh;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.DoubleSummaryStatistics;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.openjdk.jmh.results.format.ResultFormatFactory;
import org.openjdk.jmh.results.format.ResultFormatType;

/** Writes what has been measured so far: JMH's JSON, a Markdown page and the charts. */
final class Report {
    private final Path directory;
    private final Rounds run;
    private final String header;
    private final StringBuilder page = new StringBuilder();

    Report(Path directory, Rounds run, String header) {
        this.directory = directory;
        this.run = run;
        this.header = header;
    }

    /** The page is what is returned, too. */
    String write(Results results) throws IOException {
        Files.createDirectories(directory);
        String json = directory.resolve("results.json").toString();
        ResultFormatFactory.getInstance(ResultFormatType.JSON, json).writeOut(results.merged());
        page.setLength(0);
        page.append(header);
        limits(results);
        for (Topic topic : run.topics()) {
            double limit = Measurement.median(topic.computes ? results.fmaPeak() : results.readBandwidth());
            topic(topic, results.of(topic), limit);
            Charts.write(directory, topic, results.of(topic), limit);
        }
        Files.writeString(directory.resolve("report.md"), page);
        return page.toString();
    }

    private void limits(Results results) {
        add("Rounds: %d, each with one fork of every contender, of %s. Medians over the rounds. ", results.rounds(),
                run.iterations());
        add("Every answer was checked. One thread.%n%n");
        add("| the machine's limits in this run | median | min – max |%n| --- | ---: | ---: |%n");
        limit("FMA peak, GFLOP/s", results.fmaPeak());
        limit("read stream, GB/s", results.readBandwidth());
        if (results.readBandwidthTogether().length > 0) {
            limit("two read streams together, GB/s", results.readBandwidthTogether());
        }
    }

    private void limit(String name, double[] rates) {
        DoubleSummaryStatistics spread = Arrays.stream(rates).summaryStatistics();
        add("| %s | %.1f | %.1f – %.1f |%n", name, Measurement.median(rates), spread.getMin(), spread.getMax());
    }

    private void topic(Topic topic, List<Measurement> measurements, double limit) {
        add("%n## %s (%s)%n%n", topic.title, topic.benchmark.getSimpleName());
        add("| call | contender | median | min – max | %s | of the %s | Lanewise ÷ best peer |%n", topic.unit(),
                topic.computes ? "FMA peak" : "read stream");
        add("| --- | --- | ---: | ---: | ---: | ---: | --- |%n");
        for (Measurement one : measurements) {
            Optional<Measurement> peer = one.bestPeer(measurements);
            add("| %s | %s | %s | %s – %s | %.2f | %.1f %% | %s |%n", one.call(), one.contender(), time(one.median()),
                    time(one.fastest()), time(one.slowest()), one.rate(), 100 * one.rate() / limit,
                    peer.map(best -> format("%.2f (%s)", one.rate() / best.rate(), best.contender()))
                            .or(() -> one.plain(measurements)
                                    .map(plain -> format("%.3f of plain's time", one.median() / plain.median())))
                            .or(() -> one.oneThread(measurements)
                                    .map(single -> format("%.2f of one thread", one.rate() / single.rate())))
                            .orElse(""));
        }
        if (topic == Topic.SEQUENCE_LENGTH) {
            squares(measurements);
        }
        if (topic == Topic.QUERY_ROWS) {
            timesPerRow(measurements);
        }
        measurements.stream()
                .filter(Measurement::isLanewise)
                .map(Measurement::contender)
                .distinct()
                .forEach(contender -> mean(contender, measurements));
    }

    /** Time over the square of the length, to be constant, relative to the shortest. */
    private void squares(List<Measurement> measurements) {
        add("%n| call | Lanewise, time ÷ L², ps | of the first's |%n| --- | ---: | ---: |%n");
        List<Measurement> own = measurements.stream().filter(Measurement::isLanewise).toList();
        for (Measurement one : own) {
            add("| %s | %.1f | %.3f |%n", one.call(), 1e3 * timePerSquare(one),
                    timePerSquare(one) / timePerSquare(own.getFirst()));
        }
    }

    /** The time of a query of all heads, to fall or stay level, relative to the contender's first. */
    private void timesPerRow(List<Measurement> measurements) {
        add("%n| call | contender | time per query row | of the first's |%n| --- | --- | ---: | ---: |%n");
        for (Measurement one : measurements) {
            Measurement first = measurements.stream()
                    .filter(other -> other.contender().equals(one.contender()))
                    .findFirst()
                    .orElseThrow();
            add("| %s | %s | %s | %.3f |%n", one.call(), one.contender(), time(timePerRow(one)),
                    timePerRow(one) / timePerRow(first));
        }
    }

    private static double timePerRow(Measurement one) {
        return one.median() / AttentionCall.parse(one.call(), false).queries();
    }

    private static double timePerSquare(Measurement one) {
        double length = AttentionCall.parse(one.call(), false).keys();
        return one.median() / (length * length);
    }

    private void mean(String contender, List<Measurement> measurements) {
        List<Double> ratios = new ArrayList<>();
        for (Measurement one : measurements) {
            if (one.contender().equals(contender)) {
                one.bestPeer(measurements).ifPresent(best -> ratios.add(one.rate() / best.rate()));
            }
        }
        if (!ratios.isEmpty()) {
            double logarithm = ratios.stream().mapToDouble(Math::log).average().orElseThrow();
            add("%nGeometric mean of %s ÷ best peer over %d calls: **%.3f**%n", contender, ratios.size(),
                    Math.exp(logarithm));
        }
    }

    private static String time(double nanoseconds) {
        if (nanoseconds < 1e4) {
            return format("%.0f ns", nanoseconds);
        }
        return nanoseconds < 1e7 ? format("%.1f µs", nanoseconds / 1e3) : format("%.1f ms", nanoseconds / 1e6);
    }

    private void add(String format, Object... values) {
        page.append(format(format, values));
    }

    private static String format(String format, Object... values) {
        return String.format(Locale.ROOT, format, values);
    }
}
