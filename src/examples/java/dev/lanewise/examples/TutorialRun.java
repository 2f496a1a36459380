package dev.lanewise.examples;

import dev.lanewise.Attention;
import dev.lanewise.AttentionInputs;
import dev.lanewise.AttentionOutputs;
import dev.lanewise.ElementType;
import dev.lanewise.ScoreStage;
import dev.lanewise.Tensor;
import java.io.PrintWriter;
import java.lang.foreign.Arena;
import java.util.Locale;
import java.util.Random;
import picocli.CommandLine.Option;

/** Attention in three steps on random numbers: x1 asks, x2 is both the keys and the values, and nothing is scaled. */
final class TutorialRun implements Attend.Run {
    private static final int BATCH = 2;
    private static final int QUERIES = 3;
    private static final int KEYS = 5;
    private static final int DEPTH = 4;

    @Option(names = "--tutorial", required = true, description = "Print raw weights, weights and output, step by step.")
    private boolean tutorial;

    @Option(names = "--seed", paramLabel = "N", description = "Seed of the random numbers (default: 0).")
    private long seed = 0;

    @Override
    public void run(PrintWriter out) {
        try (Arena arena = Arena.ofConfined()) {
            Random random = new Random(seed);
            Tensor x1 = gaussian(random, arena, BATCH, QUERIES, DEPTH);
            Tensor x2 = gaussian(random, arena, BATCH, KEYS, DEPTH);
            Tensor rawWeights = Tensor.allocate(arena, ElementType.FLOAT32, BATCH, QUERIES, KEYS);
            Tensor weights = Tensor.allocate(arena, ElementType.FLOAT32, BATCH, QUERIES, KEYS);
            Tensor output = Tensor.allocate(arena, ElementType.FLOAT32, BATCH, QUERIES, DEPTH);

            Attention attention = Attention.builder().scale(1).build();
            attention.run(AttentionInputs.of(x1, x2, x2),
                    AttentionOutputs.of(output).withScores(rawWeights, ScoreStage.RAW).withWeights(weights));

            print(out, "x1", x1);
            print(out, "x2", x2);
            print(out, "raw weights = x1 x2^T", rawWeights);
            print(out, "weights = softmax(raw weights), each row sums to 1", weights);
            print(out, "output = weights x2", output);
        }
    }

    private static Tensor gaussian(Random random, Arena arena, int... shape) {
        float[] values = new float[shape[0] * shape[1] * shape[2]];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return Tensor.ofFloats(arena, values, shape[0], shape[1], shape[2]);
    }

    private static void print(PrintWriter out, String name, Tensor tensor) {
        out.println(name + ", shape " + NpyHeader.shapeText(tensor.shape()));
        for (long batch = 0; batch < tensor.size(0); batch++) {
            for (long row = 0; row < tensor.size(1); row++) {
                out.print(row == 0 ? "  batch " + batch + " " : "          ");
                for (long column = 0; column < tensor.size(2); column++) {
                    out.printf(Locale.ROOT, "%9.4f", tensor.getFloat(batch, row, column));
                }
                out.println();
            }
        }
        out.println();
    }
}
