package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The first calls of a JVM: scalar, then vector, each within its bound; or one kernel throughout, where that is asked for. */
@Execution(ExecutionMode.CONCURRENT)
class ColdStartTest {
    /** Other threads of the JVM, the compilers' and the collector's, load what they need. */
    private static final Predicate<String> OURS = Pattern.compile("dev\\.lanewise|jdk\\.jfr|jdk\\.proxy").asPredicate();

    /** One story after the other in a fresh JVM, each with options that none before it had, so that it starts cold. */
    static final class Program {
        private static final long PATIENCE_NANOS = 40_000_000_000L;
        private static final Duration LIMIT = Duration.ofSeconds(60);
        private static final int LENGTH = 64;
        private static final int DEPTH = 16;
        /**
         * Scores of 16 products of numbers within ±1, over 4, are within ±4 and off by at most 18·2⁻²⁴·4 = 4.3e-6; weights by twice
         * that and (64 + 8)·2⁻²⁴ = 4.3e-6; and a weighted mean of 64 numbers within ±1 by twice this and 68·2⁻²⁴: 3e-5.
         */
        private static final double BOUND = 3e-5;

        static final String BEGIN = "the first call begins";
        static final String END = "the first call has ended";

        private final Arena arena = Arena.ofShared();
        private final Random random = new Random(1);
        private final AttentionInputs inputs = AttentionInputs.of(random(), random(), random());
        private final Tensor context = random();
        private final AttentionOutputs outputs = AttentionOutputs.of(context);

        public static void main(String[] args) {
            Program program = new Program();
            switch (args[0]) {
                case "calls" -> program.calls();
                case "executor" -> program.executor();
                case "warmUp" -> program.warmUp();
                case "interrupted" -> program.interrupted();
                case "loaded" -> program.loaded();
                case "matrices" -> new ColdMatrices().switches();
                case "stable matrices" -> new ColdMatrices().stable();
                case "warm matrices" -> new ColdMatrices().warmUps();
                case "layer" -> new ColdMatrices().layer();
                default -> throw new IllegalArgumentException(args[0]);
            }
            System.out.println("passed");
        }

        private Tensor random() {
            Tensor tensor = Tensor.allocate(arena, ElementType.FLOAT32, 1, 2, LENGTH, DEPTH);
            for (int h = 0; h < 2; h++) {
                for (int i = 0; i < LENGTH * DEPTH; i++) {
                    tensor.setFloat(random.nextFloat(-1, 1), 0, h, i / DEPTH, i % DEPTH);
                }
            }
            return tensor;
        }

        private float[] run(Attention attention) {
            attention.run(inputs, outputs);
            return context.toFloats();
        }

        private void calls() {
            switches(Attention.builder(), Attention.builder());
            float[] stable = run(Attention.builder().softcap(5).bitStable().build());
            Attention again = Attention.builder().softcap(5).bitStable().build();
            for (int i = 0; i < 1000; i++) {
                require("call " + i + " has other bits than the first", () -> Arrays.equals(stable, run(again)));
            }
        }

        private void executor() {
            Executor thread = task -> Thread.ofPlatform().daemon().start(task);
            switches(Attention.builder().warmUpOn(thread), Attention.builder());
            switches(Attention.builder().softcap(5).warmUpOn(task -> {
                throw new RejectedExecutionException("full");
            }), Attention.builder().softcap(5));
            switches(Attention.builder().alibiSlopes(1, 2).warmUpOn(task -> {
            }), Attention.builder().alibiSlopes(1, 2));
            switches(Attention.builder().causal(PositionOffset.topLeft()).warmUpOn(Runnable::run),
                    Attention.builder().causal(PositionOffset.topLeft()));
        }

        /** The first operator is made on an interrupted thread, and what that runs is nobody's call. */
        private void interrupted() {
            Thread.currentThread().interrupt();
            Attention attention = Attention.builder().build();
            require("the interrupt is lost", Thread::interrupted);
            require("calls that nobody made are counted", () -> Counters.snapshot().calls() == 0);
            run(attention);
            require("a call is not counted", () -> Counters.snapshot().calls() == 1);
        }

        /** The log of the classes that are loaded stands between the two lines. */
        private void loaded() {
            Attention attention = Attention.builder().build();
            WarmUp.of(attention, inputs, outputs).run(LIMIT);
            System.err.println(BEGIN);
            attention.run(inputs, outputs);
            System.err.println(END);
        }

