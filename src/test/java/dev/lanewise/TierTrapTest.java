package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Isolated;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every kernel gets to C2 in a JVM with default flags and with others, also while the compilers have to fight for their cores. A method
 * that C1 cannot compile at tier 3 stays at tier 2 for ever, at a hundredth of the speed. The suite has one JVM on an idle machine and two at
 * once on a busy one, the last with flags that are different ones from day to day; {@code -Ddev.lanewise.test.tiers=20} makes it twenty busy
 * ones, two at once, that take turns at the flags.
 */
@Isolated("one of the machines is idle")
class TierTrapTest {
    /** A kernel at tier 2 is slower than the scalar kernel; at tier 4 it is faster by more than a busy core can blur. */
    private static final double FASTER = 1.5;
    /** HotSpot's {@code FreqInlineSize}: a larger method is inlined nowhere, so that it has to be compiled itself. */
    private static final int ALWAYS_ON_ITS_OWN = 325;
    private static final int TOP_TIER = 4;
    /** So often C2's code of a method is thrown away for what a call did: where more, HotSpot gives up only after a hundred times. */
    private static final int MOST_TRAPS = 20;
    private static final String ONE_COMPILER = "-XX:-TieredCompilation";
    /** Time, id, attributes, tier, method, what happened. */
    private static final Pattern COMPILATION = Pattern
            .compile("^ *\\d+ +(\\d+) +([%sbn! ]*)([0-4]?) +(dev\\.lanewise\\.[^ ]+::[^ ]+) +(.*)$", Pattern.MULTILINE);
    private static final Pattern RATIO = Pattern.compile("^ratio ([^ ]+) (.+)$", Pattern.MULTILINE);
    private static final Pattern TILE = Pattern
            .compile("dev\\.lanewise\\.internal\\.kernel\\.(Tile[468]x\\d::multiply|RowTile::two|MatMulTile::six).*");
    private static final List<List<String>> FLAGS = List.of(List.of(), List.of("-XX:+UseParallelGC"),
            List.of("-XX:+UseZGC"), List.of(ONE_COMPILER), List.of("-XX:+UseCompactObjectHeaders"));
    private static final List<String> CALLERS = List.of("dev.lanewise.internal.kernel.Tile::multiply",
            "dev.lanewise.internal.kernel.RowTile::multiply", "dev.lanewise.internal.kernel.MatMulTile::multiply");
    private static final Pattern SIZE = Pattern.compile("\\((\\d+) bytes\\)");

    /** Makes every kernel hot, and tells how much faster than the scalar kernel each kind of call is in the end. */
    static final class Program {
        /** How long the compilers get: 10 s on two cores, 30 s where two other threads want them, and more where another tenant does, too. */
        private static final long PATIENCE_NANOS = 120_000_000_000L;
        /** What comes after the last kernel has become fast: time to fall back, and for the scalar kernel to catch up. */
        private static final long SETTLING_NANOS = 2_000_000_000L;
        private static final int CASES = 36;
        private static final int REPETITIONS = 3;
        /** For so long a call that is not fast yet is repeated a round: one of a microsecond would else wait for its turns, not for C2. */
        private static final long SLOW_CALLS_NANOS = 5_000_000;
        /** A call of a microsecond three times in a row is one slice of a busy processor: what counts in the end is not timed in one. */
        private static final long LAST_TURN_NANOS = 1_000_000;
        private static final int LAST_TURNS = 20;
        /** So fast needs no further turn: to be slower than {@link #FASTER} after all would take a scalar call in half the time of all before. */
        private static final double CLEARLY_FASTER = 2 * FASTER;
        private static final int HEADS = 1;
        /** Four together and three by themselves. */
        private static final int SOFTMAX_ROWS = 7;
        private static final int KEYS = 128;
        private static final int DEPTH = 64;
        private static final int DECODED_KEYS = 2048;
        /** So many heads, and tokens in a page, that pages are read head by head at every width. */
        private static final int SHARED_HEADS = 8;
        private static final int PAGE_TOKENS = 64;

        private static final Random RANDOM = new Random(1);
        private static final Arena ARENA = Arena.ofConfined();
        private static final Map<String, Attention.Builder> OPERATORS = new LinkedHashMap<>();
        private static final Map<String, AttentionInputs> INPUTS = new LinkedHashMap<>();
        private static final Map<String, AttentionOutputs> OUTPUTS = new LinkedHashMap<>();

