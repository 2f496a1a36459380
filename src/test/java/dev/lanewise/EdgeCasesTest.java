package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lanewise.AttentionCase.Results;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Where sizes, memory or numbers are unusual. */
@Tag("width")
class EdgeCasesTest {
    @TempDir
    private Path folder;

    private static Results run(Arena arena, Attention.Builder builder, AttentionInputs inputs) {
        return AttentionCase.run(arena, builder.build(), inputs, Layout.PLAIN, ScoreStage.RAW);
    }

    private static AttentionInputs draw(Arena arena, long queries, long keys, long depth, long valueDepth,
            double deviation) {
        Random random = new Random(depth);
        return AttentionInputs.of(Layout.PLAIN.normal(arena, random, deviation, 1, 2, queries, depth),
                Layout.PLAIN.normal(arena, random, deviation, 1, 2, keys, depth),
                Layout.PLAIN.normal(arena, random, deviation, 1, 2, keys, valueDepth));
    }

    private static void assertLikeReference(Arena arena, AttentionInputs inputs, double tolerance) {
        float[] expected = run(arena, Attention.builder().kernel(Kernel.REFERENCE), inputs).context().toFloats();
        assertArrayEquals(expected, run(arena, Attention.builder(), inputs).context().toFloats(), (float) tolerance);
    }

    @ParameterizedTest
    @CsvSource({"512,512", "1,512", "512,1", "257,300", "511,129", "1000,70"})
    void largeHeadDimensions(long depth, long valueDepth) {
        try (Arena arena = Arena.ofConfined()) {
            // (D + 2)·u·‖q‖‖k‖/√D with norms of √D: about 1e-6·√D; values are below 5.
            assertLikeReference(arena, draw(arena, 37, 140, depth, valueDepth, 1), 5 * 4e-8 * depth + 1e-5);
        }
    }

    /** Scores up to some 180, where e to the score is no float32: a maximum that is not raised shows. */
    @Test
    void manyBlocksOfScoresBeyondTheRangeOfTheExponential() {
        try (Arena arena = Arena.ofConfined()) {
            // Scores are off by at most (D + 2)·u·‖q‖‖k‖/√D = 18·6e-8·43²/4 = 5e-4, weights by twice that, values are within ±28.
            assertLikeReference(arena, draw(arena, 50, 1100, 16, 16, 6), 2 * 5e-4 * 2 * 28);
        }
    }

    @Test
    void oneKeyGivesItsValue() {
        try (Arena arena = Arena.ofConfined()) {
            AttentionInputs inputs = draw(arena, 20, 1, 8, 8, 1);
            Results results = run(arena, Attention.builder(), inputs);
            for (int i = 0; i < 20; i++) {
                assertArrayEquals(inputs.v.slice(1, 0, 1).toFloats(),
                        results.context().slice(1, 0, 1).slice(2, i, i + 1).toFloats(), 0);
            }
        }
    }

    @Test
    void lengthsOfZeroWriteNothingAndDoNotFail() {
        try (Arena arena = Arena.ofConfined()) {
            assertEquals(0, run(arena, Attention.builder(), draw(arena, 0, 5, 4, 4, 1)).context().elementCount());
            AttentionInputs all = draw(arena, 3, 5, 4, 4, 1);
            AttentionInputs none = AttentionInputs.of(all.q.slice(0, 0, 0), all.k.slice(0, 0, 0), all.v.slice(0, 0, 0));
            assertEquals(0, run(arena, Attention.builder(), none).context().elementCount());
            AttentionInputs noHeads = AttentionInputs.of(all.q.slice(1, 0, 0), all.k.slice(1, 0, 0),
                    all.v.slice(1, 0, 0));
            assertEquals(0, run(arena, Attention.builder(), noHeads).context().elementCount());
            Tensor mask = Tensor.allocate(arena, ElementType.BOOL, 3, 5);
            assertEquals(0, run(arena, Attention.builder(), noHeads.withMask(mask)).context().elementCount());
            AttentionInputs noQueryHeads = AttentionInputs.of(all.q.slice(1, 0, 0), all.k, all.v);
            assertEquals(0, run(arena, Attention.builder(), noQueryHeads.withMask(mask)).context().elementCount());
        }
    }

    @Test
    void subnormalValuesAreNumbers() {
        try (Arena arena = Arena.ofConfined()) {
            AttentionInputs inputs = draw(arena, 30, 70, 8, 8, 1e-40);
            // Scores are 0, so the context is the mean; each of 70 terms is rounded to a multiple of the smallest float.
            assertLikeReference(arena, inputs, 72 * Float.MIN_VALUE);
        }
    }

