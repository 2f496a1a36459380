package dev.lanewise;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.random.RandomGenerator;

/** Calls of the operator: valid ones, and valid ones with one fault. */
final class FuzzAttention {
    private FuzzAttention() {
    }

    static void valid(RandomGenerator random, boolean large) {
        AttentionCase drawn = new FuzzDraw(random, large).attention();
        try {
            AgainstReference.check(drawn, random.nextInt(4) == 0 ? Kernel.SCALAR : RuntimeInfo.current().kernel());
        } catch (RuntimeException | AssertionError failure) {
            throw new AssertionError(drawn.toString(), failure);
        }
    }

    /** What a call can be given wrongly. */
    private enum Fault {
        DEPTH, KEYS, HEADS, BATCH, TYPE, RANK, CONTEXT_SHAPE, OVERLAP, SHOWN_TWICE, READ_ONLY, CLOSED, CONFINED, MASK_SIZE, MASK_TYPE, LENGTHS, STARTS, BOUNDARIES, SLOPES, SINKS, POSITION_BIAS, PAST, NULL, THREADS, WEIGHTS, RANGE
    }

    private static final List<Class<? extends RuntimeException>> DOCUMENTED = List.of(IllegalArgumentException.class,
            IllegalStateException.class, WrongThreadException.class, NullPointerException.class);

    /** One fault in an otherwise valid call: a documented exception that has a message, and not one byte of output. */
    static void invalid(RandomGenerator random) {
        FuzzDraw draw = new FuzzDraw(random, false);
        Fault fault = draw.any(Fault.class);
        try (Arena arena = Arena.ofConfined(); Arena other = Arena.ofConfined()) {
            Tensor q = draw.layout().normal(arena, random, 1, 2, 4, draw.between(1, 9), draw.between(2, 9));
            int keys = draw.between(2, 9);
            Tensor k = draw.layout().normal(arena, random, 1, 2, 2, keys, q.size(3));
            Tensor v = draw.layout().normal(arena, random, 1, 2, 2, keys, draw.between(2, 9));
            Tensor context = draw.layout().allocate(arena, 2, 4, q.size(2), v.size(3));
            byte[] before = bytes(context);
            try {
                call(fault, draw, arena, other, q, k, v, context);
            } catch (RuntimeException thrown) {
                boolean documented = DOCUMENTED.contains(thrown.getClass()) && thrown.getMessage() != null;
                if (!documented) {
                    throw new AssertionError(fault + " ended in an exception that is not documented", thrown);
                }
                if (!Arrays.equals(before, bytes(context))) {
                    throw new AssertionError(fault + " was refused after an output had been written", thrown);
                }
                return;
            }
            throw new AssertionError(fault + " was accepted: q " + q + ", k " + k + ", v " + v);
        }
    }

    static byte[] bytes(Tensor tensor) {
        return tensor.segment().toArray(java.lang.foreign.ValueLayout.JAVA_BYTE);
    }

    private static void call(Fault fault, FuzzDraw draw, Arena arena, Arena other, Tensor q, Tensor k, Tensor v,
            Tensor context) {
        AttentionInputs inputs = AttentionInputs.of(q, k, v);
        Attention.Builder builder = Attention.builder();
        int threads = 1;
        Tensor out = context;
        switch (fault) {
            case DEPTH -> inputs = AttentionInputs.of(q, k.slice(3, 1, k.size(3)), v);
            case KEYS -> inputs = AttentionInputs.of(q, k.slice(2, 1, k.size(2)), v);
            case HEADS -> inputs = AttentionInputs.of(q.slice(1, 0, 3), k, v);
            case BATCH -> inputs = AttentionInputs.of(q, k.slice(0, 0, 1), v.slice(0, 0, 1));
            case TYPE -> inputs = AttentionInputs.of(q, k,
                    Tensor.allocate(arena, draw.rarely() ? ElementType.FLOAT64 : ElementType.INT8, v.shape()));
            case RANK -> inputs = AttentionInputs.of(q, k, v.select(0, 0));
            case CONTEXT_SHAPE -> out = context.slice(3, 1, context.size(3));
            case OVERLAP -> {
                Tensor both = Tensor.allocate(arena, ElementType.FLOAT32, 2, 4, q.size(2), v.size(3) + 1);
                out = both.slice(3, 0, v.size(3));
                inputs = inputs.withMask(both.slice(3, 1, 2));
            }
            case SHOWN_TWICE -> out = context.slice(1, 0, 1).broadcast(1, 4);
            case READ_ONLY -> out = Tensor.of(context.segment().asReadOnly(), context.type(), context.byteOffset(),
                    context.shape(), strides(context));
            case CLOSED -> {
                try (Arena closed = Arena.ofConfined()) {
                    inputs = AttentionInputs.of(q, Tensor.allocate(closed, ElementType.FLOAT32, k.shape()), v);
                }
            }
            case CONFINED -> {
                threads = 2;
                inputs = inputs.withMask(Tensor.allocate(arena, ElementType.BOOL, q.size(2), k.size(2)));
            }
            case MASK_SIZE -> inputs = inputs.withMask(
                    Tensor.allocate(arena, ElementType.BOOL, q.size(2), k.size(2) + 1));
            case MASK_TYPE -> inputs = inputs.withMask(
                    Tensor.allocate(arena, ElementType.INT32, q.size(2), k.size(2)));
            case LENGTHS -> inputs = inputs.withKeyLengths(Tensor.ofInts(other, 0, bad(draw, k)));
            case STARTS -> inputs = inputs.withKeyStarts(Tensor.ofInts(other, bad(draw, k), 0));
            case BOUNDARIES -> {
                inputs = AttentionInputs.of(q.slice(0, 0, 1), k.slice(0, 0, 1), v.slice(0, 0, 1))
                        .withPackedSequences(Tensor.ofInts(other, 0, (int) q.size(2)),
                                Tensor.ofInts(other, 0, (int) k.size(2) - 1));
                out = context.slice(0, 0, 1);
            }
            case SLOPES -> builder.alibiSlopes(new float[draw.rarely() ? 3 : 5]);
            case SINKS -> builder.sinks(new float[draw.rarely() ? 2 : 8]);
            case POSITION_BIAS -> inputs = inputs.withPositionBias(
                    Tensor.allocate(arena, ElementType.FLOAT32, 4, draw.rarely() ? 20 : 1));
            case PAST -> inputs = inputs.withPastLengths(Tensor.ofInts(arena, 1, 2));
            case NULL -> out = null;
            case THREADS -> threads = -draw.between(0, 9);
            case WEIGHTS -> {
                Tensor weights = Tensor.allocate(arena, ElementType.FLOAT32, 2, 4, q.size(2), k.size(2) + 1);
                builder.build().run(inputs, AttentionOutputs.of(out).withWeights(weights));
            }
            case RANGE -> inputs = inputs.withKeyRange(draw.between(3, 9), draw.between(0, 2));
        }
        builder.build().run(inputs, AttentionOutputs.of(out), Runnable::run, threads);
    }

