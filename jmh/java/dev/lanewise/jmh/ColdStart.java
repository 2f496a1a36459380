package dev.lanewise.jmh;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * What the first calls of a JVM cost: 12 heads, 128 × 128, D 64, called back to back from the JVM's first call on. The argument says how many
 * JVMs each way of starting gets; they take turns. Times are in milliseconds.
 */
public final class ColdStart {
    /** The ways of starting. */
    enum Mode {
        /** The vector kernel from the first call. */
        VECTOR,
        /** The default: the scalar kernel until the calls themselves have warmed the vector kernel. */
        CALLS,
        /** The same, with a thread to warm up on. */
        EXECUTOR,
        /** A warm-up before the first call. */
        WARM_UP
    }

    private static final Path JAVA = Path.of(System.getProperty("java.home"), "bin", "java");
    private static final int FIRST = 0;
    private static final int SLOWEST = 1;
    private static final int WARM_UP = 2;
    private static final int STEADY = 3;
    private static final int BUILD = 4;

    private ColdStart() {
    }

    /**
     * Runs all and prints medians and worst.
     *
     * @param args how many JVMs
     */
    public static void main(String[] args) throws IOException, InterruptedException {
        int jvms = Integer.parseInt(args[0]);
        double[][][] times = new double[Mode.values().length][jvms][];
        for (int jvm = 0; jvm < jvms; jvm++) {
            for (Mode mode : Mode.values()) {
                times[mode.ordinal()][jvm] = run(mode);
            }
        }
        System.out.printf("12 heads, 128 x 128, D 64, float32; %d JVMs each; ms        median      worst%n", jvms);
        print("vector kernel, not warmed: first call", times[Mode.VECTOR.ordinal()], FIRST);
        print("default: making the first operator", times[Mode.CALLS.ordinal()], BUILD);
        print("default: first call", times[Mode.CALLS.ordinal()], FIRST);
        print("default: slowest call of the first second", times[Mode.CALLS.ordinal()], SLOWEST);
        print("default with an executor: the first operator", times[Mode.EXECUTOR.ordinal()], BUILD);
        print("default with an executor: first call", times[Mode.EXECUTOR.ordinal()], FIRST);
        print("default with an executor: slowest of the second", times[Mode.EXECUTOR.ordinal()], SLOWEST);
        double[][] warm = times[Mode.WARM_UP.ordinal()];
        print("warm-up", warm, WARM_UP);
        print("after it: first call", warm, FIRST);
        print("after it: steady call", warm, STEADY);
        double[] ratios = Arrays.stream(warm).mapToDouble(jvm -> jvm[FIRST] / jvm[STEADY]).toArray();
        print("after it: first / steady", ratios);
    }

    private static void print(String name, double[][] jvms, int column) {
        print(name, Arrays.stream(jvms).mapToDouble(jvm -> jvm[column]).toArray());
    }

    private static void print(String name, double[] values) {
        Arrays.sort(values);
        System.out.printf(Locale.ROOT, "%-50s %10.2f %10.2f%n", name, values[values.length / 2],
                values[values.length - 1]);
    }

    private static double[] run(Mode mode) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(JAVA.toString(), "--add-modules", "jdk.incubator.vector",
                "-classpath", System.getProperty("java.class.path"), ColdStartJvm.class.getName(), mode.name()));
        Process process = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
        String line = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
        if (process.waitFor() != 0) {
            throw new IOException(mode + " ended with " + process.exitValue());
        }
        return Arrays.stream(line.split(" ")).mapToDouble(Double::parseDouble).toArray();
    }
}
