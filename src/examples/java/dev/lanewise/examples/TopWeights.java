package dev.lanewise.examples;

import dev.lanewise.Tensor;
import java.io.PrintWriter;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

/** For each token, the few tokens it attends to most. */
final class TopWeights {
    private static final int SHOWN = 3;

    private TopWeights() {
    }

    /** Prints one line a token; the weights are (tokens, tokens), a row for each query. */
    static void print(PrintWriter out, Tensor weights, List<String> tokens) {
        int width = tokens.stream().mapToInt(String::length).max().orElse(0);
        for (int query = 0; query < tokens.size(); query++) {
            out.print("  " + padded(tokens.get(query), width) + "  ");
            for (int key : heaviest(weights.select(0, query), tokens.size())) {
                out.printf(Locale.ROOT, "  %s %.3f", padded(tokens.get(key), width), weights.getFloat(query, key));
            }
            out.println();
        }
    }

    private static int[] heaviest(Tensor row, int tokens) {
        Comparator<Integer> byWeight = Comparator.comparingDouble(row::getFloat);
        return IntStream.range(0, tokens)
                .boxed()
                .sorted(byWeight.reversed())
                .limit(SHOWN)
                .mapToInt(Integer::intValue)
                .toArray();
    }

    private static String padded(String token, int width) {
        return token + " ".repeat(width - token.length());
    }
}