    private static int bad(FuzzDraw draw, Tensor k) {
        return draw.rarely() ? -draw.between(1, 9) : (int) k.size(2) + draw.between(1, 9);
    }

    static long[] strides(Tensor tensor) {
        long[] strides = new long[tensor.rank()];
        Arrays.setAll(strides, tensor::stride);
        return strides;
    }

    /** Wild views and memory: whatever shapes, strides and types, a documented end, and the same one on every kernel. */
    static void wild(RandomGenerator random) {
        FuzzDraw draw = new FuzzDraw(random, false);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(4096, 64);
            memory.fill((byte) 0x3C);
            Tensor q = view(random, draw, memory);
            Tensor k = random.nextInt(3) == 0 ? view(random, draw, memory) : q;
            Tensor v = random.nextInt(3) == 0 ? view(random, draw, memory) : k;
            Tensor mask = draw.rarely() ? view(random, draw, memory) : null;
            MemorySegment first = arena.allocate(4096, 64);
            MemorySegment second = arena.allocate(4096, 64);
            Tensor context = draw.rarely() ? view(random, draw, first) : like(v, q, first);
            String chosen = outcome(RuntimeInfo.current().kernel(), q, k, v, mask, context);
            Tensor again = Tensor.of(second, context.type(), context.byteOffset(), context.shape(), strides(context));
            String wanted = outcome(Kernel.REFERENCE, q, k, v, mask, again);
            if (!chosen.equals(wanted)) {
                throw new AssertionError(chosen + ", wanted " + wanted);
            }
            if (!chosen.isEmpty() && first.mismatch(arena.allocate(4096)) >= 0) {
                throw new AssertionError("an output was written before " + chosen);
            }
            if (chosen.isEmpty()) {
                AgainstReference.compare("context", context, again, 1e-4, 1e-4);
            }
        }
    }

    /** Empty for a call that ended well; otherwise the kind of exception, and its argument. */
    private static String outcome(Kernel kernel, Tensor q, Tensor k, Tensor v, Tensor mask, Tensor context) {
        try {
            Attention.builder()
                    .kernel(kernel)
                    .build()
                    .run(AttentionInputs.of(q, k, v).withMask(mask),
                            AttentionOutputs.of(context));
            return "";
        } catch (IllegalArgumentException refused) {
            return refused.getMessage().replaceFirst("(?s):.*", "");
        }
    }

    private static Tensor like(Tensor v, Tensor q, MemorySegment memory) {
        long[] shape = q.shape();
        if (shape.length > 0 && v.rank() > 0) {
            shape[shape.length - 1] = v.size(v.rank() - 1);
        }
        return Tensor.of(memory, ElementType.FLOAT32, shape);
    }

    /** All elements lie in the memory, whatever the strides: their sum is within it. */
    private static Tensor view(RandomGenerator random, FuzzDraw draw, MemorySegment memory) {
        int rank = random.nextInt(8) == 0 ? draw.between(0, 5) : draw.between(2, 4);
        long[] shape = new long[rank];
        long[] strides = new long[rank];
        for (int axis = 0; axis < rank; axis++) {
            shape[axis] = random.nextInt(6) == 0 ? 0 : draw.between(1, 3);
            strides[axis] = draw.between(-9, 9);
        }
        ElementType type = random.nextInt(8) == 0 ? draw.any(ElementType.class) : draw.type();
        return Tensor.of(memory, type, 2000 + 8L * draw.between(0, 9), shape, strides);
    }
}
