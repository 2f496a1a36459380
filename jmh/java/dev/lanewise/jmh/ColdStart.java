package dev.lanewise.jmh;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * What the first calls of a JVM cost, called back to back from the JVM's first on. The argument says how many JVMs each call and way of starting gets;
 * they take turns. Times are in milliseconds.
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

    /** What is called, and the ways of starting that it has. */
    enum Call {
        ATTENTION("attention, 12 heads, 128 x 128, D 64", Mode.values()), LAYER("layer, 12 heads, 128 x 384",
                Mode.VECTOR, Mode.CALLS, Mode.WARM_UP), MULTIPLY("multiply, 512 x 384 by 384 x 384", Mode.VECTOR,
                        Mode.CALLS), SOFTMAX("softmax, 256 x 1024", Mode.VECTOR, Mode.CALLS);

        private final String title;
        private final List<Mode> modes;

        Call(String title, Mode... modes) {
            this.title = title;
            this.modes = List.of(modes);
        }
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
        for (Call call : Call.values()) {
            Map<Mode, List<double[]>> times = new EnumMap<>(Mode.class);
            for (int jvm = 0; jvm < jvms; jvm++) {
                for (Mode mode : call.modes) {
                    times.computeIfAbsent(mode, _ -> new ArrayList<>()).add(run(mode, call));
                }
            }
            System.out.printf("%n%-60s     median      worst%n", call.title + ", " + jvms + " JVMs each");
            times.forEach(ColdStart::print);
        }
    }

    private static void print(Mode mode, List<double[]> jvms) {
        switch (mode) {
            case VECTOR -> print("vector kernel, not warmed: first call", jvms, FIRST);
            case CALLS -> {
                print("default: making the first operator", jvms, BUILD);
                print("default: first call", jvms, FIRST);
                print("default: slowest other call of the first second", jvms, SLOWEST);
            }
            case EXECUTOR -> {
                print("default with an executor: first call", jvms, FIRST);
                print("default with an executor: slowest other", jvms, SLOWEST);
            }
            case WARM_UP -> {
                print("warm-up", jvms, WARM_UP);
                print("after it: first call", jvms, FIRST);
                print("after it: steady call", jvms, STEADY);
                print("after it: first / steady",
                        jvms.stream().mapToDouble(jvm -> jvm[FIRST] / jvm[STEADY]).toArray());
            }
        }
    }

    private static void print(String name, List<double[]> jvms, int column) {
        print(name, jvms.stream().mapToDouble(jvm -> jvm[column]).toArray());
    }

    private static void print(String name, double[] values) {
        Arrays.sort(values);
        System.out.printf(Locale.ROOT, "%-60s %10.2f %10.2f%n", name, values[values.length / 2],
                values[values.length - 1]);
    }

    private static double[] run(Mode mode, Call call) throws IOException, InterruptedException {
        List<String> command = List.of(JAVA.toString(), "--add-modules", "jdk.incubator.vector",
                "-Ddev.lanewise.bitStable=" + (mode == Mode.VECTOR), "-classpath",
                System.getProperty("java.class.path"), ColdStartJvm.class.getName(), mode.name(), call.name());
        Process process = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
        String line = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
        if (process.waitFor() != 0) {
            throw new IOException(mode + " of " + call + " ended with " + process.exitValue());
        }
        return Arrays.stream(line.split(" ")).mapToDouble(Double::parseDouble).toArray();
    }
}
