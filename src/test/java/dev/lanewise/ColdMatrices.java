package dev.lanewise;

import static dev.lanewise.ColdStartTest.Program.require;

import java.lang.foreign.Arena;
import java.time.Duration;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;

/** The first multiplies, softmaxes and layers of a JVM, for {@link ColdStartTest}. */
final class ColdMatrices {
    private static final long PATIENCE_NANOS = 40_000_000_000L;
    private static final Duration LIMIT = Duration.ofSeconds(60);
    private static final int M = 71;
    private static final int K = 48;
    private static final int N = 100;
    /** (K + 2)·2⁻²⁴·Σ|terms|, with 48 products within ±1 and a bias within ±1. */
    private static final double PRODUCT_BOUND = (K + 2) * 0x1p-24 * (K + 1);
    /** Of numbers within ±1 a weight is at most e²/100; an argument is rounded at 2·1.45, the sum has 100·2⁻²⁴ at most. */
    private static final double WEIGHT_BOUND = 0.074 * (2 * 2 * 1.45 + N + 8) * 0x1p-24;

    private final Arena arena = Arena.ofShared();
    private final Random random = new Random(1);
    private final Tensor a = random(M, K);
    private final Tensor b = random(K, N);
    private final Tensor bias = random(1, N).select(0, 0);
    private final Tensor product = random(M, N);

    private Tensor random(long... shape) {
        float[] values = new float[(int) Arrays.stream(shape).reduce(1, (x, y) -> x * y)];
        for (int i = 0; i < values.length; i++) {
            values[i] = random.nextFloat(-1, 1);
        }
        return Tensor.ofFloats(arena, values, shape);
    }

    private Map<String, Supplier<Tensor>> calls() {
        Map<String, Supplier<Tensor>> calls = new LinkedHashMap<>();
        PackedMatrix packed = PackedMatrix.of(arena, b);
        calls.put("multiply", () -> {
            MatMul.multiply(a, b, bias, product);
            return product;
        });
        calls.put("packed multiply", () -> {
            MatMul.multiply(a, packed, bias, product);
            return product;
        });
        Tensor narrow = Tensor.allocate(arena, ElementType.BFLOAT16, K, N);
        for (int i = 0; i < K * N; i++) {
            narrow.setFloat(b.getFloat(i / N, i % N), i / N, i % N);
        }
        Tensor few = random(3, K);
        Tensor turned = random(N, 3).transpose(0, 1);
        calls.put("multiply of other types and strides", () -> {
            MatMul.multiply(few, narrow, turned);
            return turned;
        });
        Tensor scores = random(M, N);
        Tensor weights = random(M, N);
        calls.put("softmax", () -> {
            Softmax.rows(scores, weights);
            return weights;
        });
        return calls;
    }

    /** Every kind of call is the scalar kernel's, then for good the vector kernel's, and both are right. */
    void switches() {
        calls().forEach((name, call) -> {
            long before = cold();
            float[] scalar = call.get().toFloats();
            require(name + ": the first call is not cold", () -> cold() == before + 1);
            long start = System.nanoTime();
            for (long seen = before; cold() > seen;) {
                seen = cold();
                call.get();
                require(name + ": no switch", () -> System.nanoTime() - start < PATIENCE_NANOS);
            }
            long warm = cold();
            float[] vector = call.get().toFloats();
            near(name, scalar, vector);
            for (int i = 0; i < 100; i++) {
                require(name + ": other bits", () -> Arrays.equals(vector, call.get().toFloats()));
            }
            require(name + ": it switched back", () -> cold() == warm);
        });
        checkAgainstFloat64();
        allocatesNothing();
    }

    /** With the property no call is cold, and all have the same bits. */
    void stable() {
        calls().forEach((name, call) -> {
            float[] first = call.get().toFloats();
            for (int i = 0; i < 1000; i++) {
                require(name + ": other bits", () -> Arrays.equals(first, call.get().toFloats()));
            }
        });
        require("a call is cold", () -> cold() == 0);
    }

