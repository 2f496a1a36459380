package dev.lanewise;

import java.lang.foreign.Arena;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A warm append and a warm call over a cache allocate nothing. */
@Tag("width")
@Order(Integer.MAX_VALUE)
class CacheAllocationTest {
    private static final int KV_HEADS = 2;
    private static final int HEADS = 4;
    private static final int DEPTH = 20;
    private static final int KEYS = 131;
    private static final int PAGE = 16;

    static Stream<String> cases() {
        return calls(Arena.ofAuto()).keySet().stream();
    }

    private static Map<String, Runnable> calls(Arena arena) {
        Map<String, Runnable> calls = new LinkedHashMap<>();
        Random random = new Random(1);
        Tensor k = Layout.PLAIN.normal(arena, random, 1, 1, KV_HEADS, KEYS, DEPTH).select(0, 0);
        Layout inside = new Layout(Layout.Order.HEADS_INSIDE, Layout.Place.NATIVE, ElementType.BFLOAT16);
        Tensor narrow = inside.normal(arena, random, 1, 1, KV_HEADS, KEYS, DEPTH).select(0, 0);
        for (ElementType type : new ElementType[]{ElementType.FLOAT32, ElementType.BFLOAT16, ElementType.FLOAT16,
            ElementType.INT8}) {
            KvCache cache = KvCache.builder(KV_HEADS, DEPTH)
                    .storage(type)
                    .pageTokens(PAGE)
                    .capacity(100 * PAGE)
                    .allocate(arena);
            calls.put("append to " + type, appends(cache, k));
            calls.put("append BFLOAT16 to " + type, appends(cache, narrow));
            calls.put("attend to " + type, attends(arena, cache, k, random));
        }
        calls.put("rotate", appends(KvCache.builder(KV_HEADS, DEPTH)
                .rotary(RotaryEmbedding.of(DEPTH, RotaryEmbedding.Pairing.HALF_SPLIT, 100, 2 * KEYS))
                .capacity(2 * KEYS)
                .allocate(arena), k));
        return calls;
    }

    /** One token after another, taken back when there are enough; the list of pages has had its length before. */
    private static Runnable appends(KvCache cache, Tensor k) {
        KvCache.Sequence sequence = cache.newSequence();
        Tensor one = k.slice(1, 3, 4);
        return () -> {
            sequence.append(0, one, one);
            if (sequence.length() == KEYS) {
                sequence.truncate(2);
            }
        };
    }

    private static Runnable attends(Arena arena, KvCache cache, Tensor k, Random random) {
        KvCache.Sequence[] sequences = {cache.newSequence(), cache.newSequence()};
        sequences[0].append(0, k, k);
        sequences[1].append(0, k.slice(1, 0, 40), k.slice(1, 0, 40));
        Tensor q = Layout.PLAIN.normal(arena, random, 1, 2, HEADS, 3, DEPTH);
        AttentionInputs inputs = AttentionInputs.ofCache(q, 0, sequences);
        AttentionOutputs outputs = AttentionOutputs.of(Tensor.allocate(arena, ElementType.FLOAT32, q.shape()));
        Attention operator = Attention.builder().causal(PositionOffset.bottomRight()).build();
        return () -> operator.run(inputs, outputs);
    }

    @ParameterizedTest
    @MethodSource("cases")
    void warmCallsAllocateNothing(String name) {
        try (Arena arena = Arena.ofConfined()) {
            WarmCalls.assertAllocateNothing(name, calls(arena).get(name));
        }
    }
}
