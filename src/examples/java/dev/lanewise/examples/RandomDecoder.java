package dev.lanewise.examples;

import dev.lanewise.ElementType;
import dev.lanewise.MatMul;
import dev.lanewise.PackedMatrix;
import dev.lanewise.Softmax;
import dev.lanewise.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Random;
import java.util.random.RandomGenerator;

/** A decoder-only transformer whose weights are random numbers: it says nothing, but it computes all that a real one does. */
final class RandomDecoder {
    private final DecoderSize size;
    private final Tensor embedding;
    private final PackedMatrix unembedding;
    private final DecoderLayer[] layers;

    RandomDecoder(Arena arena, DecoderSize size, long seed) {
        this.size = size;
        Random random = new Random(seed);
        embedding = Floats.normal(arena, random, 1, size.vocabulary(), size.width());
        unembedding = PackedMatrix.of(arena, embedding.transpose(0, 1));
        layers = new DecoderLayer[size.layers()];
        for (int layer = 0; layer < layers.length; layer++) {
            layers[layer] = new DecoderLayer(arena, size, layer, random);
        }
    }

    /** The probabilities of the token after the last of some, (1, vocabulary). */
    Tensor next(Arena arena, int[] tokens, int from, int to, AttentionStep step) {
        Tensor states = Tensor.allocate(arena, ElementType.FLOAT32, to - from, size.width());
        long rowBytes = (long) size.width() * Float.BYTES;
        for (int i = from; i < to; i++) {
            MemorySegment.copy(embedding.segment(), tokens[i] * rowBytes, states.segment(), (i - from) * rowBytes,
                    rowBytes);
        }
        for (DecoderLayer layer : layers) {
            layer.apply(states, step);
        }
        Tensor last = states.slice(0, to - from - 1L, to - from);
        Tensor normed = Tensor.allocate(arena, ElementType.FLOAT32, 1, size.width());
        Floats.norm(Tensor.of(last.segment().asSlice(last.byteOffset()), ElementType.FLOAT32, 1, size.width()), normed);
        Tensor logits = Tensor.allocate(arena, ElementType.FLOAT32, 1, size.vocabulary());
        MatMul.multiply(normed, unembedding, null, logits);
        Softmax.rows(logits, logits);
        return logits;
    }

    /** Draws a token. */
    int draw(Tensor probabilities, RandomGenerator random) {
        float left = random.nextFloat();
        for (int token = 0; token < size.vocabulary(); token++) {
            left -= Floats.get(probabilities, token);
            if (left < 0) {
                return token;
            }
        }
        return size.vocabulary() - 1;
    }
}
