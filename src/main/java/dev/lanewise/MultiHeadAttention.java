package dev.lanewise;

import dev.lanewise.internal.memory.Scratch;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import java.util.function.UnaryOperator;

/**
 * Multi-head attention (Vaswani et al., 2017, section 3.2.2): queries, keys and values are projected from rows of features, attended to head by
 * head, and the joined contexts are projected once more. y = x·W + b, with weights (in, out) that are packed once, when the
 * layer is made.
 *
 * <p>Immutable; may be used by any number of threads as far as the arena of its weights allows. Arithmetic is float32. A call draws its
 * scratch, four projections in all, from a bounded pool.
 */
public final class MultiHeadAttention {
    private static final Scratch.Pool<Object> POOL = new Scratch.Pool<>(Object::new);

    private final Attention attention;
    private final RotaryEmbedding rotary;
    private final int heads;
    private final int kvHeads;
    private final Projection query;
    private final Projection key;
    private final Projection value;
    private final Projection output;

    private MultiHeadAttention(Builder builder, Arena arena) {
        attention = builder.attention;
        rotary = builder.rotary;
        heads = builder.heads;
        kvHeads = builder.kvHeads;
        query = builder.query.packed("query", arena);
        key = builder.key.packed("key", arena);
        value = builder.value.packed("value", arena);
        output = builder.output.packed("output", arena);
        requireColumns("query", query.columns(), heads);
        requireColumns("key", key.columns(), kvHeads);
        requireColumns("value", value.columns(), kvHeads);
        requireEqual("key: head dimension", key.columns() / kvHeads, "query's", query.columns() / heads);
        requireEqual("value: rows", value.rows(), "key's", key.rows());
        requireEqual("output: rows", output.rows(), "heads times the head dimension of value,",
                heads * (value.columns() / kvHeads));
    }

    private static void requireColumns(String name, long columns, int heads) {
        if (columns % heads != 0 || columns == 0) {
            throw new IllegalArgumentException(
                    name + ": " + columns + " columns, wanted a multiple of " + heads + " heads");
        }
    }

    private static void requireEqual(String name, long actual, String other, long wanted) {
        if (actual != wanted) {
            throw new IllegalArgumentException(name + " " + actual + ", wanted " + other + " " + wanted);
        }
    }

    /**
     * Starts a layer.
     *
     * @param heads H, query heads
     * @param kvHeads Hkv, key/value heads: a divisor of H
     * @return a builder
     * @throws IllegalArgumentException if H is not a multiple of Hkv
     */
    public static Builder builder(int heads, int kvHeads) {
        if (heads < 1 || kvHeads < 1 || heads % kvHeads != 0) {
            throw new IllegalArgumentException(
                    "heads: " + heads + " with kvHeads " + kvHeads + ", wanted a multiple of it, at least 1");
        }
        return new Builder(heads, kvHeads);
    }

    /**
     * Self-attention without a mask.
     *
     * @param x (B, L, E) or (L, E)
     * @param out (B, L, Eout) or (L, Eout), overlapping no other operand
     * @throws IllegalArgumentException if shapes, types or memory do not fit each other; the message names the argument
     * @throws IllegalStateException if an arena is closed
     * @throws WrongThreadException if a tensor belongs to another thread
     */
    public void run(Tensor x, Tensor out) {
        run(x, x, UnaryOperator.identity(), UnaryOperator.identity(), out);
    }

    /**
     * Self- or cross-attention, with whatever an {@link Attention} call can be given: masks, lengths, further outputs.
     *
     * @param x what is projected to queries, (B, Lq, E) or (Lq, E)
     * @param source what is projected to keys and values, (B, Lk, Esource) or (Lk, Esource): x itself for self-attention
     * @param inputs adds masks, lengths and biases to the operands of rank 4, which hold nothing yet, for instance {@code in -> in.withMask(mask)}
     * @param outputs adds outputs of rank 4, for instance {@code o -> o.withWeights(weights)}
     * @param out (B, Lq, Eout) or (Lq, Eout), overlapping no other operand
     * @throws IllegalArgumentException if shapes, types or memory do not fit each other; the message names the argument
     * @throws IllegalStateException if an arena is closed
     * @throws WrongThreadException if a tensor belongs to another thread
     */
    public void run(Tensor x, Tensor source, UnaryOperator<AttentionInputs> inputs,
            UnaryOperator<AttentionOutputs> outputs,
            Tensor out) {
        checkRows("x", x, query.rows());
        checkRows("source", source, key.rows());
        checkRows("out", out, output.columns());
        TensorChecks.rank("source", source, x.rank());
        TensorChecks.rank("out", out, x.rank());
        for (int axis = 0; axis < x.rank() - 1; axis++) {
            TensorChecks.sameSize("out", out, axis, "x", x, axis);
        }
        if (x.rank() == 3) {
            TensorChecks.sameSize("source", source, 0, "x", x, 0);
        }
        TensorChecks.writable("out", out);
        TensorChecks.apart("out", out, "x", x);
        TensorChecks.apart("out", out, "source", source);
        Scratch<Object> scratch = POOL.acquire();
        try {
            Room room = new Room(scratch, batched(x), batched(source), this);
            Tensor q = heads(room.q, heads);
            Tensor k = heads(room.k, kvHeads);
            AttentionInputs operands = inputs.apply(AttentionInputs.of(q, k, heads(room.v, kvHeads)));
            AttentionOutputs results = outputs.apply(AttentionOutputs.of(heads(room.context, heads)));
            checkApart(operands, results, x, source, out);
            query.apply(batched(x), room.q);
            key.apply(batched(source), room.k);
            value.apply(batched(source), room.v);
            if (rotary != null) {
                rotary.apply(q, 0, q);
                rotary.apply(k, 0, k);
            }
            attention.run(operands, results);
            output.apply(room.context, batched(out));
        } finally {
            POOL.release(scratch);
        }
    }

