package dev.lanewise.jmh;

import dev.lanewise.Attention;
import dev.lanewise.AttentionInputs;
import dev.lanewise.AttentionOutputs;
import dev.lanewise.ElementType;
import dev.lanewise.KvCache;
import dev.lanewise.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** Attention over a cache. */
final class LanewiseDecode implements Contender {
    private static final int PAGE = 16;

    private final Arena arena = Arena.ofShared();
    private final ExecutorService helpers;
    private final int threads;
    private final Attention attention = Attention.builder().bitStable().build();
    private final AttentionInputs inputs;
    private final AttentionOutputs outputs;
    private final Tensor context;

    LanewiseDecode(DecodeCall call) {
        AttentionCall shape = call.attention();
        int keys = shape.keys();
        int depth = shape.depth();
        threads = call.threads();
        helpers = threads > 1 ? Executors.newFixedThreadPool(threads - 1) : null;
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
        inputs = AttentionInputs.ofCache(
                Tensor.ofFloats(arena, shape.q(), 1, shape.heads(), shape.queries(), depth), 0, sequence);
        context = Tensor.allocate(arena, ElementType.FLOAT32, 1, shape.heads(), shape.queries(), depth);
        outputs = AttentionOutputs.of(context);
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
