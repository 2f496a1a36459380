package dev.lanewise;

import dev.lanewise.internal.memory.Scratch;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.UnaryOperator;

/**
 * Multi-head attention (Vaswani et al., 2017, section 3.2.2): queries, keys and values are projected from rows of features, attended to head by
 * head, and the joined contexts are projected once more. y = x·W + b, with weights (in, out) that are packed once, when the
 * layer is made.
 *
 * <p>Immutable; may be used by any number of threads as far as the arena of its weights allows. Arithmetic is float32. A call draws its
 * scratch, four projections in all, from a bounded pool. Projections switch kernels where the attention may ({@link Attention.Builder#bitStable()}); a
 * {@link WarmUp} gets both compiled.
 */
public final class MultiHeadAttention {
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
        query = builder.query.packed(arena);
        key = builder.key.packed(arena);
        value = builder.value.packed(arena);
        output = builder.output.packed(arena);
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
     * @throws java.util.concurrent.CancellationException if the calling thread is interrupted; the output is then partly written
     * @throws OutOfMemoryError if there is no native memory left for scratch
     */
    public void run(Tensor x, Tensor out) {
        run(x, x, UnaryOperator.identity(), UnaryOperator.identity(), out, Execution.here());
    }

    /**
     * Self- or cross-attention, with whatever an {@link Attention} call can be given: masks, lengths, further outputs.
     *
     * @param x what is projected to queries, (B, Lq, E) or (Lq, E)
     * @param source what is projected to keys and values, (B, Lk, Esource) or (Lk, Esource): x itself for self-attention
     * @param inputs adds masks, lengths and biases to the operands of rank 4, which hold nothing yet, for instance {@code in -> in.withMask(mask)}: kept by
     *        the caller from call to call, this allocates nothing. What it is given and makes is the layer's own, and must not be kept; q, k and v cannot be replaced
     * @param outputs adds outputs of rank 4, for instance {@code o -> o.withWeights(weights)}
     * @param out (B, Lq, Eout) or (Lq, Eout), overlapping no other operand
     * @throws IllegalArgumentException if shapes, types or memory do not fit each other; the message names the argument
     * @throws IllegalStateException if an arena is closed
     * @throws WrongThreadException if a tensor belongs to another thread
     * @throws java.util.concurrent.CancellationException if the calling thread is interrupted; the outputs are then partly written
     * @throws OutOfMemoryError if there is no native memory left for scratch
     */
    public void run(Tensor x, Tensor source, UnaryOperator<AttentionInputs> inputs,
            UnaryOperator<AttentionOutputs> outputs,
            Tensor out) {
        run(x, source, inputs, outputs, out, Execution.here());
    }

    /**
     * The same, carried out in a way of the caller's choice. The attention alone runs on other threads too; a limit or deadline is for
     * the whole.
     *
     * @param x what is projected to queries, (B, Lq, E) or (Lq, E)
     * @param source what is projected to keys and values, (B, Lk, Esource) or (Lk, Esource): x itself for self-attention
     * @param inputs adds masks, lengths and biases to the operands of rank 4, which hold nothing yet; what it is given and makes is the layer's
     *        own, and must not be kept; q, k and v cannot be replaced
     * @param outputs adds outputs of rank 4, for instance {@code o -> o.withWeights(weights)}; the context cannot be replaced
     * @param out (B, Lq, Eout) or (Lq, Eout), overlapping no other operand
     * @param execution how to carry it out; without a workspace, for a layer needs more scratch than the attention in it
     * @throws IllegalArgumentException if shapes, types or memory do not fit each other, or there is a workspace; the message names the
     *         argument
     * @throws IllegalStateException if an arena is closed
     * @throws WrongThreadException if a tensor belongs to another thread
     * @throws java.util.concurrent.CancellationException if the calling thread is interrupted, or the time is up; the outputs are then
     *         partly written
     * @throws java.util.concurrent.RejectedExecutionException if the executor rejects a part; the outputs are then partly written
     * @throws OutOfMemoryError if there is no native memory left for scratch
     */
    public void run(Tensor x, Tensor source, UnaryOperator<AttentionInputs> inputs,
            UnaryOperator<AttentionOutputs> outputs, Tensor out, Execution execution) {
        Objects.requireNonNull(inputs, "inputs");
        Objects.requireNonNull(outputs, "outputs");
        Objects.requireNonNull(execution, "execution");
        if (execution.workspace != null) {
            throw new IllegalArgumentException("execution: has a workspace, wanted none for a layer");
        }
        long end = execution.end();
        check(x, source, out);
        Scratch<MultiHeadRoom> scratch = execution.threads > 1
                ? MultiHeadRoom.POOL.acquireShared()
                : MultiHeadRoom.POOL.acquire();
        try {
            MultiHeadRoom room = scratch.state;
            fit(scratch, x, source);
            AttentionInputs operands = own(inputs.apply(room.inputs), room);
            AttentionOutputs results = own(outputs.apply(room.outputs), room);
            checkApart(operands, results, x, source, out);
            query.apply(x, room.q.rows, execution, end, attention.cold);
            key.apply(source, room.k.rows, execution, end, attention.cold);
            value.apply(source, room.v.rows, execution, end, attention.cold);
            if (rotary != null) {
                rotary.apply(room.q.heads, 0, room.q.heads);
                rotary.apply(room.k.heads, 0, room.k.heads);
            }
            attention.run(operands, results, execution, end);
            output.apply(room.context.rows, out, execution, end, attention.cold);
        } finally {
            scratch.state.copies.clear();
            MultiHeadRoom.POOL.release(scratch);
        }
    }

