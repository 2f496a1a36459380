package dev.lanewise.examples;

import dev.lanewise.Attention;
import dev.lanewise.AttentionOutputs;
import dev.lanewise.Kernel;
import dev.lanewise.RuntimeInfo;
import dev.lanewise.Tensor;
import java.io.PrintWriter;
import java.lang.management.CompilationMXBean;
import java.lang.management.ManagementFactory;
import java.util.Arrays;
import java.util.Locale;

/** How long one call over the whole sample takes, once the JIT compiler has done its work. */
final class SampleTiming {
    private static final double WINDOW = 0.1;
    private static final double MEASURED = 0.3;
    private static final double PATIENCE = 0.3;
    /** The vector kernel takes 4 to 6 s of compiler threads' time: 2 s on two idle cores, more on busy ones. */
    private static final double MAX_WARM_UP = 6;
    /** A change below this is noise. */
    private static final double GAIN = 0.9;

    private final CompilationMXBean compiler = ManagementFactory.getCompilationMXBean();
    private final long[] nanos = new long[100_000];
    private final Sample sample;
    private final AttentionOutputs outputs;

    private SampleTiming(Sample sample, AttentionOutputs outputs) {
        this.sample = sample;
        this.outputs = outputs;
    }

    static void print(PrintWriter out, Sample sample, Tensor context) {
        out.printf(Locale.ROOT, """
                Time of one call: context of both sentences (batch %d, heads %d, length %d, head dimension %d, padding
                masked), one thread, median of the calls in %.1f s
                """, Sample.SENTENCES, Sample.HEADS, Sample.LENGTH, Sample.DEPTH, MEASURED);
        SampleTiming timing = new SampleTiming(sample, AttentionOutputs.of(context));
        if (RuntimeInfo.current().kernel() == Kernel.VECTOR) {
            double vector = timing.printMicros(out, Kernel.VECTOR);
            double scalar = timing.printMicros(out, Kernel.SCALAR);
            out.printf(Locale.ROOT, "  scalar / vector %6.1f%n", scalar / vector);
        } else {
            timing.printMicros(out, Kernel.SCALAR);
            out.println("  no vector kernel was chosen here");
        }
    }

    private double printMicros(PrintWriter out, Kernel kernel) {
        Attention attention = Attention.builder().kernel(kernel).build();
        double warmUp = warmUp(attention);
        double micros = medianMicros(attention, MEASURED);
        out.printf(Locale.ROOT, "  %s kernel %8.1f us, after %.1f s of warm-up%s%n",
                kernel.name().toLowerCase(Locale.ROOT), micros, warmUp,
                warmUp < MAX_WARM_UP ? "" : ", still being compiled: no fair figure");
        return micros;
    }

    /** Calls until they have stopped to get faster and the compiler to compile. */
    private double warmUp(Attention attention) {
        long start = System.nanoTime();
        double now = 0;
        double lastChange = 0;
        double best = Double.POSITIVE_INFINITY;
        long compiled = compiler.getTotalCompilationTime();
        while (now < MAX_WARM_UP && now - lastChange < PATIENCE) {
            double micros = medianMicros(attention, WINDOW);
            now = (System.nanoTime() - start) / 1e9;
            if (micros < best * GAIN || compiler.getTotalCompilationTime() > compiled) {
                lastChange = now;
            }
            best = Math.min(best, micros);
            compiled = compiler.getTotalCompilationTime();
        }
        return now;
    }

    private double medianMicros(Attention attention, double seconds) {
        long begin = System.nanoTime();
        long before = begin;
        int calls = 0;
        do {
            attention.run(sample.inputs(), outputs);
            long after = System.nanoTime();
            nanos[calls++] = after - before;
            before = after;
        } while (before - begin < seconds * 1e9 && calls < nanos.length);
        Arrays.sort(nanos, 0, calls);
        return nanos[calls / 2] / 1e3;
    }
}
