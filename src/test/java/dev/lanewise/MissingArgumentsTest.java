package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
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
            assertMissing("arena", () -> PackedMatrix.of(null, t));
            assertMissing("arena", () -> Workspace.allocate(null, 64, 1));
            assertMissing("arena", () -> KvCache.builder(1, 2).capacity(4).allocate(null));
            assertMissing("storage", () -> KvCache.builder(1, 2).storage(null));
            assertMissing("arena", () -> MultiHeadAttention.builder(1, 1)
                    .query(t, null)
                    .key(t, null)
                    .value(t, null)
                    .output(t, null)
                    .build(null));
            assertMissing("in", () -> embedding.apply(null, 0, out));
            assertMissing("out", () -> embedding.apply(t, 0, null));
            PartialAttention part = new PartialAttention(t, t.slice(1, 0, 1));
            assertMissing("other", () -> part.merge(null, part));
            assertMissing("out", () -> part.merge(part, null));
            assertMissing("x", () -> layer.run(null, out));
            assertMissing("out", () -> layer.run(t, null));
            assertMissing("execution", () -> layer.run(t, t, in -> in, to -> to, out, null));
            assertMissing("inputs", () -> layer.run(t, t, _ -> null, to -> to, out));
            assertMissing("outputs", () -> layer.run(t, t, in -> in, _ -> null, out));
            assertMissing("layer", () -> WarmUp.of(null, t, t, in -> in, to -> to, out));
        }
    }

    @Test
    void ofAnOperatorAreNamed() {
        try (Arena arena = Arena.ofConfined()) {
            Tensor t = Tensor.allocate(arena, ElementType.FLOAT32, 1, 1, 2, 2);
            AttentionInputs inputs = AttentionInputs.of(t, t, t);
            AttentionOutputs outputs = AttentionOutputs.of(Tensor.allocate(arena, ElementType.FLOAT32, 1, 1, 2, 2));
            Attention attention = Attention.builder().build();
            assertMissing("inputs", () -> attention.run(null, outputs));
            assertMissing("outputs", () -> attention.run(inputs, null));
            assertMissing("execution", () -> attention.run(inputs, outputs, null));
            assertMissing("inputs", () -> attention.workspaceBytes(null, outputs, 1));
            assertMissing("outputs", () -> attention.workspaceBytes(inputs, null, 1));
            assertMissing("sequences", () -> AttentionInputs.ofCache(t, 0, (KvCache.Sequence[]) null));
            assertMissing("time limit", () -> Execution.here().withTimeLimit(null));
            assertMissing("limit", () -> WarmUp.of(attention, inputs, outputs).run(null));
        }
    }

    @Test
    void ofATensorAreNamed() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment segment = arena.allocate(16);
            assertMissing("arena", () -> Tensor.allocate(null, ElementType.FLOAT32, 1));
            assertMissing("type", () -> Tensor.allocate(arena, null, 1));
            assertMissing("shape", () -> Tensor.allocate(arena, ElementType.FLOAT32, (long[]) null));
            assertMissing("segment", () -> Tensor.of(null, ElementType.FLOAT32, 1));
            assertMissing("type", () -> Tensor.of(segment, null, 1));
            assertMissing("strides", () -> Tensor.of(segment, ElementType.FLOAT32, 0, new long[]{1}, null));
        }
    }

    private static void assertMissing(String name, Executable call) {
        assertEquals(name, assertThrows(NullPointerException.class, call).getMessage());
    }
}
