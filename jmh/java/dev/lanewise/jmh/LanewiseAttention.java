package dev.lanewise.jmh;

import dev.lanewise.Attention;
import dev.lanewise.AttentionInputs;
import dev.lanewise.AttentionOutputs;
import dev.lanewise.ElementType;
import dev.lanewise.Execution;
import dev.lanewise.PositionOffset;
import dev.lanewise.Tensor;
import java.lang.foreign.Arena;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** The library itself, over native segments made once. */
final class LanewiseAttention implements Contender {
    private final Arena arena;
    private final Attention attention;
    private final AttentionInputs inputs;
    private final AttentionOutputs outputs;
    private final Tensor context;
    private final ExecutorService helpers;
    private final Execution execution;

    /** Inputs of a shape, in a shared arena that is closed in the end, on so many threads. */
    LanewiseAttention(Arena arena, Attention attention, AttentionInputs inputs, AttentionCall shape, int threads,
            Execution execution) {
        this.arena = arena;
        this.attention = attention;
        this.inputs = inputs;
        context = Tensor.allocate(arena, ElementType.FLOAT32, 1, shape.heads(), shape.queries(), shape.depth());
        outputs = AttentionOutputs.of(context);
        helpers = threads > 1 ? Executors.newFixedThreadPool(threads - 1) : null;
        this.execution = execution.withThreads(helpers, threads);
    }

    /** Tensors, on one thread. */
    static LanewiseAttention of(AttentionCall call, Execution execution) {
        return of(call, 1, execution);
    }

    /** Tensors, on so many threads. */
    static LanewiseAttention of(AttentionCall call, int threads) {
        return of(call, threads, Execution.here());
    }

    private static LanewiseAttention of(AttentionCall call, int threads, Execution execution) {
        Arena arena = Arena.ofShared();
        Attention.Builder builder = Attention.builder().bitStable();
        AttentionInputs inputs = AttentionInputs.of(
                Tensor.ofFloats(arena, call.q(), 1, call.heads(), call.queries(), call.depth()),
                Tensor.ofFloats(arena, call.k(), 1, call.heads(), call.keys(), call.depth()),
                Tensor.ofFloats(arena, call.v(), 1, call.heads(), call.keys(), call.depth()));
        Attention attention = (call.causal() ? builder.causal(PositionOffset.topLeft()) : builder).build();
        return new LanewiseAttention(arena, attention, inputs, call, threads, execution);
    }

    @Override
    public void run() {
        attention.run(inputs, outputs, execution);
    }

    @Override
    public float[] result() {
        return context.toFloats();
    }

    @Override
    public void close() {
        if (helpers != null) {
            helpers.close();
        }
        arena.close();
    }
}
