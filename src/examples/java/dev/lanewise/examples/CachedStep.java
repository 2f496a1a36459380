package dev.lanewise.examples;

import dev.lanewise.Attention;
import dev.lanewise.AttentionInputs;
import dev.lanewise.AttentionOutputs;
import dev.lanewise.ElementType;
import dev.lanewise.KvCache;
import dev.lanewise.PositionOffset;
import dev.lanewise.RotaryEmbedding;
import dev.lanewise.Tensor;
import java.lang.foreign.Arena;

/** New tokens are appended to a cache; their queries see all that is in it. */
final class CachedStep implements AttentionStep {
    private final RotaryEmbedding rotary;
    private final Attention attention;
    private final KvCache.Sequence sequence;

    CachedStep(Arena arena, DecoderSize size, RotaryEmbedding rotary, int tokens) {
        this.rotary = rotary;
        // README: begin
        attention = Attention.builder().causal(PositionOffset.bottomRight()).build();
        KvCache cache = KvCache.builder(size.kvHeads(), size.features())
                .layers(size.layers())
                .storage(ElementType.FLOAT32) // or BFLOAT16, FLOAT16, INT8
                .pageTokens(16)
                .capacity((tokens + 15L) / 16 * 16)
                .rotary(rotary)
                .allocate(arena);
        sequence = cache.newSequence();
        // README: end
    }

    @Override
    public void attend(int layer, Tensor q, Tensor k, Tensor v, Tensor context) {
        // README: begin
        rotary.apply(q, sequence.nextPosition(layer), q);
        sequence.append(layer, k, v);
        attention.run(AttentionInputs.ofCache(q.unsqueeze(0), layer, sequence),
                AttentionOutputs.of(context.unsqueeze(0)));
        // README: end
    }
}