        private void warmUp() {
            float[] untouched = context.toFloats();
            Attention attention = Attention.builder().build();
            WarmUp warmUp = WarmUp.of(attention, inputs, outputs);
            WarmUp.Report cut = warmUp.run(Duration.ofNanos(1));
            require(cut.toString(),
                    () -> !cut.settled() && cut.reason().startsWith("the limit of PT0.000000001S passed: "));
            Thread.currentThread().interrupt();
            WarmUp.Report interrupted = warmUp.run(ChronoUnit.FOREVER.getDuration());
            require(interrupted.toString(), () -> !interrupted.settled() && interrupted.runs() == 1
                    && interrupted.reason().startsWith("interrupted: ") && Thread.interrupted());
            try {
                warmUp.runOn(task -> {
                    throw new RejectedExecutionException("full");
                }, LIMIT);
                throw new AssertionError("a rejection is lost");
            } catch (RejectedExecutionException expected) {
                require("another rejection", () -> expected.getMessage().equals("full"));
            }
            WarmUp.Report report = warmUp.runOn(task -> Thread.ofPlatform().daemon().start(task), LIMIT).join();
            require(report.toString(), () -> report.settled() && report.reason().isEmpty()
                    && report.steady().compareTo(report.first().dividedBy(5)) < 0);
            require("outputs are written", () -> Arrays.equals(untouched, context.toFloats()));
            float[] first = run(attention);
            require("the first call after it is not the vector kernel's",
                    () -> Arrays.equals(run(Attention.builder().kernel(Kernel.VECTOR).build()), first));
        }

        /** Calls are the scalar kernel's to the bit, then the vector kernel's to the bit, and both are right. */
        private void switches(Attention.Builder switching, Attention.Builder same) {
            float[] reference = run(same.kernel(Kernel.REFERENCE).build());
            float[] scalar = run(same.kernel(Kernel.SCALAR).build());
            float[] vector = run(same.kernel(Kernel.VECTOR).build());
            near(reference, scalar);
            near(reference, vector);
            Attention attention = switching.build();
            require("the first call is not scalar", () -> Arrays.equals(scalar, run(attention)));
            long start = System.nanoTime();
            float[] now;
            do {
                now = run(attention);
                require("no switch after " + PATIENCE_NANOS + " ns", () -> System.nanoTime() - start < PATIENCE_NANOS);
            } while (Arrays.equals(scalar, now));
            float[] switched = now;
            require("neither kernel's bits", () -> Arrays.equals(vector, switched));
            for (int i = 0; i < 100; i++) {
                require("it switched back", () -> Arrays.equals(vector, run(attention)));
            }
        }

        private static void near(float[] wanted, float[] actual) {
            for (int i = 0; i < wanted.length; i++) {
                double error = Math.abs(wanted[i] - actual[i]);
                require("[" + i + "] is off by " + error, () -> error <= BOUND);
            }
        }

        static void require(String otherwise, BooleanSupplier condition) {
            if (!condition.getAsBoolean()) {
                throw new AssertionError(otherwise);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"calls", "executor", "warmUp", "interrupted", "matrices", "stable matrices",
        "warm matrices", "layer"})
    void everyStoryEndsWell(String story) throws IOException, InterruptedException {
        Assumptions.assumeTrue(RuntimeInfo.current().kernel() == Kernel.VECTOR, RuntimeInfo.current().reason());
        List<String> options = new ArrayList<>(FreshJvm.VECTOR);
        options.add("-Ddev.lanewise.bitStable=" + story.startsWith("stable"));
        FreshJvm.Result result = FreshJvm.onClassPath(options, Program.class, story);
        assertEquals(0, result.exit(), result::err);
        assertEquals("passed", result.out().strip());
    }

    /** To register an event with the flight recorder takes ten times as long as the call. */
    @Test
    void theFirstCallAfterAWarmUpLoadsNoClass() throws IOException, InterruptedException {
        Assumptions.assumeTrue(RuntimeInfo.current().kernel() == Kernel.VECTOR, RuntimeInfo.current().reason());
        List<String> options = new ArrayList<>(FreshJvm.VECTOR);
        options.add("-Xlog:class+load:stderr");
        FreshJvm.Result result = FreshJvm.onClassPath(options, Program.class, "loaded");
        assertEquals(0, result.exit(), result::err);
        List<String> lines = result.err().lines().toList();
        int begin = lines.indexOf(Program.BEGIN);
        int end = lines.indexOf(Program.END);
        assertTrue(0 <= begin && begin < end, result::err);
        assertEquals(List.of(), lines.subList(begin + 1, end).stream().filter(OURS).toList());
    }
}
