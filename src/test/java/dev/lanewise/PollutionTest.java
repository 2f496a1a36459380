package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/**
 * What {@link OthersVectorCode} and calls with operands on the heap, in the same JVM, do to the kernels, in fresh JVMs. Where the class of a vector or
 * a segment is not known, C2 calls instead of inlining: it takes several times as long, and now and then a vector is boxed. So that no call allocates,
 * and that most take no longer, is tested always. How much slower each is, and the other order, on request, as it takes an idle machine:
 * {@code -Ddev.lanewise.test.pollution} says in how many rounds of JVMs, which take turns.
 */
@Execution(ExecutionMode.CONCURRENT)
class PollutionTest {
    private static final double LIMIT = 1.05;
    /** Of the median of all calls, on a busy machine. It is 1.00 to 1.01, and was 3.9 where C2 did not know the class of a native segment. */
    private static final double MOST_LIMIT = 2;
    /** Every third kind of call has one of each family of kernels among them, which is enough for a median: C2 takes a third of the time. */
    private static final int SOME = 3;
    private static final int ALL = 1;

    /** What runs before the calls that are measured. */
    enum Before {
        /** Nothing. */
        NOTHING,
        /** Vector code of others, and calls with operands on the heap. */
        OTHERS,
        /** The calls, then the same. */
        CALLS_AND_OTHERS
    }

    /** Prints for each kind of call the median time in nanoseconds, of the processor, the bytes that it allocates, and its name. */
    static final class Program {
        private static final long OTHERS_NANOS = 1_000_000_000L;
        private static final long WARM_UP_NANOS = 500_000_000L;
        private static final long SETTLED_NANOS = 20_000_000;
        private static final long PATIENCE_NANOS = 20_000_000_000L;
        private static final int ROUNDS = 41;
        private static final long ROUND_NANOS = 3_000_000;
        private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        private static final Random RANDOM = new Random(1);
        private static final Arena ARENA = Arena.ofConfined();

        private Program() {
        }

        public static void main(String[] args) {
            Before before = Before.valueOf(args[0]);
            Map<String, Runnable> calls = everyOneIn(Integer.parseInt(args[1]), calls());
            if (before == Before.CALLS_AND_OTHERS) {
                calls.values().forEach(Program::warmUp);
            }
            if (before != Before.NOTHING) {
                OthersVectorCode.run(OTHERS_NANOS);
                runOnTheHeap();
            }
            // C2 gets to the first ones while others run.
            calls.values().forEach(call -> settle(call, WARM_UP_NANOS));
            // What another call's settling has thrown away of a call's own code is there again.
            calls.forEach((name, call) -> {
                settle(call, PATIENCE_NANOS);
                measure(name, call);
            });
        }

        private static Map<String, Runnable> everyOneIn(int kinds, Map<String, Runnable> calls) {
            List<String> names = List.copyOf(calls.keySet());
            for (int i = 0; i < names.size(); i++) {
                if (i % kinds > 0) {
                    calls.remove(names.get(i));
                }
            }
            return calls;
        }

        /** Calls whose operands the kernels cannot read in place: what tells one kind of segment from the other meets as many of each. */
        private static void runOnTheHeap() {
            Tensor operand = onTheHeap(1, 2, 32, 64);
            Tensor result = onTheHeap(1, 2, 32, 64);
            Attention operator = Attention.builder().bitStable().build();
            AttentionInputs inputs = AttentionInputs.of(operand, operand, operand);
            warmUp(attention(operator, inputs, AttentionOutputs.of(result)));
            Tensor a = onTheHeap(64, 64);
            Tensor product = onTheHeap(64, 64);
            warmUp(() -> MatMul.multiply(a, a, product));
            warmUp(() -> Softmax.rows(a, product));
        }

        private static Tensor onTheHeap(long... shape) {
            int elements = (int) Arrays.stream(shape).reduce(1, Math::multiplyExact);
            return Tensor.of(MemorySegment.ofArray(new float[elements]), ElementType.FLOAT32, shape);
        }

        /**
         * Runs a call until two rounds in succession have allocated nothing: on a busy machine C2 takes seconds to get to all of its methods, and
         * what is not compiled yet boxes. Every other moment until then is the compilers'. What boxes to the end of the patience, which is each
         * call's own, is measured.
         */
        private static void settle(Runnable call, long patienceNanos) {
            long patience = System.nanoTime() + patienceNanos;
            for (int quiet = 0; quiet < 2 && System.nanoTime() < patience;) {
                long start = System.nanoTime();
                long allocated = THREADS.getCurrentThreadAllocatedBytes();
                do {
                    call.run();
                } while (System.nanoTime() - start < SETTLED_NANOS);
                quiet = THREADS.getCurrentThreadAllocatedBytes() == allocated ? quiet + 1 : 0;
                LockSupport.parkNanos(quiet > 0 ? 0 : SETTLED_NANOS);
            }
        }

