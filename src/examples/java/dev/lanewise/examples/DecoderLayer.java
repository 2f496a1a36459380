package dev.lanewise.examples;

import dev.lanewise.ElementType;
import dev.lanewise.MatMul;
import dev.lanewise.PackedMatrix;
import dev.lanewise.Tensor;
import java.lang.foreign.Arena;
import java.util.random.RandomGenerator;

/** One layer of a decoder: attention, then a feed-forward network, each behind a root-mean-square norm and added to its input. */
final class DecoderLayer {
    private final DecoderSize size;
    private final int index;
    private final PackedMatrix qkv;
    private final PackedMatrix projection;
    private final PackedMatrix up;
    private final PackedMatrix down;

    DecoderLayer(Arena arena, DecoderSize size, int index, RandomGenerator random) {
        this.size = size;
        this.index = index;
        int width = size.width();
        qkv = weights(arena, random, width, (size.heads() + 2 * size.kvHeads()) * size.features());
        projection = weights(arena, random, width, width);
        up = weights(arena, random, width, size.hidden());
        down = weights(arena, random, size.hidden(), width);
    }

    private static PackedMatrix weights(Arena arena, RandomGenerator random, int rows, int columns) {
        return PackedMatrix.of(arena, Floats.normal(arena, random, 1 / Math.sqrt(rows), rows, columns));
    }

    /** Adds what the layer makes of n tokens to their states, (n, width). */
    void apply(Tensor states, AttentionStep step) {
        long n = states.size(0);
        int d = size.features();
        try (Arena arena = Arena.ofConfined()) {
            Tensor normed = Tensor.allocate(arena, ElementType.FLOAT32, n, size.width());
            Tensor change = Tensor.allocate(arena, ElementType.FLOAT32, n, size.width());
            Tensor all = Tensor.allocate(arena, ElementType.FLOAT32, n, (size.heads() + 2L * size.kvHeads()) * d);
            Floats.norm(states, normed);
            MatMul.multiply(normed, qkv, null, all);
            int keys = size.heads() * d;
            int values = keys + size.kvHeads() * d;
            step.attend(index, heads(all, 0, keys), heads(all, keys, values), heads(all, values, (int) all.size(1)),
                    heads(normed, 0, keys));
            MatMul.multiply(normed, projection, null, change);
            Floats.add(states, change);

            Tensor hidden = Tensor.allocate(arena, ElementType.FLOAT32, n, size.hidden());
            Floats.norm(states, normed);
            MatMul.multiply(normed, up, null, hidden);
            Floats.silu(hidden);
            MatMul.multiply(hidden, down, null, change);
            Floats.add(states, change);
        }
    }

    /** Some columns of (n, columns) as (heads, n, D): a view. */
    private Tensor heads(Tensor tensor, int from, int to) {
        return tensor.slice(1, from, to).split(1, (to - from) / size.features()).transpose(0, 1);
    }
}
