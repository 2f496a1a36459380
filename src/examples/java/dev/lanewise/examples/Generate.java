package dev.lanewise.examples;

import dev.lanewise.RotaryEmbedding;
import dev.lanewise.Tensor;
import java.lang.foreign.Arena;
import java.util.Random;

/** Generates tokens one by one over a key/value cache, and checks each step against recomputing all tokens from scratch. */
public final class Generate {
    private static final DecoderSize SIZE = new DecoderSize(3, 4, 2, 16, 128, 128);
    private static final double ROTARY_BASE = 10_000;
    /** Probabilities of 128 tokens: float32 rounding through three layers stays far below. */
    private static final float TOLERANCE = 1e-4f;

    private Generate() {
    }

    /** Generates as many tokens as the only argument says, 1,000 without one; prints tokens per second. */
    public static void main(String[] args) {
        int count = args.length == 0 ? 1000 : Integer.parseInt(args[0]);
        try (Arena arena = Arena.ofConfined()) {
            RotaryEmbedding rotary = RotaryEmbedding.of(SIZE.features(), RotaryEmbedding.Pairing.HALF_SPLIT,
                    ROTARY_BASE,
                    count);
            RandomDecoder decoder = new RandomDecoder(arena, SIZE, 1);
            AttentionStep cached = new CachedStep(arena, SIZE, rotary, count);
            AttentionStep whole = new WholeStep(rotary);
            Random random = new Random(2);
            int[] tokens = new int[count + 1];
            float largest = 0;
            long nanos = 0;
            for (int i = 0; i < count; i++) {
                try (Arena step = Arena.ofConfined()) {
                    long start = System.nanoTime();
                    Tensor probabilities = decoder.next(step, tokens, i, i + 1, cached);
                    tokens[i + 1] = decoder.draw(probabilities, random);
                    nanos += System.nanoTime() - start;
                    largest = Math.max(largest, difference(probabilities, decoder.next(step, tokens, 0, i + 1, whole)));
                }
                if (!(largest <= TOLERANCE)) {
                    throw new IllegalStateException("token " + i + ": differs by " + largest + " from recomputation");
                }
            }
            System.out.printf("%d tokens, %d layers, each step as recomputed from scratch within %.1e; %.0f tokens/s%n",
                    count, SIZE.layers(), largest, count * 1e9 / nanos);
        }
    }

    private static float difference(Tensor a, Tensor b) {
        float largest = 0;
        for (int token = 0; token < SIZE.vocabulary(); token++) {
            float apart = Math.abs(Floats.get(a, token) - Floats.get(b, token));
            largest = apart <= largest ? largest : apart;
        }
        return largest;
    }
}
