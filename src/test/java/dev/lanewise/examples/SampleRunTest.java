package dev.lanewise.examples;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lanewise.Attention;
import dev.lanewise.AttentionOutputs;
import dev.lanewise.ElementType;
import dev.lanewise.RuntimeInfo;
import dev.lanewise.ScoreStage;
import dev.lanewise.Tensor;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SampleRunTest {
    @Test
    void withoutArguments() throws IOException {
        AttendResult result = AttendResult.of();
        assertEquals(0, result.exitCode(), result.err());
        assertEquals("", result.err());
        assertTrue(result.out().contains("  it         animal  0.218  [CLS]   0.150  street  0.141"), result.out());
        assertTrue(result.out().contains(RuntimeInfo.current().kernelName()));
        assertTrue(Pattern.compile("scalar kernel +\\d+\\.\\d us").matcher(result.out()).find());

        Matcher differences = Pattern.compile("context (\\S+), weights (\\S+)").matcher(result.out());
        assertTrue(differences.find());
        assertTrue(Double.parseDouble(differences.group(1)) < 2e-6, result.out());
        assertTrue(Double.parseDouble(differences.group(2)) < 2e-6, result.out());
        checkPicture(Path.of("target", "attend.png"), 15);
    }

    @Test
    void theOtherSentence(@TempDir Path folder) throws IOException {
        Path picture = folder.resolve("weights.png");
        AttendResult result = AttendResult.of("--sentence=1", "--head=2", "--picture", picture);
        assertEquals(0, result.exitCode(), result.err());
        assertTrue(result.out().contains("  ##max       soft     1.000"), result.out());
        checkPicture(picture, 31);
    }

    private static void checkPicture(Path file, int tokens) throws IOException {
        BufferedImage image = ImageIO.read(file.toFile());
        assertNotNull(image, file + " is no picture");
        int cells = 28 * tokens;
        assertTrue(image.getWidth() > cells && image.getWidth() < cells + 400, image.toString());
        assertTrue(image.getHeight() > cells && image.getHeight() < cells + 300, image.toString());
        Set<Integer> colours = new HashSet<>();
        for (int x = 0; x < image.getWidth(); x++) {
            for (int y = 0; y < image.getHeight(); y++) {
                colours.add(image.getRGB(x, y));
            }
        }
        assertTrue(colours.size() > 50, colours.size() + " colours");
    }

    /** ONNX Runtime's own error is 1.2e-5 in the scores, 7.1e-7 in the weights and 9.2e-7 in the context. */
    @Test
    void agreesWithOnnxRuntime() throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            Sample sample = Sample.load(arena);
            Tensor context = Tensor.allocate(arena, ElementType.FLOAT32, 2, 12, 31, 32);
            Tensor scores = Tensor.allocate(arena, ElementType.FLOAT32, 2, 12, 31, 31);
            Tensor weights = Tensor.allocate(arena, ElementType.FLOAT32, 2, 12, 31, 31);
            Attention.builder()
                    .build()
                    .run(sample.inputs(),
                            AttentionOutputs.of(context).withScores(scores, ScoreStage.RAW).withWeights(weights));
            assertArrayEquals(stored("layer0-scores.npy", arena), scores.toFloats(), 2.5e-5f);
            assertArrayEquals(stored("layer0-weights.npy", arena), weights.toFloats(), 3e-6f);
            assertArrayEquals(stored("layer0-context.npy", arena), context.toFloats(), 3e-6f);
        }
    }

    private static float[] stored(String name, Arena arena) throws IOException {
        try (InputStream in = SampleRunTest.class.getResourceAsStream("/dev/lanewise/minilm/" + name)) {
            assertNotNull(in, name);
            return NpyBytes.read(in.readAllBytes(), arena).toFloats();
        }
    }
}