        /** Calls that are not attention: the library's, and plain loops. */
        private record Pair(Runnable library, Runnable loops) {
        }

        private static final Map<String, Pair> PAIRS = new LinkedHashMap<>();

        private Program() {
        }

        public static void main(String[] args) {
            int lanes = RuntimeInfo.current().lanes();
            for (int vectors = 1; vectors <= 4; vectors++) {
                add(vectors + " vectors of queries", Attention.builder(), vectors * lanes, KEYS, DEPTH);
            }
            add("one row", Attention.builder(), 1, KEYS, DEPTH);
            add("few rows", Attention.builder(), 4, 2 * KEYS + 1, DEPTH);
            add("few rows and keys", Attention.builder(), 8, 8, 16 * lanes);
            add("very few keys", Attention.builder(), 24, 16, 4 * lanes);
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
            add("alibi", Attention.builder().alibiSlopes(0.5f), KEYS, KEYS, DEPTH);
            add("every output", Attention.builder(), KEYS, KEYS, DEPTH);
            OUTPUTS.compute("every output",
                    (name, outputs) -> outputs.withScores(random(1, HEADS, KEYS, KEYS), ScoreStage.BIASED)
                            .withWeights(random(1, HEADS, KEYS, KEYS))
                            .withLogSumExp(random(1, HEADS, KEYS, 1)));
            for (ElementType type : List.of(ElementType.FLOAT32, ElementType.BFLOAT16, ElementType.FLOAT16,
                    ElementType.INT8)) {
                decode("decoding over " + type, type, HEADS, DECODED_KEYS, 1);
            }
            decode("decoding of four rows", ElementType.FLOAT32, HEADS, DECODED_KEYS, 4);
            decode("decoding of four wide rows", ElementType.FLOAT32, HEADS, DECODED_KEYS, 4, 16);
            decode("decoding over pages", ElementType.FLOAT32, SHARED_HEADS, PAGE_TOKENS, 1);
            decode("decoding over pages of bfloat16", ElementType.BFLOAT16, 2 * SHARED_HEADS, PAGE_TOKENS, 1);
            decode("decoding over pages with a part of a vector", ElementType.FLOAT32, SHARED_HEADS, PAGE_TOKENS + 2,
                    1);
            decode("decoding over pages of narrow rows", ElementType.FLOAT32, 2 * SHARED_HEADS, PAGE_TOKENS, 1, 4);
            for (int rows : new int[]{1, 2, 3, 4, 70}) {
                multiply("multiply of " + rows + " rows", random(rows, KEYS), random(KEYS, KEYS));
            }
            multiply("multiply by a transpose", random(70, KEYS), random(KEYS, KEYS).transpose(0, 1));
            softmax("softmax of short rows", KEYS / 2);
            softmax("softmax of eight vectors", 8 * RuntimeInfo.current().lanes());
            softmax("softmax of whole vectors", KEYS * 8);
            softmax("softmax with a rest", KEYS * 8 + 3);
            Kernel chosen = RuntimeInfo.current().kernel();
            List<String> names = new ArrayList<>(OPERATORS.keySet());
            names.addAll(PAIRS.keySet());
            Map<String, Double> scalar = new LinkedHashMap<>();
            long start = System.nanoTime();
            long fastSince = start;
            while (System.nanoTime() - start < PATIENCE_NANOS && System.nanoTime() - fastSince < SETTLING_NANOS) {
                for (String name : names) {
                    scalar.merge(name, fastest(name, Kernel.SCALAR, 1, Double.MAX_VALUE, 0), Math::min);
                    double wanted = scalar.get(name) / FASTER;
                    if (fastest(name, chosen, REPETITIONS, wanted, SLOW_CALLS_NANOS) > wanted) {
                        fastSince = System.nanoTime();
                    }
                }
            }
            names.forEach(name -> System.err.println("ratio " + ratio(name, chosen, scalar.get(name)) + " " + name));
        }

