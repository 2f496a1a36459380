package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.lang.foreign.Arena;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** A compiled null check of HotSpot throws without a message, so what asks for an argument has to name it. */
class MissingArgumentsTest {
    @Test
    void ofWhatIsNoOperatorAreNamed() {
        try (Arena arena = Arena.ofConfined()) {
            Tensor t = Tensor.allocate(arena, ElementType.FLOAT32, 2, 2);
            Tensor out = Tensor.allocate(arena, ElementType.FLOAT32, 2, 2);
            RotaryEmbedding embedding = RotaryEmbedding.of(2, RotaryEmbedding.Pairing.HALF_SPLIT, 100, 2);
            MultiHeadAttention layer = MultiHeadAttention.builder(1, 1)
                    .query(t, null)
                    .key(t, null)
                    .value(t, null)
                    .output(t, null)
                    .build(arena);
            assertMissing("a", () -> MatMul.multiply(null, t, out));
            assertMissing("b", () -> MatMul.multiply(t, null, out));
            assertMissing("b", () -> MatMul.multiply(t, (PackedMatrix) null, null, out));
            assertMissing("out", () -> MatMul.multiply(t, t, null));
            assertMissing("in", () -> Softmax.rows(null, out));
            assertMissing("out", () -> Softmax.rows(t, null));
            assertMissing("matrix", () -> PackedMatrix.of(arena, null));
            assertMissing("in", () -> embedding.apply(null, 0, out));
            assertMissing("out", () -> embedding.apply(t, 0, null));
            PartialAttention part = new PartialAttention(t, t.slice(1, 0, 1));
            assertMissing("other", () -> part.merge(null, part));
            assertMissing("out", () -> part.merge(part, null));
            assertMissing("x", () -> layer.run(null, out));
            assertMissing("out", () -> layer.run(t, null));
            assertMissing("execution", () -> layer.run(t, t, in -> in, to -> to, out, null));
        }
    }

    private static void assertMissing(String name, Executable call) {
        assertEquals(name, assertThrows(NullPointerException.class, call).getMessage());
    }
}
