package dev.lanewise.jmh;

import dev.lanewise.Attention;
import dev.lanewise.AttentionInputs;
import dev.lanewise.AttentionOutputs;
import dev.lanewise.ElementType;
import dev.lanewise.PositionOffset;
import dev.lanewise.Tensor;
import java.lang.foreign.Arena;

/** The library itself, over native segments made once. */
final class LanewiseAttention implements Contender {
    private final Arena arena = Arena.ofConfined();
    private final Attention attention;
    private final AttentionInputs inputs;
    private final AttentionOutputs outputs;
    private final Tensor context;

    LanewiseAttention(AttentionCall call) {
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
        attention.run(inputs, outputs);
    }

    @Override
    public float[] result() {
        return context.toFloats();
    }

    @Override
    public void close() {
        arena.close();
    }
}