        private static void warmUp(Runnable call) {
            long start = System.nanoTime();
            while (System.nanoTime() - start < WARM_UP_NANOS) {
                call.run();
            }
        }

        private static void measure(String name, Runnable call) {
            long[] nanos = new long[ROUNDS];
            long start = System.nanoTime();
            call.run();
            long repetitions = Math.max(1, ROUND_NANOS / (System.nanoTime() - start));
            long bytes = Long.MAX_VALUE;
            for (int i = 0; i < ROUNDS; i++) {
                long allocated = THREADS.getCurrentThreadAllocatedBytes();
                start = THREADS.getCurrentThreadCpuTime();
                for (long r = 0; r < repetitions; r++) {
                    call.run();
                }
                nanos[i] = (THREADS.getCurrentThreadCpuTime() - start) / repetitions;
                bytes = Math.min(bytes, THREADS.getCurrentThreadAllocatedBytes() - allocated);
            }
            Arrays.sort(nanos);
            System.out.println(nanos[ROUNDS / 2] + " " + bytes / repetitions + " " + name);
        }

        private static Map<String, Runnable> calls() {
            Map<String, Runnable> calls = new LinkedHashMap<>();
            Tensor x = random(1, 12, 128, 64);
            AttentionInputs dense = AttentionInputs.of(x, x, x);
            AttentionOutputs context = AttentionOutputs.of(random(1, 12, 128, 64));
            Attention.Builder plain = Attention.builder().bitStable();
            calls.put("dense attention", attention(plain.build(), dense, context));
            calls.put("softcap and slopes",
                    attention(Attention.builder().bitStable().softcap(30).alibiSlopes(new float[12]).build(), dense,
                            context));
            calls.put("causal", attention(
                    Attention.builder().bitStable().causal(PositionOffset.topLeft()).build(), dense, context));
            boolean[] visible = new boolean[128 * 128];
            for (int i = 0; i < visible.length; i++) {
                visible[i] = RANDOM.nextBoolean();
            }
            calls.put("mask",
                    attention(plain.build(), dense.withMask(Tensor.ofBooleans(ARENA, visible, 128, 128)), context));
            for (int queries : new int[]{1, 6, 8}) {
                Tensor few = random(1, 12, queries, 64);
                for (int keys : new int[]{7, 100}) {
                    Tensor some = random(1, 12, keys, 64);
                    calls.put(queries + " queries and " + keys + " keys",
                            attention(plain.build(), AttentionInputs.of(few, some, some),
                                    AttentionOutputs.of(random(1, 12, queries, 64))));
                }
            }
            for (ElementType type : List.of(ElementType.FLOAT32, ElementType.BFLOAT16, ElementType.FLOAT16,
                    ElementType.INT8)) {
                for (int pageTokens : new int[]{1024, 128}) {
                    KvCache cache = KvCache.builder(4, 128)
                            .storage(type)
                            .pageTokens(pageTokens)
                            .capacity(1024)
                            .allocate(ARENA);
                    KvCache.Sequence sequence = cache.newSequence();
                    Tensor keys = random(4, 300, 128);
                    sequence.append(0, keys, keys);
                    calls.put("decode over " + type + " in pages of " + pageTokens,
                            attention(plain.build(), AttentionInputs.ofCache(random(1, 4, 1, 128), 0, sequence),
                                    AttentionOutputs.of(random(1, 4, 1, 128))));
                }
            }
            KvCache narrow = KvCache.builder(4, 4 * RuntimeInfo.current().lanes()).capacity(300).allocate(ARENA);
            KvCache.Sequence tokens = narrow.newSequence();
            Tensor rowsOfFour = random(4, 300, 4 * RuntimeInfo.current().lanes());
            tokens.append(0, rowsOfFour, rowsOfFour);
            Tensor query = random(1, 4, 1, 4 * RuntimeInfo.current().lanes());
            Tensor decoded = random(1, 4, 1, 4 * RuntimeInfo.current().lanes());
            calls.put("decode over rows of four vectors",
                    attention(plain.build(), AttentionInputs.ofCache(query, 0, tokens),
                            AttentionOutputs.of(decoded)));
            Tensor a = random(70, 200);
            Tensor b = random(200, 100);
            Tensor product = random(70, 100);
            PackedMatrix packed = PackedMatrix.of(ARENA, b);
            calls.put("multiply", () -> MatMul.multiply(a, b, product));
            calls.put("packed multiply", () -> MatMul.multiply(a, packed, null, product));
            Tensor row = random(1, 200);
            Tensor single = random(1, 100);
            calls.put("multiply of one row", () -> MatMul.multiply(row, b, single));
            Tensor rows = random(10, 1003);
            Tensor weights = random(10, 1003);
            calls.put("softmax", () -> Softmax.rows(rows, weights));
            Tensor shortRows = random(10, 200);
            Tensor shortWeights = random(10, 200);
            calls.put("softmax of short rows", () -> Softmax.rows(shortRows, shortWeights));
            Tensor eightVectors = random(10, 8 * RuntimeInfo.current().lanes());
            Tensor eightWeights = random(10, 8 * RuntimeInfo.current().lanes());
            calls.put("softmax of eight vectors", () -> Softmax.rows(eightVectors, eightWeights));
            return calls;
        }

