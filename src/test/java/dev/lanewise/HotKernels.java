package dev.lanewise;

import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * Calls that between them go through every vector kernel, over and over until C2 has compiled what they are made of. Which of its
 * operations C2 cannot turn into instructions, {@code -XX:+PrintIntrinsics} tells.
 */
final class HotKernels {
    private static final int HEADS = 1;
    private static final int KEYS = 70;
    private static final int DEPTH = 20;
    /** 8, 4 and 1 vectors of 128 bits. */
    private static final int CACHED_DEPTH = 52;
    private static final int CACHED_KEYS = 300;

    private static final Random RANDOM = new Random(1);
    private static final Arena ARENA = Arena.ofShared();
    private static final List<Runnable> CHECKS = new ArrayList<>();

    private HotKernels() {
    }

    /**
     * Scores of 20 products of numbers within ±1, times 20^−½, are within ±4.5 and off by 22·2⁻²⁴·4.5 = 6e-6, with biases within ±35 by
     * 4·2⁻²⁴·40 = 1e-5 more; weights by twice that and 80·2⁻²⁴; a mean of 70 values within ±1 by twice that and 74·2⁻²⁴.
     */
    private static final double BOUND = 8e-5;

    /**
     * Scores of 52 products within ±1, times 52^−½, are within ±7.2 and off by 54·2⁻²⁴·7.2 = 2.3e-5; weights by twice that; a mean of 300 values
     * within ±1 by twice that and 304·2⁻²⁴.
     */
    private static final double CACHED_BOUND = 1.2e-4;

    /** What a compiler needs to see of each call, unless it takes four times as long as it may. */
    private static final int ENOUGH_ROUNDS = 100;

    /** Runs every call over and over for so many seconds, or a few more, then holds the answers to float64. */
    static void run(int seconds) {
        Map<String, Runnable> calls = calls();
        long start = System.nanoTime();
        long wanted = 1_000_000_000L * seconds;
        int rounds = 0;
        while (System.nanoTime() - start < (rounds < ENOUGH_ROUNDS ? 4 * wanted : wanted)) {
            calls.values().forEach(Runnable::run);
            rounds++;
        }
        CHECKS.forEach(Runnable::run);
        System.out.println(rounds + " rounds of " + calls.size() + " calls; answers agree with float64");
    }

    private static Map<String, Runnable> calls() {
        int queries = 4 * RuntimeInfo.current().lanes() + 3;
        Map<String, Runnable> calls = new LinkedHashMap<>();
        for (int vectors = 1; vectors <= 4; vectors++) {
            attention(calls, vectors + " vectors", Attention.builder(), vectors * RuntimeInfo.current().lanes(),
                    ElementType.FLOAT32, null);
        }
        attention(calls, "causal", Attention.builder().causal(PositionOffset.bottomRight()), queries,
                ElementType.FLOAT32, null);
        attention(calls, "softcap and ALiBi", Attention.builder().softcap(30).alibiSlopes(0.5f), queries,
                ElementType.BFLOAT16, null);
        boolean[] visible = new boolean[queries * KEYS];
        for (int i = 0; i < visible.length; i++) {
            visible[i] = RANDOM.nextBoolean();
        }
        attention(calls, "boolean mask", Attention.builder(), queries, ElementType.FLOAT16,
                Tensor.ofBooleans(ARENA, visible, queries, KEYS));
        Tensor infinities = random(queries, KEYS);
        infinities.setFloat(Float.NEGATIVE_INFINITY, 0, 3);
        attention(calls, "bias a pair", Attention.builder(), queries, ElementType.FLOAT32, infinities);
        attention(calls, "bias a key", Attention.builder(), queries, ElementType.FLOAT32, random(1, KEYS));
        Tensor rows = random(3, 100);
        Tensor normalised = random(3, 100);
        calls.put("softmax", () -> Softmax.rows(rows, normalised));
        Tensor a = random(queries, DEPTH);
        Tensor b = random(DEPTH, KEYS);
        Tensor product = random(queries, KEYS);
        Tensor bias = random(1, KEYS).select(0, 0);
        PackedMatrix packed = PackedMatrix.of(ARENA, b);
        calls.put("multiply", () -> MatMul.multiply(a, b, bias, product));
        calls.put("multiply packed", () -> MatMul.multiply(a, packed, bias, product));
        for (ElementType type : ChurnedCache.TYPES) {
            for (int cached : new int[]{1, 4, 6}) {
                decode(calls, type, cached);
            }
        }
        return calls;
    }

