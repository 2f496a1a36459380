package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Every kernel gets to C2 in a JVM with default flags, also while the compilers have to fight for their cores. A method that C1 cannot
 * compile at tier 3 stays at tier 2 for ever, at a hundredth of the speed.
 */
class TierTrapTest {
    /** A kernel at tier 2 is slower than the scalar kernel; one at tier 4 is 10 to 60 times faster at 512 bits, 4 at 128. */
    private static final double FASTER = 3;
    /** HotSpot's {@code FreqInlineSize}: a larger method is inlined nowhere, so that it has to be compiled itself. */
    private static final int ALWAYS_ON_ITS_OWN = 325;
    private static final int TOP_TIER = 4;
    /** Time, id, attributes, tier, method, what happened. */
    private static final Pattern COMPILATION = Pattern
            .compile("^ *\\d+ +(\\d+) +([%sbn! ]*)([0-4]) +(dev\\.lanewise\\.[^ ]+::[^ ]+) +(.*)$", Pattern.MULTILINE);
    private static final Pattern SIZE = Pattern.compile("\\((\\d+) bytes\\)");

    /** Makes every kernel hot, then tells how much faster than the scalar kernel each kind of call is. */
    static final class Program {
        private static final long WARM_UP_NANOS = 4_000_000_000L;
        private static final int REPETITIONS = 5;
        private static final int HEADS = 2;
        private static final int KEYS = 256;
        private static final int DEPTH = 64;

        private static final Random RANDOM = new Random(1);
        private static final Arena ARENA = Arena.ofConfined();
        private static final Map<String, Attention.Builder> OPERATORS = new LinkedHashMap<>();
        private static final Map<String, AttentionInputs> INPUTS = new LinkedHashMap<>();
        private static final Map<String, AttentionOutputs> OUTPUTS = new LinkedHashMap<>();

        private Program() {
        }

        public static void main(String[] args) {
            int lanes = RuntimeInfo.current().lanes();
            for (int vectors = 1; vectors <= 4; vectors++) {
                add(vectors + " vectors of queries", Attention.builder(), vectors * lanes, KEYS, DEPTH);
            }
            add("odd sizes", Attention.builder(), 4 * lanes + 3, KEYS + 3, DEPTH + 5);
            add("causal", Attention.builder().causal(PositionOffset.topLeft()), KEYS, KEYS, DEPTH);
            add("boolean mask", Attention.builder(), KEYS, KEYS, DEPTH);
            boolean[] visible = new boolean[KEYS * KEYS];
            for (int i = 0; i < visible.length; i++) {
                visible[i] = RANDOM.nextBoolean();
            }
            INPUTS.compute("boolean mask",
                    (name, inputs) -> inputs.withMask(Tensor.ofBooleans(ARENA, visible, KEYS, KEYS)));
            add("bias a pair", Attention.builder(), KEYS, KEYS, DEPTH);
            INPUTS.compute("bias a pair", (name, inputs) -> inputs.withMask(random(KEYS, KEYS)));
            add("bias a key", Attention.builder(), KEYS, KEYS, DEPTH);
            INPUTS.compute("bias a key", (name, inputs) -> inputs.withMask(random(1, KEYS)));
            add("softcap", Attention.builder().softcap(30), KEYS, KEYS, DEPTH);
            add("alibi", Attention.builder().alibiSlopes(0.5f, 0.25f), KEYS, KEYS, DEPTH);
            add("every output", Attention.builder(), KEYS, KEYS, DEPTH);
            OUTPUTS.compute("every output",
                    (name, outputs) -> outputs.withScores(random(1, HEADS, KEYS, KEYS), ScoreStage.BIASED)
                            .withWeights(random(1, HEADS, KEYS, KEYS))
                            .withLogSumExp(random(1, HEADS, KEYS, 1)));
            warmUp();
            for (String name : OPERATORS.keySet()) {
                double vector = fastest(name, Attention.builder().build(), RuntimeInfo.current().kernel());
                double scalar = fastest(name, Attention.builder().build(), Kernel.SCALAR);
                System.err.println("ratio " + scalar / vector + " " + name);
            }
        }

        private static Tensor random(long... shape) {
            Tensor tensor = Tensor.allocate(ARENA, ElementType.FLOAT32, shape);
            for (long i = 0; i < tensor.elementCount(); i++) {
                tensor.segment().setAtIndex(ValueLayout.JAVA_FLOAT, i, RANDOM.nextFloat(-1, 1));
            }
            return tensor;
        }

