package dev.lanewise.jmh;

import dev.lanewise.Attention;
import dev.lanewise.AttentionInputs;
import dev.lanewise.AttentionOutputs;
import dev.lanewise.ElementType;
import dev.lanewise.RuntimeInfo;
import dev.lanewise.Tensor;
import dev.lanewise.WarmUp;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/** One JVM of {@link ColdStart}: calls back to back from its first on, and prints their times. */
final class ColdStartJvm {
    private static final int HEADS = 12;
    private static final int LENGTH = 128;
    private static final int DEPTH = 64;
    private static final long SECOND = 1_000_000_000L;
    private static final int STEADY_CALLS = 500;
    private static final Duration LIMIT = Duration.ofSeconds(10);

    private ColdStartJvm() {
    }

    public static void main(String[] args) {
        ColdStart.Mode mode = ColdStart.Mode.valueOf(args[0]);
        try (Arena arena = Arena.ofShared()) {
            List<Tensor> operands = List.of(operand(arena), operand(arena), operand(arena));
            AttentionInputs inputs = AttentionInputs.of(operands.get(0), operands.get(1), operands.get(2));
            AttentionOutputs outputs = AttentionOutputs.of(operand(arena));
            write(operands);
            long begin = System.nanoTime();
            Attention attention = operator(mode);
            double build = (System.nanoTime() - begin) / 1e6;
            double warmUp = 0;
            if (mode == ColdStart.Mode.WARM_UP) {
                WarmUp.Report report = WarmUp.of(attention, inputs, outputs).run(LIMIT);
                warmUp = report.settled() ? report.took().toNanos() / 1e6 : Double.NaN;
            }
            write(operands);
            long start = System.nanoTime();
            double first = call(attention, inputs, outputs);
            double slowest = first;
            while (System.nanoTime() - start < SECOND) {
                slowest = Math.max(slowest, call(attention, inputs, outputs));
            }
            double[] last = new double[mode == ColdStart.Mode.WARM_UP ? STEADY_CALLS : 1];
            Arrays.setAll(last, i -> call(attention, inputs, outputs));
            Arrays.sort(last);
            System.out.println(first + " " + slowest + " " + warmUp + " " + last[last.length / 2] + " " + build);
        }
    }

    private static Attention operator(ColdStart.Mode mode) {
        return switch (mode) {
            case VECTOR -> Attention.builder().kernel(RuntimeInfo.current().kernel()).build();
            case CALLS, WARM_UP -> Attention.builder().build();
            case EXECUTOR -> Attention.builder().warmUpOn(task -> Thread.ofPlatform().daemon().start(task)).build();
        };
    }

    private static double call(Attention attention, AttentionInputs inputs, AttentionOutputs outputs) {
        long start = System.nanoTime();
        attention.run(inputs, outputs);
        return (System.nanoTime() - start) / 1e6;
    }

    private static Tensor operand(Arena arena) {
        return Tensor.allocate(arena, ElementType.FLOAT32, 1, HEADS, LENGTH, DEPTH);
    }

    /** A request's operands are written just before its call: a warm-up leaves nothing of them in the caches. */
    private static void write(List<Tensor> operands) {
        Random random = new Random(1);
        float[] values = new float[HEADS * LENGTH * DEPTH];
        for (Tensor operand : operands) {
            for (int i = 0; i < values.length; i++) {
                values[i] = random.nextFloat(-1, 1);
            }
            MemorySegment.copy(MemorySegment.ofArray(values), 0, operand.segment(), 0, operand.segment().byteSize());
        }
    }
}