        private static Runnable attention(Attention operator, AttentionInputs inputs, AttentionOutputs outputs) {
            return () -> operator.run(inputs, outputs);
        }

        private static Tensor random(long... shape) {
            Tensor tensor = Tensor.allocate(ARENA, ElementType.FLOAT32, shape);
            for (long i = 0; i < tensor.elementCount(); i++) {
                tensor.segment().setAtIndex(java.lang.foreign.ValueLayout.JAVA_FLOAT, i, RANDOM.nextFloat(-1, 1));
            }
            return tensor;
        }
    }

    private record Measured(double nanos, long bytes) {
    }

    @Test
    void noCallAllocatesAndMostTakeNoLonger() throws IOException, InterruptedException {
        Assumptions.assumeTrue(RuntimeInfo.current().kernel() == Kernel.VECTOR, RuntimeInfo.current().reason());
        Map<String, Measured> clean = measure(Before.NOTHING, SOME);
        Map<String, Measured> calls = measure(Before.OTHERS, ALL);
        List<Double> ratios = new ArrayList<>();
        clean.forEach((name, before) -> ratios.add(calls.get(name).nanos / before.nanos));
        calls.values().removeIf(measured -> measured.bytes == 0);
        assertEquals(Map.of(), calls, "allocate");
        assertTrue(median(ratios) <= MOST_LIMIT, () -> "times as long as in a JVM without others: " + ratios);
    }

    @Test
    void noCallIsMuchSlowerInEitherOrder() throws IOException, InterruptedException {
        Assumptions.assumeTrue(RuntimeInfo.current().kernel() == Kernel.VECTOR, RuntimeInfo.current().reason());
        int rounds = Integer.getInteger("dev.lanewise.test.pollution", 0);
        Assumptions.assumeTrue(rounds > 0, "no -Ddev.lanewise.test.pollution");
        Map<Before, Map<String, List<Double>>> nanos = new LinkedHashMap<>();
        for (int round = 0; round < rounds; round++) {
            for (Before before : Before.values()) {
                Map<String, List<Double>> byCall = nanos.computeIfAbsent(before, key -> new LinkedHashMap<>());
                measure(before, ALL).forEach((name, measured) -> {
                    assertEquals(0, measured.bytes, () -> name + ": bytes a call after " + before);
                    byCall.computeIfAbsent(name, key -> new ArrayList<>()).add(measured.nanos);
                });
            }
        }
        List<String> slow = new ArrayList<>();
        nanos.get(Before.NOTHING).forEach((name, clean) -> {
            for (Before before : List.of(Before.OTHERS, Before.CALLS_AND_OTHERS)) {
                List<Double> polluted = nanos.get(before).get(name);
                double ratio = median(polluted) / median(clean);
                String line = "%s after %s: %.3f, from %s to %s ns".formatted(name, before, ratio, clean, polluted);
                System.out.println(line);
                if (ratio > LIMIT) {
                    slow.add(line);
                }
            }
        });
        assertTrue(slow.isEmpty(), () -> String.join("\n", slow));
    }

    private static double median(List<Double> values) {
        return values.stream().sorted().skip(values.size() / 2).findFirst().orElseThrow();
    }

    private static Map<String, Measured> measure(Before before, int kinds) throws IOException, InterruptedException {
        FreshJvm.Result result = FreshJvm.onClassPath(FreshJvm.VECTOR, Program.class, before.name(),
                String.valueOf(kinds));
        assertEquals(0, result.exit(), result::err);
        Map<String, Measured> measured = new LinkedHashMap<>();
        result.out().lines().forEach(line -> {
            String[] words = line.split(" ", 3);
            measured.put(words[2], new Measured(Double.parseDouble(words[0]), Long.parseLong(words[1])));
        });
        return measured;
    }
}