    @Test
    void minusZeroIsZero() {
        try (Arena arena = Arena.ofConfined()) {
            AttentionInputs inputs = draw(arena, 17, 33, 8, 8, 1);
            for (Tensor t : new Tensor[]{inputs.q, inputs.k}) {
                for (long i = 0; i < t.size(2); i++) {
                    for (long d = 0; d < 8; d++) {
                        t.setFloat(-0f, 0, 1, i, d);
                    }
                }
            }
            Results results = run(arena, Attention.builder(), inputs);
            assertEquals(1f / 33, results.weights().getFloat(0, 1, 16, 32), 1e-8);
        }
    }

    @Test
    void aBatchBroadcastWithStrideZeroIsReadAsOften() {
        try (Arena arena = Arena.ofConfined()) {
            AttentionInputs one = draw(arena, 20, 40, 8, 8, 1);
            Tensor q3 = Layout.PLAIN.normal(arena, new Random(3), 1, 3, 2, 20, 8);
            AttentionInputs three = AttentionInputs.of(q3, one.k.broadcast(0, 3), one.v.broadcast(0, 3));
            float[] last = run(arena, Attention.builder(), three).context().slice(0, 2, 3).toFloats();
            AttentionInputs alone = AttentionInputs.of(q3.slice(0, 2, 3), one.k, one.v);
            assertArrayEquals(run(arena, Attention.builder(), alone).context().toFloats(), last, 0);
        }
    }

    @Test
    void contextMayBeTheVeryViewThatQIs() {
        try (Arena arena = Arena.ofConfined()) {
            AttentionInputs inputs = draw(arena, 150, 40, 8, 8, 1);
            float[] expected = run(arena, Attention.builder(), inputs).context().toFloats();
            Attention.builder().build().run(inputs, AttentionOutputs.of(inputs.q));
            assertArrayEquals(expected, inputs.q.toFloats(), 0);
        }
    }

    @Test
    void packedQueriesKeysAndValuesAreNotCopied() {
        try (Arena arena = Arena.ofConfined()) {
            Tensor packed = Layout.PLAIN.normal(arena, new Random(1), 1, 2, 30, 4, 2 * 8).split(3, 2);
            Tensor[] parts = new Tensor[4];
            for (int part = 0; part < 4; part++) {
                parts[part] = packed.select(2, part).transpose(1, 2);
            }
            AttentionInputs inputs = AttentionInputs.of(parts[0], parts[1], parts[2]);
            float[] expected = run(arena, Attention.builder().kernel(Kernel.REFERENCE), inputs).context().toFloats();
            Attention.builder().build().run(inputs, AttentionOutputs.of(parts[3]));
            assertArrayEquals(expected, parts[3].toFloats(), 1e-5f);
        }
    }

    @Test
    void readOnlyMappedInputsBeyondTwoGibibytes() throws IOException {
        try (Arena arena = Arena.ofConfined();
                RandomAccessFile file = new RandomAccessFile(folder.resolve("sparse").toFile(), "rw")) {
            long stride = 1L << 26;
            long keys = 40;
            file.setLength(4 * stride * keys + 64);
            MemorySegment written = file.getChannel().map(MapMode.READ_WRITE, 0, file.length(), arena);
            long[] shape = {1, 2, keys, 8};
            long[] strides = {0, 8, stride, 1};
            AttentionInputs near = draw(arena, 20, keys, 8, 8, 1);
            Tensor far = Tensor.of(written, ElementType.FLOAT32, 0, shape, strides);
            for (long i = 0; i < 2 * keys * 8; i++) {
                far.setFloat(near.k.getFloat(0, i / (keys * 8), i / 8 % keys, i % 8), 0, i / (keys * 8), i / 8 % keys,
                        i % 8);
            }
            Tensor k = Tensor.of(written.asReadOnly(), ElementType.FLOAT32, 0, shape, strides);
            float[] expected = run(arena, Attention.builder(), near).context().toFloats();
            assertArrayEquals(expected,
                    run(arena, Attention.builder(), AttentionInputs.of(near.q, k, near.v)).context().toFloats(), 0);
        }
    }

    @Test
    void dropoutIsRefusedWithTheReason() {
        String message = assertThrows(IllegalArgumentException.class, () -> Attention.builder().dropout(0.1))
                .getMessage();
        assertEquals("dropout: 0.1, wanted 0: dropout belongs to training, and this is inference", message);
    }
}