        /**
         * How much faster a kernel is than the scalar one. Where that is not clear from the fastest scalar call so far, they take turns, so that what
         * else the machine does slows down both.
         */
        private static double ratio(String name, Kernel chosen, double fastestSoFar) {
            double vector = fastest(name, chosen, REPETITIONS, 0, LAST_TURN_NANOS);
            if (fastestSoFar / vector >= CLEARLY_FASTER) {
                return fastestSoFar / vector;
            }
            double scalar = Double.POSITIVE_INFINITY;
            int turns = 0;
            do {
                scalar = Math.min(scalar, fastest(name, Kernel.SCALAR, REPETITIONS, 0, LAST_TURN_NANOS));
                vector = Math.min(vector, fastest(name, chosen, REPETITIONS, 0, LAST_TURN_NANOS));
                turns++;
            } while (turns < LAST_TURNS && scalar / vector < CLEARLY_FASTER);
            return scalar / vector;
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

        /** Rows of eight vectors over a long run of keys. */
        private static void decode(String name, ElementType type, int heads, int pageTokens, int rows) {
            decode(name, type, heads, pageTokens, rows, 8);
        }

        private static void decode(String name, ElementType type, int heads, int pageTokens, int rows, int vectors) {
            int depth = vectors * RuntimeInfo.current().lanes();
            KvCache cache = KvCache.builder(heads, depth)
                    .storage(type)
                    .pageTokens(pageTokens)
                    .capacity((long) Math.ceilDiv(DECODED_KEYS, pageTokens) * pageTokens)
                    .allocate(ARENA);
            KvCache.Sequence sequence = cache.newSequence();
            sequence.append(0, random(heads, DECODED_KEYS, depth), random(heads, DECODED_KEYS, depth));
            OPERATORS.put(name, Attention.builder());
            INPUTS.put(name, AttentionInputs.ofCache(random(1, heads, rows, depth), 0, sequence));
            OUTPUTS.put(name, AttentionOutputs.of(random(1, heads, rows, depth)));
        }

        /** From a tensor and packed, in one call of the pair. */
        private static void multiply(String name, Tensor a, Tensor b) {
            PackedMatrix packed = PackedMatrix.of(ARENA, b);
            Tensor out = random(a.size(0), b.size(1));
            float[] x = a.toFloats();
            float[] y = b.toFloats();
            float[] product = new float[(int) out.elementCount()];
            PAIRS.put(name, new Pair(() -> {
                MatMul.multiply(a, b, out);
                MatMul.multiply(a, packed, null, out);
            }, () -> {
                loops(x, y, product);
                loops(x, y, product);
            }));
        }

        private static void loops(float[] x, float[] y, float[] product) {
            for (int at = 0; at < product.length; at++) {
                float sum = 0;
                for (int p = 0; p < KEYS; p++) {
                    sum += x[at / KEYS * KEYS + p] * y[p * KEYS + at % KEYS];
                }
                product[at] = sum;
            }
        }

        private static void softmax(String name, int columns) {
            Tensor in = random(SOFTMAX_ROWS, columns);
            Tensor out = random(SOFTMAX_ROWS, columns);
            float[] x = in.toFloats();
            PAIRS.put(name, new Pair(() -> Softmax.rows(in, out), () -> {
                double sum = 0;
                for (float value : x) {
                    sum += Math.exp(value);
                }
                for (int i = 0; i < x.length; i++) {
                    out.segment().setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) (Math.exp(x[i]) / sum));
                }
            }));
        }

        /**
         * The least time of so many calls and, until one took no longer than wanted, of some more. Those do not count that the library still ran on its
         * scalar kernel: for a multiply that is four times as fast as the plain loops, and would pass for the vector kernel.
         */
        private static double fastest(String name, Kernel kernel, int repetitions, double wanted, long patience) {
            Pair pair = PAIRS.get(name);
            if (pair != null) {
                return fastest(kernel == Kernel.SCALAR ? pair.loops : pair.library, repetitions, wanted, patience);
            }
            Attention operator = OPERATORS.get(name).kernel(kernel).build();
            return fastest(() -> operator.run(INPUTS.get(name), OUTPUTS.get(name)), repetitions, wanted, patience);
        }