    private static void checkRows(String name, Tensor tensor, long features) {
        int rank = tensor.rank();
        if (rank != 2 && rank != 3) {
            throw new IllegalArgumentException(name + ": rank " + rank + ", wanted 2 (L, E) or 3 (B, L, E)");
        }
        TensorChecks.floating(name, tensor);
        TensorChecks.intSizes(name, tensor);
        TensorChecks.size(name, tensor, rank - 1, features);
        TensorChecks.readable(name, tensor);
    }

    /** The attention checks its own operands against each other, but knows neither x nor out, which is written last. */
    private static void checkApart(AttentionInputs in, AttentionOutputs results, Tensor x, Tensor source, Tensor out) {
        TensorChecks.apart("out", out, "mask", in.mask);
        TensorChecks.apart("out", out, "positionBias", in.positionBias);
        TensorChecks.apart("out", out, "scores", results.scores);
        TensorChecks.apart("out", out, "weights", results.weights);
        TensorChecks.apart("out", out, "logSumExp", results.logSumExp);
        TensorChecks.apart("out", out, "pastLengths", in.pastLengths);
        TensorChecks.apart("out", out, "keyLengths", in.keyLengths);
        TensorChecks.apart("out", out, "keyStarts", in.keyStarts);
        for (Tensor operand : new Tensor[]{x, source}) {
            TensorChecks.apart("scores", results.scores, "x or source", operand);
            TensorChecks.apart("weights", results.weights, "x or source", operand);
            TensorChecks.apart("logSumExp", results.logSumExp, "x or source", operand);
        }
    }

    /** (L, E) as (1, L, E). */
    private static Tensor batched(Tensor tensor) {
        return tensor.rank() == 2 ? tensor.unsqueeze(0) : tensor;
    }

    /** (B, L, H·D) as (B, H, L, D). */
    private static Tensor heads(Tensor joined, int heads) {
        return joined.split(2, heads).transpose(1, 2);
    }

    /** The projections and the joined context of one call, side by side in scratch. */
    private static final class Room {
        final Tensor q;
        final Tensor k;
        final Tensor v;
        final Tensor context;
        private final MemorySegment memory;
        private long used;

        Room(Scratch<?> scratch, Tensor x, Tensor source, MultiHeadAttention layer) {
            long queries = Math.multiplyExact(x.size(0), x.size(1));
            long keys = Math.multiplyExact(source.size(0), source.size(1));
            long floats = Math.addExact(Math.multiplyExact(queries, layer.query.columns() + layer.output.rows()),
                    Math.multiplyExact(keys, layer.key.columns() + layer.value.columns()));
            memory = scratch.memory(Math.multiplyExact(floats, Float.BYTES));
            q = next(x, layer.query.columns());
            k = next(source, layer.key.columns());
            v = next(source, layer.value.columns());
            context = next(x, layer.output.rows());
        }

        private Tensor next(Tensor rows, long columns) {
            long[] shape = {rows.size(0), rows.size(1), columns};
            Tensor tensor = Tensor.of(memory, ElementType.FLOAT32, used, shape,
                    new long[]{shape[1] * columns, columns, 1});
            used += shape[0] * shape[1] * columns * Float.BYTES;
            return tensor;
        }
    }

    /** y = x·W + b; the bias may be absent. Before {@link #packed} the weight is a view of the caller's. */
    private record Projection(Tensor weight, PackedMatrix matrix, Tensor bias) {
        Projection packed(String name, Arena arena) {
            MatMul.checkMatrix(name, weight);
            Tensor copy = null;
            if (bias != null) {
                TensorChecks.rank(name + " bias", bias, 1);
                TensorChecks.floating(name + " bias", bias);
                TensorChecks.size(name + " bias", bias, 0, weight.size(1));
                copy = Tensor.ofFloats(arena, bias.toFloats(), bias.size(0));
            }
            return new Projection(null, PackedMatrix.of(arena, weight), copy);
        }