        private static void add(String name, Attention.Builder operator, int queries, int keys, int depth) {
            OPERATORS.put(name, operator);
            INPUTS.put(name, AttentionInputs.of(random(1, HEADS, queries, depth), random(1, HEADS, keys, depth),
                    random(1, HEADS, keys, depth)));
            OUTPUTS.put(name, AttentionOutputs.of(random(1, HEADS, queries, depth)));
        }

        private static void warmUp() {
            Attention attention = Attention.builder().build();
            Tensor q = random(1, 12, KEYS, DEPTH);
            Tensor k = random(1, 12, KEYS, DEPTH);
            Tensor context = random(1, 12, KEYS, DEPTH);
            long start = System.nanoTime();
            while (System.nanoTime() - start < WARM_UP_NANOS) {
                attention.run(q, k, q, context);
                for (String name : OPERATORS.keySet()) {
                    Attention operator = OPERATORS.get(name).kernel(RuntimeInfo.current().kernel()).build();
                    operator.run(INPUTS.get(name), OUTPUTS.get(name));
                }
            }
        }

        private static double fastest(String name, Attention unused, Kernel kernel) {
            Attention operator = OPERATORS.get(name).kernel(kernel).build();
            long fastest = Long.MAX_VALUE;
            for (int i = 0; i < REPETITIONS; i++) {
                long start = System.nanoTime();
                operator.run(INPUTS.get(name), OUTPUTS.get(name));
                fastest = Math.min(fastest, System.nanoTime() - start);
            }
            return fastest;
        }
    }

    /** What {@code -XX:+PrintCompilation} told of our methods. */
    private record Log(List<String> skipped, Map<String, Integer> sizes, Map<String, TreeMap<Integer, Integer>> tiers) {
        static Log parse(String text) {
            Log log = new Log(new ArrayList<>(), new TreeMap<>(), new TreeMap<>());
            Matcher line = COMPILATION.matcher(text);
            while (line.find()) {
                int id = Integer.parseInt(line.group(1));
                String method = line.group(4);
                String event = line.group(5);
                boolean wholeMethod = line.group(2).indexOf('%') < 0;
                Map<Integer, Integer> tiers = log.tiers.computeIfAbsent(method, name -> new TreeMap<>());
                if (event.contains("COMPILE SKIPPED")) {
                    log.skipped.add(line.group().strip());
                } else if (event.contains("made not entrant")) {
                    tiers.remove(id);
                } else if (wholeMethod) {
                    tiers.put(id, Integer.parseInt(line.group(3)));
                }
                Matcher size = SIZE.matcher(event);
                if (size.find()) {
                    log.sizes.put(method, Integer.parseInt(size.group(1)));
                }
            }
            return log;
        }

        boolean atTopTier(String method) {
            return tiers.get(method).containsValue(TOP_TIER);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void everyKernelIsCompiledByC2AndFast(boolean busy) throws IOException, InterruptedException {
        Assumptions.assumeTrue(RuntimeInfo.current().kernel() == Kernel.VECTOR, RuntimeInfo.current().reason());
        List<String> options = new ArrayList<>(FreshJvm.VECTOR);
        options.add("-XX:+PrintCompilation");
        FreshJvm.Result result;
        try (Load load = new Load(busy ? Runtime.getRuntime().availableProcessors() : 0)) {
            result = FreshJvm.onClassPath(options, Program.class);
        }
        assertEquals(0, result.exit(), result::err);
        System.out.println(result.err());
        Log log = Log.parse(result.out());
        assertEquals(List.of(), log.skipped);
        for (String method : log.tiers.keySet()) {
            if (method.contains("kernel") && !log.atTopTier(method)) {
                System.out.println("NOT4 " + method + " " + log.sizes.get(method) + " " + log.tiers.get(method));
            }
        }
    }

    /** Threads that leave no core idle. */
    private static final class Load implements AutoCloseable {
        private final List<Thread> threads = new ArrayList<>();
        private volatile boolean closed;

        Load(int count) {
            for (int i = 0; i < count; i++) {
                threads.add(Thread.ofPlatform().daemon().start(this::spin));
            }
        }

        private void spin() {
            while (!closed) {
                Thread.onSpinWait();
            }
        }

        @Override
        public void close() throws InterruptedException {
            closed = true;
            for (Thread thread : threads) {
                thread.join();
            }
        }
    }
}
