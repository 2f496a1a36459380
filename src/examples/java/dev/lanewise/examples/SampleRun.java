package dev.lanewise.examples;

import dev.lanewise.Attention;
import dev.lanewise.AttentionOutputs;
import dev.lanewise.ElementType;
import dev.lanewise.Kernel;
import dev.lanewise.RuntimeInfo;
import dev.lanewise.Tensor;
import java.io.IOException;
import java.io.PrintWriter;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine.Option;

/** Runs the sample: what one head attends to, as text and as a picture, how exact that is, and how long it takes. */
final class SampleRun implements Attend.Run {
    private static final Path DEFAULT_PICTURE = Path.of("target", "attend.png");

    @Option(names = "--head", paramLabel = "N", description = "The head to show, 0 to 11 (default: 6).")
    private int head = 6;

    @Option(names = "--sentence", paramLabel = "N", description = "The sentence to show, 0 or 1 (default: 0).")
    private int sentence = 0;

    @Option(names = "--picture", paramLabel = "FILE", description = "Where the heat map goes, as PNG (default: target/attend.png).")
    private Path picture;

    @Override
    public void run(PrintWriter out) throws AttendException {
        requireIndex("--head", head, Sample.HEADS);
        requireIndex("--sentence", sentence, Sample.SENTENCES);
        try (Arena arena = Arena.ofConfined()) {
            Sample sample = load(arena);
            Results results = Results.of(sample, RuntimeInfo.current().kernel(), arena);
            List<String> tokens = sample.tokens().get(sentence);
            Tensor shown = results.weights.select(0, sentence)
                    .select(0, head)
                    .slice(0, 0, tokens.size())
                    .slice(1, 0, tokens.size());

            out.printf("Layer 0 of all-MiniLM-L6-v2, sentence %d, head %d: each token and what it attends to most%n%n",
                    sentence, head);
            TopWeights.print(out, shown, tokens);
            out.printf("%nHeat map of these weights: %s%n%n", savePicture(shown, tokens));
            printDifferences(out, results, Results.of(sample, Kernel.REFERENCE, arena));
            printChoice(out);
            SampleTiming.print(out, sample, Results.context(arena));
        }
    }

    private static void requireIndex(String option, int index, int count) throws AttendException {
        if (index < 0 || index >= count) {
            throw new AttendException(option + ": " + index + ", wanted 0 to " + (count - 1));
        }
    }

    private static Sample load(Arena arena) throws AttendException {
        try {
            return Sample.load(arena);
        } catch (IOException e) {
            throw new AttendException("the sample cannot be read: " + e.getMessage());
        }
    }

    private Path savePicture(Tensor weights, List<String> tokens) throws AttendException {
        Path file = picture == null ? DEFAULT_PICTURE : picture;
        try (OutputFiles files = new OutputFiles()) {
            if (picture == null) {
                Files.createDirectories(DEFAULT_PICTURE.getParent());
            }
            HeatMap map = new HeatMap("all-MiniLM-L6-v2, layer 0, head " + head + ": weights", tokens, weights);
            files.write(file, map::writeTo);
            files.commit();
        } catch (IOException e) {
            throw new AttendException(file, e);
        }
        return file;
    }

    private static void printDifferences(PrintWriter out, Results results, Results reference) {
        out.printf(Locale.ROOT,
                "Largest difference from the float64 reference, both sentences and all heads: context %.1e, weights %.1e%n%n",
                largestDifference(results.context, reference.context),
                largestDifference(results.weights, reference.weights));
    }

    private static void printChoice(PrintWriter out) {
        RuntimeInfo runtime = RuntimeInfo.current();
        out.printf("Start-up chose the kernel %s: %s%n  on %s, %s%n%n", runtime.kernelName(), runtime.reason(),
                runtime.architecture(), runtime.vm());
    }

    private static double largestDifference(Tensor a, Tensor b) {
        float[] left = a.toFloats();
        float[] right = b.toFloats();
        double largest = 0;
        for (int i = 0; i < left.length; i++) {
            largest = Math.max(largest, Math.abs((double) left[i] - right[i]));
        }
        return largest;
    }

    private record Results(Tensor context, Tensor weights) {
        static Tensor context(Arena arena) {
            return Tensor.allocate(arena, ElementType.FLOAT32, Sample.SENTENCES, Sample.HEADS, Sample.LENGTH,
                    Sample.DEPTH);
        }

        static Results of(Sample sample, Kernel kernel, Arena arena) {
            Results results = new Results(context(arena), Tensor.allocate(arena, ElementType.FLOAT32, Sample.SENTENCES,
                    Sample.HEADS, Sample.LENGTH, Sample.LENGTH));
            Attention.builder()
                    .kernel(kernel)
                    .build()
                    .run(sample.inputs(),
                            AttentionOutputs.of(results.context).withWeights(results.weights));
            return results;
        }
    }
}
