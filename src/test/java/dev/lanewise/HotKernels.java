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
    /** Printed after the last round: what is compiled from then on other calls have asked for. */
    static final String DONE = " rounds of ";

    private static final int HEADS = 1;
    private static final int KEYS = 70;
    private static final int DEPTH = 20;
    /** More than a block of the kernel for many queries. */
    private static final int MANY_KEYS = 530;
    private static final int CACHED_KEYS = 300;
    /** Tokens of a page: whole vectors of them at every width. Two more are not. */
    private static final int PAGE = 64;
    /** So many heads that pages are read head by head, with vectors of 128 bits, too. */
    private static final int SHARED_HEADS = 8;

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
     * Scores of D products within ±1, times D^−½, are within ±√D and off by (D + 2)·2⁻²⁴·√D; weights by twice that; a mean of so many values
     * within ±1 by twice that and (keys + 4)·2⁻²⁴.
     */
    private static double bound(int depth, int keys) {
        return (4 * (depth + 2) * Math.sqrt(depth) + keys + 4) * 0x1p-24;
    }

    /** What a compiler needs to see of each call, unless it takes four times as long as it may. */
    private static final int ENOUGH_ROUNDS = 100;

    /**
     * Runs every call so many times, then holds the answers to float64. Where compilations are waited for, what is compiled depends on the number
     * alone and not on the time.
     */
    static void runRounds(int rounds) {
        Map<String, Runnable> calls = calls();
        for (int round = 0; round < rounds; round++) {
            calls.values().forEach(Runnable::run);
        }
        CHECKS.forEach(Runnable::run);
        System.out.println(rounds + DONE + calls.size() + " calls; answers agree with float64");
    }

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
        System.out.println(rounds + DONE + calls.size() + " calls; answers agree with float64");
    }

    private static Map<String, Runnable> calls() {
        // Panels of one vector and of three in a causal call, else one of four.
        int queries = 3 * RuntimeInfo.current().lanes() + 3;
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
        Tensor rows = random(7, 100);
        Tensor normalised = random(7, 100);
        calls.put("softmax", () -> Softmax.rows(rows, normalised));
        Tensor eightVectors = random(263, 8 * RuntimeInfo.current().lanes());
        Tensor weights = random(263, 8 * RuntimeInfo.current().lanes());
        calls.put("softmax of eight vectors", () -> Softmax.rows(eightVectors, weights));
        many(calls);
        few(calls, 8, 7);
        few(calls, 5, 100);
        // Tiles of six rows, of four and of one.
        int rowsOfTiles = 11;
        Tensor a = random(rowsOfTiles, DEPTH);
        Tensor b = random(DEPTH, KEYS);
        Tensor product = random(rowsOfTiles, KEYS);
        Tensor bias = random(1, KEYS).select(0, 0);
        PackedMatrix packed = PackedMatrix.of(ARENA, b);
        calls.put("multiply", () -> MatMul.multiply(a, b, bias, product));
        calls.put("multiply packed", () -> MatMul.multiply(a, packed, bias, product));
        for (ElementType type : ChurnedCache.TYPES) {
            for (int cached : new int[]{1, 4, 6}) {
                decode(calls, type, 1, cached, cachedVectors(type), PAGE);
            }
        }
        decode(calls, ElementType.FLOAT32, 1, 4, 8, PAGE);
        decode(calls, ElementType.FLOAT32, SHARED_HEADS, 1, 8, PAGE);
        decode(calls, ElementType.FLOAT32, SHARED_HEADS, 1, 8, PAGE + 2);
        decode(calls, ElementType.BFLOAT16, 2 * SHARED_HEADS, 1, 8, PAGE);
        decode(calls, ElementType.FLOAT32, 2 * SHARED_HEADS, 1, 4, PAGE);
        return calls;
    }

    /** Two blocks of keys. */
    private static void many(Map<String, Runnable> calls) {
        int queries = 3 * RuntimeInfo.current().lanes();
        AttentionInputs inputs = AttentionInputs.of(random(1, HEADS, queries, DEPTH),
                random(1, HEADS, MANY_KEYS, DEPTH), random(1, HEADS, MANY_KEYS, DEPTH));
        Tensor context = random(1, HEADS, queries, DEPTH);
        Attention attention = Attention.builder().build();
        calls.put("two blocks", () -> attention.run(inputs, AttentionOutputs.of(context)));
        CHECKS.add(() -> {
            Tensor wanted = random(1, HEADS, queries, DEPTH);
            Attention.builder().kernel(Kernel.REFERENCE).build().run(inputs, AttentionOutputs.of(wanted));
            AgainstReference.compare("two blocks", context, wanted, bound(DEPTH, MANY_KEYS), 0);
        });
    }

    /** Few queries, and rows of four vectors. */
    private static void few(Map<String, Runnable> calls, int queries, int keys) {
        int depth = 4 * RuntimeInfo.current().lanes();
        AttentionInputs inputs = AttentionInputs.of(random(1, HEADS, queries, depth), random(1, HEADS, keys, depth),
                random(1, HEADS, keys, depth));
        Tensor context = random(1, HEADS, queries, depth);
        Attention attention = Attention.builder().kernel(RuntimeInfo.current().kernel()).build();
        String name = queries + " queries and " + keys + " keys";
        calls.put(name, () -> attention.run(inputs, AttentionOutputs.of(context)));
        CHECKS.add(() -> {
            Tensor wanted = random(1, HEADS, queries, depth);
            Attention.builder().kernel(Kernel.REFERENCE).build().run(inputs, AttentionOutputs.of(wanted));
            AgainstReference.compare(name, context, wanted, bound(depth, keys), 0);
        });
    }

    /** 8 and 4 vectors, and fewer where a row can have them: narrow types are read 2 or 4 elements an int. */
    private static int cachedVectors(ElementType type) {
        return switch (type.bytes()) {
            case 1 -> 12;
            case 2 -> 14;
            default -> 13;
        };
    }

    /** So many rows for each head of a cache, whose last token is appended anew with each call. */
    private static void decode(Map<String, Runnable> calls, ElementType type, int kvHeads, int rows, int vectors,
            int pageTokens) {
        int depth = vectors * RuntimeInfo.current().lanes();
        int heads = kvHeads * rows;
        String name = "%d rows of %d heads, %d vectors, over pages of %d, %s".formatted(heads, kvHeads, vectors,
                pageTokens, type);
        KvCache.Sequence sequence = KvCache.builder(kvHeads, depth)
                .storage(type)
                .pageTokens(pageTokens)
                .capacity(5L * pageTokens)
                .allocate(ARENA)
                .newSequence();
        Tensor tokens = random(kvHeads, CACHED_KEYS, depth);
        Tensor last = tokens.slice(1, CACHED_KEYS - 1, CACHED_KEYS);
        sequence.append(0, tokens, tokens);
        AttentionInputs inputs = AttentionInputs.ofCache(random(1, heads, 1, depth), 0, sequence);
        Tensor context = random(1, heads, 1, depth);
        Attention attention = Attention.builder().kernel(RuntimeInfo.current().kernel()).build();
        calls.put(name, () -> {
            sequence.truncate(CACHED_KEYS - 1);
            sequence.append(0, last, last);
            attention.run(inputs, AttentionOutputs.of(context));
        });
        CHECKS.add(() -> {
            Tensor wanted = random(1, heads, 1, depth);
            Attention.builder().kernel(Kernel.REFERENCE).build().run(inputs, AttentionOutputs.of(wanted));
            AgainstReference.compare(name, context, wanted, bound(depth, CACHED_KEYS), 0);
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