    /** So many rows that share a head of a cache, whose last token is appended anew with each call. */
    private static void decode(Map<String, Runnable> calls, ElementType type, int rows) {
        KvCache.Sequence sequence = KvCache.builder(1, CACHED_DEPTH)
                .storage(type)
                .pageTokens(64)
                .capacity(5 * 64)
                .allocate(ARENA)
                .newSequence();
        Tensor tokens = random(1, CACHED_KEYS, CACHED_DEPTH);
        Tensor last = tokens.slice(1, CACHED_KEYS - 1, CACHED_KEYS);
        sequence.append(0, tokens, tokens);
        AttentionInputs inputs = AttentionInputs.ofCache(random(1, rows, 1, CACHED_DEPTH), 0, sequence);
        Tensor context = random(1, rows, 1, CACHED_DEPTH);
        Attention attention = Attention.builder().kernel(RuntimeInfo.current().kernel()).build();
        calls.put(rows + " rows over " + type, () -> {
            sequence.truncate(CACHED_KEYS - 1);
            sequence.append(0, last, last);
            attention.run(inputs, AttentionOutputs.of(context));
        });
        CHECKS.add(() -> {
            Tensor wanted = random(1, rows, 1, CACHED_DEPTH);
            Attention.builder().kernel(Kernel.REFERENCE).build().run(inputs, AttentionOutputs.of(wanted));
            AgainstReference.compare(rows + " rows over " + type, context, wanted, CACHED_BOUND, 0);
        });
    }

    private static void attention(Map<String, Runnable> calls, String name, Attention.Builder builder, int queries,
            ElementType keyType, Tensor mask) {
        Attention attention = builder.build();
        AttentionInputs inputs = AttentionInputs.of(random(1, HEADS, queries, DEPTH),
                narrowed(keyType, 1, HEADS, KEYS, DEPTH), narrowed(keyType, 1, HEADS, KEYS, DEPTH)).withMask(mask);
        AttentionOutputs outputs = AttentionOutputs.of(random(1, HEADS, queries, DEPTH))
                .withScores(random(1, HEADS, queries, KEYS), ScoreStage.BIASED)
                .withWeights(random(1, HEADS, queries, KEYS))
                .withLogSumExp(random(1, HEADS, queries, 1));
        AttentionOutputs context = AttentionOutputs.of(random(1, HEADS, queries, DEPTH));
        calls.put(name, () -> attention.run(inputs, outputs));
        calls.put(name + ", context only", () -> attention.run(inputs, context));
        Attention reference = builder.kernel(Kernel.REFERENCE).build();
        CHECKS.add(() -> {
            Tensor wanted = random(1, HEADS, queries, DEPTH);
            reference.run(inputs, AttentionOutputs.of(wanted));
            AgainstReference.compare(name, context.context, wanted, BOUND, 0);
            AgainstReference.compare(name + ", every output", outputs.context, wanted, BOUND, 0);
        });
    }

    private static Tensor narrowed(ElementType type, long... shape) {
        Tensor from = random(shape);
        Tensor to = Tensor.allocate(ARENA, type, shape);
        for (long i = 0; i < from.elementCount(); i++) {
            long row = i / DEPTH;
            to.setFloat(from.getFloat(0, 0, row, i % DEPTH), 0, 0, row, i % DEPTH);
        }
        return to;
    }

    private static Tensor random(long... shape) {
        Tensor tensor = Tensor.allocate(ARENA, ElementType.FLOAT32, shape);
        for (long i = 0; i < tensor.elementCount(); i++) {
            tensor.segment().setAtIndex(ValueLayout.JAVA_FLOAT, i, RANDOM.nextFloat(-1, 1));
        }
        return tensor;
    }
}