        private static double fastest(Runnable call, int repetitions, double wanted, long patience) {
            double fastest = Double.POSITIVE_INFINITY;
            long cold = Counters.snapshot().coldCalls();
            long begin = System.nanoTime();
            long end = begin;
            for (int i = 0; i < repetitions || fastest > wanted && end - begin < patience; i++) {
                long start = System.nanoTime();
                call.run();
                end = System.nanoTime();
                long before = cold;
                cold = Counters.snapshot().coldCalls();
                fastest = cold == before ? Math.min(fastest, end - start) : fastest;
            }
            return fastest;
        }
    }

    /** What {@code -XX:+PrintCompilation} told of our methods. */
    private record Log(List<String> skipped, Map<String, Integer> sizes, Map<String, TreeMap<Integer, Integer>> tiers,
            Map<String, Integer> traps) {
        /** Classes were loaded while it was compiled: HotSpot leaves the method compilable and compiles it anew, which the speed shows. */
        private static final String PASSING = "concurrent class loading";

        static Log parse(String text) {
            Log log = new Log(new ArrayList<>(), new TreeMap<>(), new TreeMap<>(), new TreeMap<>());
            Matcher line = COMPILATION.matcher(text);
            while (line.find()) {
                int id = Integer.parseInt(line.group(1));
                String method = line.group(4);
                String event = line.group(5);
                boolean wholeMethod = line.group(2).indexOf('%') < 0;
                Map<Integer, Integer> tiers = log.tiers.computeIfAbsent(method, name -> new TreeMap<>());
                if (event.contains("COMPILE SKIPPED")) {
                    tiers.remove(id);
                    if (!event.contains(PASSING)) {
                        log.skipped.add(line.group().strip());
                    }
                } else if (event.contains("made not entrant")) {
                    tiers.remove(id);
                    if (event.contains("uncommon trap")) {
                        log.traps.merge(method, 1, Integer::sum);
                    }
                } else if (wholeMethod) {
                    tiers.put(id, line.group(3).isEmpty() ? TOP_TIER : Integer.parseInt(line.group(3)));
                }
                Matcher size = SIZE.matcher(event);
                if (size.find()) {
                    log.sizes.put(method, Integer.parseInt(size.group(1)));
                }
            }
            return log;
        }

        /** Whether C2's code of a method is in use at the end: its own, or where it is small enough, that of a caller. */
        boolean atTopTier(String method) {
            boolean alone = sizes.get(method) > ALWAYS_ON_ITS_OWN;
            return tiers.get(method).containsValue(TOP_TIER)
                    || !alone && CALLERS.stream()
                            .anyMatch(caller -> tiers.getOrDefault(caller, new TreeMap<>()).containsValue(TOP_TIER));
        }
    }

    /** Whether the machine is busy, and the flags of each JVM that runs on it at once. */
    static Stream<Arguments> machines() {
        int pairs = Math.ceilDiv(Integer.getInteger("dev.lanewise.test.tiers", 0), 2);
        List<String> ofTheDay = FLAGS.get(1 + LocalDate.now().getDayOfYear() % (FLAGS.size() - 1));
        return pairs > 0
                ? IntStream.range(0, pairs)
                        .mapToObj(pair -> Arguments.of(true, List.of(flags(2 * pair), flags(2 * pair + 1))))
                : Stream.of(Arguments.of(false, List.of(FLAGS.getFirst())),
                        Arguments.of(true, List.of(FLAGS.getFirst(), ofTheDay)));
    }

    private static List<String> flags(int jvm) {
        return FLAGS.get(jvm % FLAGS.size());
    }

    @ParameterizedTest
    @MethodSource("machines")
    void everyKernelIsCompiledByC2AndFast(boolean busy, List<List<String>> jvms)
            throws InterruptedException, ExecutionException {
        Assumptions.assumeTrue(RuntimeInfo.current().kernel() == Kernel.VECTOR, RuntimeInfo.current().reason());
        List<Future<FreshJvm.Result>> results = new ArrayList<>();
        try (Load load = new Load(); ExecutorService threads = Executors.newFixedThreadPool(jvms.size())) {
            if (busy) {
                load.add(Runtime.getRuntime().availableProcessors() - (jvms.size() - 1));
            }
            jvms.forEach(flags -> results.add(threads.submit(() -> run(flags, load, busy))));
        }
        for (Future<FreshJvm.Result> result : results) {
            check(result.get());
        }
    }

    /** Runs a JVM, and keeps its place among those that keep the processors busy. */
    private static FreshJvm.Result run(List<String> flags, Load load, boolean busy)
            throws IOException, InterruptedException {
        List<String> options = new ArrayList<>(FreshJvm.VECTOR);
        options.add("-XX:+PrintCompilation");
        options.addAll(flags);
        try {
            return FreshJvm.onClassPath(options, Program.class);
        } finally {
            load.add(busy ? 1 : 0);
        }
    }

    private static void check(FreshJvm.Result result) {
        assertEquals(0, result.exit(), result::err);
        Log log = Log.parse(result.out());
        assertEquals(List.of(), log.skipped);
        log.traps.values().removeIf(traps -> traps <= MOST_TRAPS);
        assertEquals(Map.of(), log.traps, "compiled anew so often");
        Map<String, Double> ratios = new TreeMap<>();
        Matcher ratio = RATIO.matcher(result.err());
        while (ratio.find()) {
            ratios.put(ratio.group(2), Double.valueOf(ratio.group(1)));
        }
        assertEquals(Program.CASES, ratios.size(), result::err);
        ratios.values().removeIf(value -> value >= FASTER);
        assertEquals(Map.of(), ratios,
                "not " + FASTER + " times faster than the scalar kernel; 0 where the library still ran on that");
        List<String> tiles = log.tiers.keySet().stream().filter(method -> TILE.matcher(method).matches()).toList();
        assertTrue(tiles.size() >= 3, tiles::toString);
        assertEquals(List.of(), tiles.stream().filter(tile -> !log.atTopTier(tile)).toList(),
                () -> "not compiled by C2 at the end: " + log.tiers);
    }

    @Test
    void theLogIsUnderstood() {
        Log log = Log.parse("""
                   2338 1491       2       dev.lanewise.internal.kernel.Tile4x2::multiply (465 bytes)
                   3026 1602       4       dev.lanewise.internal.kernel.Tile4x2::multiply (465 bytes)
                   3027 1491       2       dev.lanewise.internal.kernel.Tile4x2::multiply (465 bytes)   made not entrant: not used
                   3028 1603   !   4       dev.lanewise.internal.kernel.Tile4x3::multiply (639 bytes)
                   3029 1603   !   4       dev.lanewise.internal.kernel.Tile4x3::multiply (639 bytes)   made not entrant: uncommon trap
                   3030 1604 % s   4       dev.lanewise.internal.kernel.Tile4x3::multiply @ 69 (639 bytes)
                   3031 1605       3       dev.lanewise.internal.kernel.Tile8x3::multiply (813 bytes)
                   3032 1605       3       dev.lanewise.internal.kernel.Tile8x3::multiply (813 bytes)   COMPILE SKIPPED: out of registers
                   3033 1606       4       dev.lanewise.internal.kernel.Tile4x1::multiply (291 bytes)
                   3034 1606       4       dev.lanewise.internal.kernel.Tile4x1::multiply (291 bytes)   COMPILE SKIPPED: concurrent class loading
                """);
        assertTrue(log.atTopTier("dev.lanewise.internal.kernel.Tile4x2::multiply"));
        assertFalse(log.atTopTier("dev.lanewise.internal.kernel.Tile4x3::multiply"));
        assertFalse(log.atTopTier("dev.lanewise.internal.kernel.Tile8x3::multiply"));
        assertFalse(log.atTopTier("dev.lanewise.internal.kernel.Tile4x1::multiply"));
        assertEquals(Map.of("dev.lanewise.internal.kernel.Tile4x3::multiply", 1), log.traps);
        assertEquals(1, log.skipped.size());
        assertTrue(log.skipped.getFirst().contains("Tile8x3"));
    }

    /** Threads that leave no core idle. */
    private static final class Load implements AutoCloseable {
        private volatile boolean stopped;

        void add(int count) {
            for (int i = 0; i < count; i++) {
                Thread.ofPlatform().daemon().start(this::spin);
            }
        }

        private void spin() {
            while (!stopped) {
                Thread.onSpinWait();
            }
        }

        @Override
        public void close() {
            stopped = true;
        }
    }
}
