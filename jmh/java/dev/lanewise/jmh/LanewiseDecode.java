package dev.lanewise.jmh;

import dev.lanewise.Attention;
import dev.lanewise.AttentionInputs;
import dev.lanewise.ElementType;
import dev.lanewise.Execution;
import dev.lanewise.KvCache;
import dev.lanewise.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;

/** Attention over a cache. */
final class LanewiseDecode {
    private static final int PAGE = 16;

    private LanewiseDecode() {
    }

    static LanewiseAttention of(DecodeCall call, Execution execution) {
        AttentionCall shape = call.attention();
        int keys = shape.keys();
        int depth = shape.depth();
        Arena arena = Arena.ofShared();
        KvCache cache = KvCache.builder(call.kvHeads(), depth)
                .storage(call.storage())
                .pageTokens(call.paged() ? PAGE : keys)
                .capacity(keys)
                .allocate(arena);
        if (call.paged()) {
            shufflePages(cache);
        }
        KvCache.Sequence sequence = cache.newSequence();
        try (Arena local = Arena.ofConfined()) {
            sequence.append(0, heads(local, shape.k(), shape, call.kvHeads()),
                    heads(local, shape.v(), shape, call.kvHeads()));
        }
        AttentionInputs inputs = AttentionInputs.ofCache(
                Tensor.ofFloats(arena, shape.q(), 1, shape.heads(), shape.queries(), depth), 0, sequence);
        return new LanewiseAttention(arena, Attention.builder().bitStable().build(), inputs, shape, call.threads(),
                execution);
    }

    private static Tensor heads(Arena arena, float[] values, AttentionCall shape, int kvHeads) {
        return Tensor.ofFloats(arena, values, shape.heads(), shape.keys(), shape.depth()).slice(0, 0, kvHeads);
    }

    /** Takes all pages, one a sequence, and gives them back in random order: the pool hands them out again the other way round. */
    private static void shufflePages(KvCache cache) {
        List<KvCache.Sequence> sequences = new ArrayList<>();
        try (Arena local = Arena.ofConfined()) {
            Tensor token = Tensor.allocate(local, ElementType.FLOAT32, cache.kvHeads(), 1, cache.headDimension());
            while (cache.freePages() > 0) {
                KvCache.Sequence one = cache.newSequence();
                one.append(0, token, token);
                sequences.add(one);
            }
        }
        Collections.shuffle(sequences, new Random(1));
        sequences.forEach(KvCache.Sequence::close);
    }
}