    Kernel kernel() {
        return attention.kernel();
    }

    /** What a warm-up of this kind of call has to run. */
    LayerCopy copy(Tensor x, Tensor source, UnaryOperator<AttentionInputs> inputs,
            UnaryOperator<AttentionOutputs> outputs, Tensor out) {
        check(x, source, out);
        Scratch<MultiHeadRoom> scratch = MultiHeadRoom.POOL.acquireShared();
        try {
            MultiHeadRoom room = scratch.state;
            fit(scratch, x, source);
            AttentionInputs operands = own(inputs.apply(room.inputs), room);
            AttentionOutputs results = own(outputs.apply(room.outputs), room);
            checkApart(operands, results, x, source, out);
            List<CallCopy> copies = new ArrayList<>(WarmUp.copies(attention, operands, results));
            if (attention.kernel() == Kernel.VECTOR) {
                query.copy(x, room.q.rows, copies);
                key.copy(source, room.k.rows, copies);
                value.copy(source, room.v.rows, copies);
                output.copy(room.context.rows, out, copies);
            }
            boolean plain = !copies.isEmpty() && operands.plain() && results.plain();
            return new LayerCopy(copies, plain ? LayerCopy.together(this, x, source, out) : null);
        } finally {
            scratch.state.copies.clear();
            MultiHeadRoom.POOL.release(scratch);
        }
    }

    private void fit(Scratch<MultiHeadRoom> scratch, Tensor x, Tensor source) {
        int rank = x.rank();
        scratch.state.fit(scratch, rank == 3 ? x.size(0) : 1, x.size(rank - 2), source.size(rank - 2), heads, kvHeads,
                query.columns() / heads, value.columns() / kvHeads);
    }

    /** What the caller made of the operands still holds them: with others the layer would answer with what a former call left in scratch. */
    private static AttentionInputs own(AttentionInputs made, MultiHeadRoom room) {
        Objects.requireNonNull(made, "inputs");
        if (made.q != room.q.heads || made.k != room.k.heads || made.v != room.v.heads) {
            throw new IllegalArgumentException("inputs: other operands than the layer's, wanted them with additions");
        }
        return made;
    }

    private static AttentionOutputs own(AttentionOutputs made, MultiHeadRoom room) {
        Objects.requireNonNull(made, "outputs");
        if (made.context != room.context.heads) {
            throw new IllegalArgumentException("outputs: another context than the layer's, wanted it with additions");
        }
        return made;
    }

    private void check(Tensor x, Tensor source, Tensor out) {
        query.matrix.checkReadable("layer");
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
        if (rotary != null) {
            checkPositions("x", x);
            checkPositions("source", source);
        }
        TensorChecks.writable("out", out);
        TensorChecks.apart("out", out, "x", x);
        TensorChecks.apart("out", out, "source", source);
    }

    private void checkPositions(String name, Tensor tensor) {
        long rows = tensor.size(tensor.rank() - 2);
        if (rows > rotary.positions) {
            throw new IllegalArgumentException(name + ": " + rows + " rows, wanted at most the rotary embedding's "
                    + rotary.positions + " positions");
        }
    }