    /** A layer is warm after its warm-up, which writes nothing; one whose attention is bit-stable is never cold. */
    void layer() {
        Tensor x = random(2, 40, K);
        Tensor y = random(2, 40, K);
        float[] untouched = y.toFloats();
        MultiHeadAttention layer = layer(Attention.builder().build());
        settle(WarmUp.of(layer, x, x, UnaryOperator.identity(), UnaryOperator.identity(), y));
        require("out is written", () -> Arrays.equals(untouched, y.toFloats()));
        require("what nobody called is counted", () -> Counters.snapshot().calls() == 0);
        layer.run(x, y);
        require("a part is cold after the warm-up", () -> cold() == 0);
        elsewhere(x, y);
        Tensor other = random(2, 40, K);
        layer(Attention.builder().bitStable().softcap(5).build()).run(x.transpose(0, 1), other.transpose(0, 1));
        require("a bit-stable layer has a cold part", () -> cold() == 0);
        Tensor narrow = Tensor.allocate(arena, ElementType.BFLOAT16, 2, 40, K);
        layer.run(narrow, y);
        require("projections of another kind are not cold", () -> cold() == 3);
    }

    /** The weights of a layer may be confined to a thread that does not warm it up, or closed before. */
    private void elsewhere(Tensor x, Tensor y) {
        WarmUp closed;
        try (Arena confined = Arena.ofConfined()) {
            MultiHeadAttention layer = layer(Attention.builder().build(), confined);
            closed = WarmUp.of(layer, x, x, UnaryOperator.identity(), UnaryOperator.identity(), y);
            require("not settled on another thread",
                    () -> closed.runOn(task -> Thread.ofPlatform().start(task), LIMIT).join().settled());
        }
        settle(closed);
    }

    /** Each is warm after its warm-up, which writes nothing; another kind is not. */
    void warmUps() {
        float[] untouched = product.toFloats();
        PackedMatrix packed = PackedMatrix.of(arena, b);
        Tensor weights = random(M, N);
        Tensor scores = random(M, N);
        settle(WarmUp.ofMultiply(a, b, bias, product));
        settle(WarmUp.ofMultiply(a, packed, null, product));
        settle(WarmUp.ofSoftmax(scores, weights));
        require("out is written", () -> Arrays.equals(untouched, product.toFloats()));
        MatMul.multiply(a, b, bias, product);
        MatMul.multiply(a, packed, null, product);
        Softmax.rows(scores, weights);
        require("a call is cold after its warm-up", () -> cold() == 0);
        MatMul.multiply(b.transpose(0, 1), a.transpose(0, 1), product.transpose(0, 1));
        require("another kind of call is not cold", () -> cold() == 1);
    }

    private static void settle(WarmUp warmUp) {
        WarmUp.Report report = warmUp.run(LIMIT);
        require(report.toString(), report::settled);
    }

    private MultiHeadAttention layer(Attention attention) {
        return layer(attention, arena);
    }

    private MultiHeadAttention layer(Attention attention, Arena weights) {
        return MultiHeadAttention.builder(4, 2)
                .query(random(K, K), random(1, K).select(0, 0))
                .key(random(K, K / 2), null)
                .value(random(K, K / 2), null)
                .output(random(K, K), null)
                .attention(attention)
                .build(weights);
    }

    private void checkAgainstFloat64() {
        MatMul.multiply(a, b, bias, product);
        float[] as = a.toFloats();
        float[] bs = b.toFloats();
        for (int i = 0; i < M * N; i++) {
            double sum = bias.getFloat(i % N);
            for (int x = 0; x < K; x++) {
                sum += (double) as[i / N * K + x] * bs[x * N + i % N];
            }
            double error = Math.abs(sum - product.getFloat(i / N, i % N));
            require("product [" + i + "] is off by " + error, () -> error <= PRODUCT_BOUND);
        }
    }

    /** What finds out that a call is warm allocates nothing either. */
    private void allocatesNothing() {
        Tensor weights = random(M, N);
        Runnable calls = () -> {
            MatMul.multiply(a, b, bias, product);
            Softmax.rows(product, weights);
        };
        long start = System.nanoTime();
        while (WarmCalls.allocated(calls) > 0) {
            require("warm calls allocate", () -> System.nanoTime() - start < PATIENCE_NANOS);
        }
    }

    private static long cold() {
        return Counters.snapshot().coldCalls();
    }

    private static void near(String name, float[] scalar, float[] vector) {
        double bound = 2 * (name.equals("softmax") ? WEIGHT_BOUND : PRODUCT_BOUND);
        for (int i = 0; i < scalar.length; i++) {
            double error = Math.abs(scalar[i] - vector[i]);
            String message = name + " [" + i + "]: the kernels differ by " + error;
            require(message, () -> error <= bound);
        }
    }
}