        long rows() {
            return matrix.rows();
        }

        long columns() {
            return matrix.columns();
        }

        /** All rows at once where they follow each other evenly, else batch row by batch row. */
        void apply(Tensor x, Tensor y) {
            if (even(x) && even(y)) {
                MatMul.multiply(flat(x), matrix, bias, flat(y));
            } else {
                for (long b = 0; b < x.size(0); b++) {
                    MatMul.multiply(x.select(0, b), matrix, bias, y.select(0, b));
                }
            }
        }

        private static boolean even(Tensor t) {
            return t.size(0) == 1 || t.stride(0) == t.size(1) * t.stride(1);
        }

        private static Tensor flat(Tensor t) {
            return Tensor.of(t.segment(), t.type(), t.byteOffset(), new long[]{t.size(0) * t.size(1), t.size(2)},
                    new long[]{t.stride(1), t.stride(2)});
        }
    }

    /** The parts of a {@link MultiHeadAttention}. Not thread-safe. Weights are (in, out); they are copied by {@link #build}. */
    public static final class Builder {
        private final int heads;
        private final int kvHeads;
        private Attention attention = Attention.builder().build();
        private RotaryEmbedding rotary;
        private Projection query;
        private Projection key;
        private Projection value;
        private Projection output;

        private Builder(int heads, int kvHeads) {
            this.heads = heads;
            this.kvHeads = kvHeads;
        }

        /**
         * The projection to queries.
         *
         * @param weight (E, H·D)
         * @param bias (H·D), or null
         * @return this
         */
        public Builder query(Tensor weight, Tensor bias) {
            query = new Projection(Objects.requireNonNull(weight, "weight"), null, bias);
            return this;
        }

        /**
         * The projection to keys.
         *
         * @param weight (Esource, Hkv·D)
         * @param bias (Hkv·D), or null
         * @return this
         */
        public Builder key(Tensor weight, Tensor bias) {
            key = new Projection(Objects.requireNonNull(weight, "weight"), null, bias);
            return this;
        }

        /**
         * The projection to values.
         *
         * @param weight (Esource, Hkv·Dv)
         * @param bias (Hkv·Dv), or null
         * @return this
         */
        public Builder value(Tensor weight, Tensor bias) {
            value = new Projection(Objects.requireNonNull(weight, "weight"), null, bias);
            return this;
        }

        /**
         * The projections to queries, keys and values as one weight, side by side; Dv = D.
         *
         * @param weight (E, (H + 2·Hkv)·D)
         * @param bias ((H + 2·Hkv)·D), or null
         * @return this
         * @throws IllegalArgumentException if the columns are not a multiple of H + 2·Hkv
         */
        public Builder queryKeyValue(Tensor weight, Tensor bias) {
            TensorChecks.rank("weight", weight, 2);
            requireColumns("weight", weight.size(1), heads + 2 * kvHeads);
            if (bias != null) {
                TensorChecks.rank("bias", bias, 1);
                TensorChecks.sameSize("bias", bias, 0, "weight", weight, 1);
            }
            long depth = weight.size(1) / (heads + 2 * kvHeads);
            long keys = heads * depth;
            long values = keys + kvHeads * depth;
            query(weight.slice(1, 0, keys), bias == null ? null : bias.slice(0, 0, keys));
            key(weight.slice(1, keys, values), bias == null ? null : bias.slice(0, keys, values));
            value(weight.slice(1, values, weight.size(1)), bias == null ? null : bias.slice(0, values, weight.size(1)));
            return this;
        }

        /**
         * The projection of the joined contexts.
         *
         * @param weight (H·Dv, Eout)
         * @param bias (Eout), or null
         * @return this
         */
        public Builder output(Tensor weight, Tensor bias) {
            output = new Projection(Objects.requireNonNull(weight, "weight"), null, bias);
            return this;
        }

        /**
         * The operator between the projections; one with default options unless set.
         *
         * @param operator the operator
         * @return this
         */
        public Builder attention(Attention operator) {
            attention = Objects.requireNonNull(operator, "attention");
            return this;
        }

        /**
         * Rotates queries and keys; row 0 stands at position 0. Off unless set.
         *
         * @param embedding the embedding
         * @return this
         */
        public Builder rotary(RotaryEmbedding embedding) {
            rotary = Objects.requireNonNull(embedding, "rotary");
            return this;
        }

        /**
         * Packs the weights and makes the layer.
         *
         * @param arena owns the packed weights; the tensors given before are not needed afterwards
         * @return the layer
         * @throws IllegalArgumentException if the projections do not fit each other
         * @throws NullPointerException if one is missing
         */
        public MultiHeadAttention build(Arena arena) {
            Objects.requireNonNull(query, "query");
            Objects.requireNonNull(key, "key");
            Objects.requireNonNull(value, "value");
            Objects.requireNonNull(output, "output");
            return new MultiHeadAttention(this, arena);
        }
    }
}
