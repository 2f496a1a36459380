package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.DataInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;

/**
 * Layer 0 of the sentence encoder all-MiniLM-L6-v2 (Apache-2.0) over two sentences padded to 31 tokens, as ONNX Runtime
 * 1.29.0 computed it. Scores reach ±74.
 */
final class MiniLm {
    static final int HEADS = 12;
    static final int TOKENS = 31;
    static final int WIDTH = 384;

    private MiniLm() {
    }

    /** A float32 .npy file of version 1 in C order, by its path from this package. */
    static Tensor read(Arena arena, String path) {
        try (InputStream resource = MiniLm.class.getResourceAsStream(path);
                DataInputStream in = new DataInputStream(resource)) {
            in.skipNBytes(8);
            String header = new String(in.readNBytes(Short.reverseBytes(in.readShort())), StandardCharsets.US_ASCII);
            String shape = header.substring(header.indexOf('('), header.indexOf(')'));
            long[] sizes = Pattern.compile("\\d+")
                    .matcher(shape)
                    .results()
                    .map(MatchResult::group)
                    .mapToLong(Long::parseLong)
                    .toArray();
            byte[] data = in.readAllBytes();
            float[] values = new float[data.length / Float.BYTES];
            ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values);
            return Tensor.ofFloats(arena, values, sizes);
        } catch (IOException e) {
            throw new UncheckedIOException(path, e);
        }
    }

    /** Which tokens are no padding, (2, 1, 1, 31): a mask for every head and query. */
    static Tensor mask(Arena arena) {
        float[] tokens = read(arena, "examples/minilm/attention_mask.npy").toFloats();
        boolean[] mask = new boolean[tokens.length];
        for (int i = 0; i < mask.length; i++) {
            mask[i] = tokens[i] != 0;
        }
        return Tensor.ofBooleans(arena, mask, 2, 1, 1, TOKENS);
    }

    /** Fails where an element is further than the distance from what ONNX Runtime computed; a NaN always is. */
    static void assertWithin(double distance, Tensor expected, Tensor actual) {
        assertArrayEquals(expected.shape(), actual.shape());
        float[] wanted = expected.toFloats();
        float[] got = actual.toFloats();
        double largest = 0;
        for (int i = 0; i < wanted.length; i++) {
            double error = Math.abs((double) got[i] - wanted[i]);
            largest = error > largest || Double.isNaN(error) ? error : largest;
        }
        assertTrue(largest <= distance, "off by " + largest);
    }
}
