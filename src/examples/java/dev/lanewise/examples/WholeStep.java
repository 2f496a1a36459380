package dev.lanewise.examples;

import dev.lanewise.Attention;
import dev.lanewise.PositionOffset;
import dev.lanewise.RotaryEmbedding;
import dev.lanewise.Tensor;

/** All tokens at once, from position 0 on; nothing is kept. */
final class WholeStep implements AttentionStep {
    private final RotaryEmbedding rotary;
    private final Attention attention = Attention.builder().causal(PositionOffset.topLeft()).build();

    WholeStep(RotaryEmbedding rotary) {
        this.rotary = rotary;
    }

    @Override
    public void attend(int layer, Tensor q, Tensor k, Tensor v, Tensor context) {
        rotary.apply(q, 0, q);
        rotary.apply(k, 0, k);
        attention.run(q.unsqueeze(0), k.unsqueeze(0), v.unsqueeze(0), context.unsqueeze(0));
    }
}
