package dev.lanewise;

import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.random.RandomGenerator;

/** What the soak does with tensors, from any number of threads. */
final class SoakCalls {
    private static final int THREADS = 3;
    /** A call of these sizes takes some 2 ms. */
    private static final int LENGTH = 700;
    private static final int HEADS = 2;
    private static final int DEPTH = 32;
    private static final long LONG_CALL_NANOS = 3_000_000;
    /** Twice the error of a sum of 700 products of normal numbers, and of a weight; multiplies and softmaxes may switch kernels. */
    private static final float PRODUCT_BOUND = 0.05f;
    private static final float WEIGHT_BOUND = 1e-4f;

    private final Executor helpers;
    private final Attention stable = Attention.builder().bitStable().causal(PositionOffset.topLeft()).build();
    private final Attention switching = Attention.builder().build();
    private final AttentionInputs inputs;
    private final float[] wanted;
    private final Tensor matrix;
    private final float[] product;
    private final float[] weights;
    private final AtomicLong checked = new AtomicLong();
    private final AtomicLong cancelled = new AtomicLong();
    private final AtomicLong closed = new AtomicLong();
    private final AtomicLong refused = new AtomicLong();

    SoakCalls(Arena arena, Executor helpers) {
        this.helpers = helpers;
        SplittableRandom random = new SplittableRandom(1);
        inputs = AttentionInputs.of(normal(arena, random, HEADS, LENGTH, DEPTH),
                normal(arena, random, HEADS, LENGTH, DEPTH), normal(arena, random, HEADS, LENGTH, DEPTH));
        wanted = answer(Execution.here());
        matrix = normal(arena, random, 1, LENGTH, LENGTH).select(0, 0).select(0, 0);
        product = product(Execution.here());
        weights = weights(Execution.here());
    }

    private static Tensor normal(Arena arena, RandomGenerator random, int heads, int length, int depth) {
        return Layout.PLAIN.normal(arena, random, 1, 1, heads, length, depth);
    }

    private float[] answer(Execution execution) {
        try (Arena arena = Arena.ofShared()) {
            Tensor context = Tensor.allocate(arena, ElementType.FLOAT32, 1, HEADS, LENGTH, DEPTH);
            stable.run(inputs, AttentionOutputs.of(context), execution);
            return context.toFloats();
        }
    }

    private float[] product(Execution execution) {
        return matrix(out -> MatMul.multiply(matrix, matrix, null, out, execution));
    }

    private float[] weights(Execution execution) {
        return matrix(out -> Softmax.rows(matrix, out, execution));
    }

    private static float[] matrix(Consumer<Tensor> call) {
        try (Arena arena = Arena.ofConfined()) {
            Tensor out = Tensor.allocate(arena, ElementType.FLOAT32, LENGTH, LENGTH);
            call.accept(out);
            return out.toFloats();
        }
    }

    void one(RandomGenerator random) {
        switch (random.nextInt(10)) {
            case 0, 1 -> {
                FuzzAttention.valid(random, true);
                checked.incrementAndGet();
            }
            case 2 -> {
                FuzzAttention.invalid(random);
                refused.incrementAndGet();
            }
            case 3 -> closing(random);
            case 4 -> cancelling(random);
            case 5 -> shared(random);
            case 6 -> {
                FuzzMatrices.multiply(random, true);
                checked.incrementAndGet();
            }
            case 7 -> {
                FuzzMatrices.softmax(random, true);
                checked.incrementAndGet();
            }
            default -> unchecked(random);
        }
    }

    /** Of any shape; the answer is not looked at. */
    private static void unchecked(RandomGenerator random) {
        AttentionCase drawn = new FuzzDraw(random, true).attention();
        try (Arena arena = Arena.ofConfined()) {
            drawn.run(arena, RuntimeInfo.current().kernel());
        }
    }

    /** On the threads of an executor, and held to the same call on one thread, bit by bit. */
    private void shared(RandomGenerator random) {
        AttentionCase drawn = new FuzzDraw(random, true).attention();
        Attention operator = drawn.operator(RuntimeInfo.current().kernel());
        try (Arena arena = Arena.ofShared()) {
            AttentionInputs drawnInputs = drawn.inputs(arena);
            long[] shape = {drawnInputs.q.size(0), drawnInputs.q.size(1), drawnInputs.q.size(2), drawnInputs.v.size(3)};
            Tensor together = Tensor.allocate(arena, ElementType.FLOAT32, shape);
            Tensor alone = Tensor.allocate(arena, ElementType.FLOAT32, shape);
            operator.run(drawnInputs, AttentionOutputs.of(together), helpers, THREADS);
            operator.run(drawnInputs, AttentionOutputs.of(alone));
            AgainstReference.compare("context on three threads", together, alone, 0, 0);
        }
    }

    /** A whole answer, of an attention to the bit, or the exception of a call that was ended. */
    private void cancelling(RandomGenerator random) {
        int which = random.nextInt(3);
        boolean ended = EndedCalls.cancelled(random, LONG_CALL_NANOS, anyThreads(random), execution -> {
            boolean same = switch (which) {
                case 0 -> Arrays.equals(wanted, answer(execution));
                case 1 -> close(product, product(execution), PRODUCT_BOUND);
                default -> close(weights, weights(execution), WEIGHT_BOUND);
            };
            if (!same) {
                throw new AssertionError("a call that could have been cancelled was not, and gave another answer");
            }
        });
        cancelled.addAndGet(ended ? 1 : 0);
    }

    private static boolean close(float[] expected, float[] actual, float bound) {
        for (int i = 0; i < expected.length; i++) {
            if (!(Math.abs(expected[i] - actual[i]) <= bound)) {
                return false;
            }
        }
        return true;
    }

    /** Whole answers until the arena of the operands is closed. */
    private void closing(RandomGenerator random) {
        Arena arena = Arena.ofShared();
        int length = random.nextInt(1, 300);
        Tensor rows = normal(arena, random, 1, length, random.nextInt(1, 70));
        Tensor context = Tensor.allocate(arena, ElementType.FLOAT32, rows.shape());
        AttentionInputs doomed = AttentionInputs.of(rows, rows, rows);
        Attention operator = random.nextBoolean() ? switching : stable;
        Execution execution = anyThreads(random);
        closed.addAndGet(EndedCalls.closed(random, LONG_CALL_NANOS, arena,
                () -> operator.run(doomed, AttentionOutputs.of(context), execution)) ? 1 : 0);
    }

    private Execution anyThreads(RandomGenerator random) {
        return random.nextBoolean() ? Execution.here() : Execution.here().withThreads(helpers, THREADS);
    }

    @Override
    public String toString() {
        return checked + " held to float64, " + refused + " refused, " + cancelled + " cancelled, " + closed
                + " ended by an arena closed in the middle";
    }
}
