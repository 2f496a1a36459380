package dev.lanewise.jmh;

import dev.lanewise.Attention;
import dev.lanewise.AttentionInputs;
import dev.lanewise.AttentionOutputs;
import dev.lanewise.ElementType;
import dev.lanewise.PositionOffset;
import dev.lanewise.Tensor;
import java.lang.foreign.Arena;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** The library itself, over native segments made once. */
final class LanewiseAttention implements Contender {
    private final Arena arena = Arena.ofShared();
    private final Attention attention;
    private final AttentionInputs inputs;
    private final AttentionOutputs outputs;
    private final Tensor context;
    private final ExecutorService helpers;
    private final int threads;

    LanewiseAttention(AttentionCall call, int threads) {
        this.threads = threads;
        helpers = threads > 1 ? Executors.newFixedThreadPool(threads - 1) : null;
        Attention.Builder builder = Attention.builder().bitStable();
        attention = (call.causal() ? builder.causal(PositionOffset.topLeft()) : builder).build();
        inputs = AttentionInputs.of(
                Tensor.ofFloats(arena, call.q(), 1, call.heads(), call.queries(), call.depth()),
                Tensor.ofFloats(arena, call.k(), 1, call.heads(), call.keys(), call.depth()),
                Tensor.ofFloats(arena, call.v(), 1, call.heads(), call.keys(), call.depth()));
        context = Tensor.allocate(arena, ElementType.FLOAT32, 1, call.heads(), call.queries(), call.depth());
        outputs = AttentionOutputs.of(context);
    }

    @Override
    public void run() {
        if (helpers == null) {
            attention.run(inputs, outputs);
        } else {
            attention.run(inputs, outputs, helpers, threads);
        }
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
