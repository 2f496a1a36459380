package dev.lanewise.jmh;

import dev.lanewise.Attention;
import dev.lanewise.AttentionInputs;
import dev.lanewise.AttentionOutputs;
import dev.lanewise.ElementType;
import dev.lanewise.MatMul;
import dev.lanewise.MultiHeadAttention;
import dev.lanewise.RuntimeInfo;
import dev.lanewise.Softmax;
import dev.lanewise.Tensor;
import dev.lanewise.WarmUp;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.UnaryOperator;

/** One JVM of {@link ColdStart}: calls back to back from its first on, and prints their times. */
final class ColdStartJvm {
    private static final int HEADS = 12;
    private static final int LENGTH = 128;
    private static final int DEPTH = 64;
    private static final int FEATURES = 384;
    private static final int ROWS = 512;
    private static final int SCORE_ROWS = 256;
    private static final int SCORES = 1024;
    private static final long SECOND = 1_000_000_000L;
    private static final int STEADY_CALLS = 500;
    private static final Duration LIMIT = Duration.ofSeconds(10);

    private final Arena arena = Arena.ofShared();
    /** What a request brings. */
    private final List<Tensor> operands = new ArrayList<>();
    private Runnable call;
    /** Or null. */
    private WarmUp warmUp;

    private ColdStartJvm() {
    }

    public static void main(String[] args) {
        ColdStartJvm jvm = new ColdStartJvm();
        jvm.run(ColdStart.Mode.valueOf(args[0]), ColdStart.Call.valueOf(args[1]));
    }

    private void run(ColdStart.Mode mode, ColdStart.Call what) {
        RuntimeInfo.current();
        double build = make(mode, what);
        double warm = 0;
        write();
        if (mode == ColdStart.Mode.WARM_UP) {
            WarmUp.Report report = warmUp.run(LIMIT);
            warm = report.settled() ? report.took().toNanos() / 1e6 : Double.NaN;
        }
        write();
        long start = System.nanoTime();
        double first = call();
        double slowest = 0;
        while (System.nanoTime() - start < SECOND) {
            slowest = Math.max(slowest, call());
        }
        double[] last = new double[mode == ColdStart.Mode.WARM_UP ? STEADY_CALLS : 1];
        Arrays.setAll(last, i -> call());
        Arrays.sort(last);
        System.out.println(first + " " + slowest + " " + warm + " " + last[last.length / 2] + " " + build);
    }

    /** Makes the call, and tells how long the operator took. */
    private double make(ColdStart.Mode mode, ColdStart.Call what) {
        return switch (what) {
            case ATTENTION -> attention(mode);
            case LAYER -> layer(mode);
            case MULTIPLY -> {
                Tensor a = operand(ROWS, FEATURES);
                Tensor b = operand(FEATURES, FEATURES);
                Tensor out = output(ROWS, FEATURES);
                call = () -> MatMul.multiply(a, b, out);
                yield 0;
            }
            case SOFTMAX -> {
                Tensor in = operand(SCORE_ROWS, SCORES);
                Tensor out = output(SCORE_ROWS, SCORES);
                call = () -> Softmax.rows(in, out);
                yield 0;
            }
        };
    }

    private double attention(ColdStart.Mode mode) {
        AttentionInputs inputs = AttentionInputs.of(operand(1, HEADS, LENGTH, DEPTH), operand(1, HEADS, LENGTH, DEPTH),
                operand(1, HEADS, LENGTH, DEPTH));
        AttentionOutputs outputs = AttentionOutputs.of(output(1, HEADS, LENGTH, DEPTH));
        write();
        long begin = System.nanoTime();
        Attention attention = mode == ColdStart.Mode.EXECUTOR
                ? Attention.builder().warmUpOn(task -> Thread.ofPlatform().daemon().start(task)).build()
                : Attention.builder().build();
        double build = (System.nanoTime() - begin) / 1e6;
        call = () -> attention.run(inputs, outputs);
        warmUp = mode == ColdStart.Mode.WARM_UP ? WarmUp.of(attention, inputs, outputs) : null;
        return build;
    }

    private double layer(ColdStart.Mode mode) {
        Tensor x = operand(1, LENGTH, FEATURES);
        Tensor y = output(1, LENGTH, FEATURES);
        Tensor weight = operand(FEATURES, FEATURES);
        write();
        long begin = System.nanoTime();
        MultiHeadAttention layer = MultiHeadAttention.builder(HEADS, HEADS)
                .query(weight, null)
                .key(weight, null)
                .value(weight, null)
                .output(weight, null)
                .build(arena);
        double build = (System.nanoTime() - begin) / 1e6;
        call = () -> layer.run(x, y);
        warmUp = mode == ColdStart.Mode.WARM_UP
                ? WarmUp.of(layer, x, x, UnaryOperator.identity(), UnaryOperator.identity(), y)
                : null;
        return build;
    }

    private double call() {
        long start = System.nanoTime();
        call.run();
        return (System.nanoTime() - start) / 1e6;
    }

    private Tensor operand(long... shape) {
        Tensor tensor = output(shape);
        operands.add(tensor);
        return tensor;
    }

    private Tensor output(long... shape) {
        return Tensor.allocate(arena, ElementType.FLOAT32, shape);
    }

    /** A request's operands are written just before its call: a warm-up leaves nothing of them in the caches. */
    private void write() {
        Random random = new Random(1);
        for (Tensor operand : operands) {
            for (long i = 0; i < operand.elementCount(); i++) {
                operand.segment().setAtIndex(ValueLayout.JAVA_FLOAT, i, random.nextFloat(-1, 1));
            }
        }
    }
}
