package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** How far storage moves the context from that of the float32 tokens: the table of the page on the cache. */
@Tag("width")
class CacheAccuracyTest {
    /** The context over a cache and from float64 over the tokens, as they were before they were stored. */
    private static void check(Arena arena, Tensor q, Tensor k, Tensor v, int[] lengths, ElementType type,
            double largest, double relative) {
        CachedTokens tokens = CachedTokens.of(arena, type, 16, k, v, lengths, new Random(1));
        Tensor context = Tensor.allocate(arena, ElementType.FLOAT32, q.shape());
        Tensor exact = Tensor.allocate(arena, ElementType.FLOAT32, q.shape());
        Attention.builder()
                .build()
                .run(AttentionInputs.ofCache(q, tokens.layer(), tokens.sequences()),
                        AttentionOutputs.of(context));
        Attention.builder()
                .kernel(Kernel.REFERENCE)
                .build()
                .run(
                        AttentionInputs.of(q, k, v).withKeyLengths(Tensor.ofInts(arena, lengths)),
                        AttentionOutputs.of(exact));
        float[] got = context.toFloats();
        float[] wanted = exact.toFloats();
        double most = 0;
        double errors = 0;
        double squares = 0;
        for (int i = 0; i < got.length; i++) {
            double error = (double) got[i] - wanted[i];
            most = Math.max(most, Math.abs(error));
            errors += error * error;
            squares += (double) wanted[i] * wanted[i];
        }
        double share = Math.sqrt(errors / squares);
        String measured = type + ": largest " + most + ", relative " + share;
        assertTrue(most <= largest && share <= relative, measured);
    }

    @ParameterizedTest
    @CsvSource({"FLOAT32, 2e-6, 2e-6", "FLOAT16, 6.5e-4, 2.2e-4", "BFLOAT16, 6.8e-3, 1.8e-3", "INT8, 1.3e-2, 5.7e-3"})
    void onTheMiniLmLayer(ElementType type, double largest, double relative) {
        try (Arena arena = Arena.ofConfined()) {
            Tensor mask = MiniLm.mask(arena);
            int[] lengths = new int[2];
            for (int i = 0; i < 2 * MiniLm.TOKENS; i++) {
                lengths[i / MiniLm.TOKENS] += (int) mask.getFloat(i / MiniLm.TOKENS, 0, 0, i % MiniLm.TOKENS);
            }
            check(arena, heads(arena, "q"), heads(arena, "k"), heads(arena, "v"), lengths, type, largest, relative);
        }
    }

    private static Tensor heads(Arena arena, String name) {
        return MiniLm.read(arena, "examples/minilm/layer0-" + name + ".npy").split(2, MiniLm.HEADS).transpose(1, 2);
    }

    /** One query meets rows of narrow types where they lie; more meet what they are widened to. The relative errors are of 8 rows instead of 128. */
    @ParameterizedTest
    @CsvSource({"FLOAT32, 1e-6, 2e-6", "FLOAT16, 8.5e-5, 3.5e-4", "BFLOAT16, 7.4e-4, 2.9e-3", "INT8, 3.1e-3, 1.1e-2"})
    void ofOneQueryOnNormalNumbers(ElementType type, double largest, double relative) {
        try (Arena arena = Arena.ofConfined()) {
            Random random = new Random(1);
            check(arena, Layout.PLAIN.normal(arena, random, 1, 1, 8, 1, 128),
                    Layout.PLAIN.normal(arena, random, 1, 1, 8, 1024, 128),
                    Layout.PLAIN.normal(arena, random, 1, 1, 8, 1024, 128), new int[]{1024}, type, largest, relative);
        }
    }

    @ParameterizedTest
    @CsvSource({"FLOAT32, 1e-6, 2e-6", "FLOAT16, 8.5e-5, 3.0e-4", "BFLOAT16, 7.4e-4, 2.5e-3", "INT8, 3.1e-3, 9.2e-3"})
    void onNormalNumbers(ElementType type, double largest, double relative) {
        try (Arena arena = Arena.ofConfined()) {
            Random random = new Random(1);
            check(arena, Layout.PLAIN.normal(arena, random, 1, 1, 8, 16, 128),
                    Layout.PLAIN.normal(arena, random, 1, 1, 8, 1024, 128),
                    Layout.PLAIN.normal(arena, random, 1, 1, 8, 1024, 128), new int[]{1024}, type, largest, relative);
        }
    }
}
