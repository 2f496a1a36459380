package dev.lanewise.jmh;

import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/** One contender on one call: nanoseconds a run, one figure a round, each from a JVM of its own. */
record Measurement(Topic topic, String call, String contender, double[] rounds) {
    double median() {
        return median(rounds);
    }

    double fastest() {
        return Arrays.stream(rounds).min().orElseThrow();
    }

    double slowest() {
        return Arrays.stream(rounds).max().orElseThrow();
    }

    /** Work per nanosecond at the median, in the topic's unit. */
    double rate() {
        return topic.call(call).work() / median();
    }

    boolean isLanewise() {
        return contender.startsWith("lanewise");
    }

    /** The fastest peer on the same call, if this is Lanewise; one with a packed operand only if this has one too. */
    Optional<Measurement> bestPeer(List<Measurement> all) {
        return all.stream()
                .filter(_ -> isLanewise())
                .filter(other -> !other.isLanewise() && other.call.equals(call) && (isPacked() || !other.isPacked()))
                .min(Comparator.comparingDouble(Measurement::median));
    }

    /** The same call without options, if there is one. */
    Optional<Measurement> plain(List<Measurement> all) {
        return all.stream().filter(other -> other.call.equals(call) && other.contender.equals("plain")).findFirst();
    }

    /** The same call on one thread, if this is on two. */
    Optional<Measurement> oneThread(List<Measurement> all) {
        return all.stream()
                .filter(_ -> contender.equals("lanewise-2"))
                .filter(other -> other.call.equals(call) && other.contender.equals("lanewise-1"))
                .findFirst();
    }

    /** Whether the right operand was laid out beforehand. */
    boolean isPacked() {
        return contender.endsWith("-packed");
    }

    static double median(double... values) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        int middle = sorted.length / 2;
        return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }
}
