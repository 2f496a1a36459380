package dev.lanewise.jmh;

import dev.lanewise.Attention;
import dev.lanewise.AttentionInputs;
import dev.lanewise.AttentionOutputs;
import dev.lanewise.ElementType;
import dev.lanewise.KvCache;
import dev.lanewise.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;

/** Appends one token after another; the answer is an attention over all of them. */
final class LanewiseAppend implements Contender {
    private final Arena arena = Arena.ofConfined();
    private final AttentionCall shape;
    private final KvCache.Sequence sequence;
    private final Tensor[] keys;
    private final Tensor[] values;
    private final Tensor query;
    private int next;

    LanewiseAppend(DecodeCall call) {
        shape = call.attention();
        sequence = KvCache.builder(shape.heads(), shape.depth())
                .storage(call.storage())
                .capacity(shape.keys())
                .allocate(arena)
                .newSequence();
        keys = tokens(shape.k());
        values = tokens(shape.v());
        query = Tensor.ofFloats(arena, shape.q(), 1, shape.heads(), 1, shape.depth());
    }

    private Tensor[] tokens(float[] rows) {
        Tensor all = Tensor.ofFloats(arena, Operands.swapAxes(rows, shape.heads(), shape.keys()), shape.keys(),
                shape.heads(), 1, shape.depth());
        Tensor[] tokens = new Tensor[shape.keys()];
        Arrays.setAll(tokens, token -> all.select(0, token));
        return tokens;
    }

    @Override
    public void run() {
        if (next == keys.length) {
            sequence.truncate(0);
            next = 0;
        }
        sequence.append(0, keys[next], values[next]);
        next++;
    }

    @Override
    public float[] result() {
        sequence.truncate(0);
        next = 0;
        while (next < keys.length) {
            run();
        }
        Tensor context = Tensor.allocate(arena, ElementType.FLOAT32, 1, shape.heads(), 1, shape.depth());
        Attention.builder()
                .bitStable()
                .build()
                .run(AttentionInputs.ofCache(query, 0, sequence), AttentionOutputs.of(context));
        return context.toFloats();
    }

    @Override
    public void close() {
        arena.close();
    }
}