    private static void checkRows(String name, Tensor tensor, long features) {
        Objects.requireNonNull(tensor, name);
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
        TensorChecks.apart("out", out, "queryBoundaries", in.queryBoundaries);
        TensorChecks.apart("out", out, "keyBoundaries", in.keyBoundaries);
        checkApart(results, "x", x);
        checkApart(results, "source", source);
    }

    private static void checkApart(AttentionOutputs results, String name, Tensor operand) {
        TensorChecks.apart("scores", results.scores, name, operand);
        TensorChecks.apart("weights", results.weights, name, operand);
        TensorChecks.apart("logSumExp", results.logSumExp, name, operand);
    }

    /** What a projection is made of; the bias may be absent. */
    private record Weights(Tensor weight, Tensor bias) {
        void check(String name) {
            MatMul.checkMatrix(name, weight);
            if (bias != null) {
                String ofBias = name + " bias";
                TensorChecks.rank(ofBias, bias, 1);
                TensorChecks.floating(ofBias, bias);
                TensorChecks.size(ofBias, bias, 0, weight.size(1));
                TensorChecks.readable(ofBias, bias);
            }
        }

        long rows() {
            return weight.size(0);
        }

        long columns() {
            return weight.size(1);
        }

        Projection packed(Arena arena) {
            Tensor copy = bias == null ? null : Tensor.ofFloats(arena, bias.toFloats(), bias.size(0));
            return new Projection(PackedMatrix.of(arena, weight), copy);
        }
    }

    /** y = x·W + b; the bias may be absent. */
    private record Projection(PackedMatrix matrix, Tensor bias) {

        long rows() {
            return matrix.rows();
        }

        long columns() {
            return matrix.columns();
        }

        void apply(Tensor x, Tensor y, Execution execution, long end, ColdCalls cold) {
            MatMul.project(x, matrix, bias, y, execution, end, cold);
        }

        /** Adds a copy of this projection, unless there is one of its kind, or nothing to compute. */
        void copy(Tensor x, Tensor y, List<CallCopy> copies) {
            MultiplyCopy copy = MultiplyCopy.of(x, matrix, bias, y);
            boolean there = copies.stream()
                    .anyMatch(other -> other.compiled() == copy.compiled() && other.paths() == copy.paths());
            if (copy.operations() > 0 && !there) {
                copies.add(copy);
            }
        }
    }

    /** The parts of a {@link MultiHeadAttention}. Not thread-safe. Weights are (in, out); they are copied by {@link #build}. */
    public static final class Builder {
        private final int heads;
        private final int kvHeads;
        private Attention attention = Attention.builder().build();
        private RotaryEmbedding rotary;
        private Weights query;
        private Weights key;
        private Weights value;
        private Weights output;

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
            query = new Weights(Objects.requireNonNull(weight, "weight"), bias);
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
            key = new Weights(Objects.requireNonNull(weight, "weight"), bias);
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
            value = new Weights(Objects.requireNonNull(weight, "weight"), bias);
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
            output = new Weights(Objects.requireNonNull(weight, "weight"), bias);
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
         * Checks everything, then packs the weights and makes the layer.
         *
         * @param arena owns the packed weights; the tensors given before are not needed afterwards
         * @return the layer
         * @throws IllegalArgumentException if the projections, or the rotary embedding and the head dimension, do not fit each other
         * @throws NullPointerException if one is missing, or the arena
         */
        public MultiHeadAttention build(Arena arena) {
            Objects.requireNonNull(arena, "arena");
            Objects.requireNonNull(query, "query");
            Objects.requireNonNull(key, "key");
            Objects.requireNonNull(value, "value");
            Objects.requireNonNull(output, "output");
            check();
            return new MultiHeadAttention(this, arena);
        }

        private void check() {
            query.check("query");
            key.check("key");
            value.check("value");
            output.check("output");
            requireColumns("query", query.columns(), heads);
            requireColumns("key", key.columns(), kvHeads);
            requireColumns("value", value.columns(), kvHeads);
            requireEqual("key: head dimension", key.columns() / kvHeads, "query's", query.columns() / heads);
            requireEqual("value: rows", value.rows(), "key's", key.rows());
            requireEqual("output: rows", output.rows(), "heads times the head dimension of value,",
                    heads * (value.columns() / kvHeads));
            if (rotary != null && rotary.rotated > query.columns() / heads) {
                throw new IllegalArgumentException("rotary: rotates " + rotary.rotated
                        + " features, wanted at most the head dimension, " + query.columns() / heads);
            }
        }
    }
}
