package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.UnaryOperator;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.lifecycle.AfterContainer;
import net.jqwik.api.lifecycle.BeforeContainer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** A call that is refused says what was wrong with which argument, and has written nothing. */
class AttentionArgumentsTest {
    private static final byte PATTERN = 0x5A;
    /** Room for any tensor of {@link #sizes()} and for one that is shifted or has one element more an axis: 3·7·5·6 floats are 2,520 bytes. */
    private static final long SEGMENT_BYTES = 4096;

    private static ExecutorService otherThread;
    private static Arena othersArena;

    @BeforeContainer
    static void openArenaOfAnotherThread() {
        otherThread = Executors.newSingleThreadExecutor();
        othersArena = CompletableFuture.supplyAsync(Arena::ofConfined, otherThread).join();
    }

    @AfterContainer
    static void closeArenaOfAnotherThread() {
        CompletableFuture.runAsync(othersArena::close, otherThread).join();
        otherThread.shutdown();
    }

    /** The operands, with the shapes that they have in a call that is right. */
    private enum Operand {
        Q("q") {
            @Override
            long[] shape(Sizes s) {
                return new long[]{s.batch, s.heads(), s.queries, s.depth};
            }
        },
        K("k") {
            @Override
            long[] shape(Sizes s) {
                return new long[]{s.batch, s.kvHeads, s.keys, s.depth};
            }
        },
        V("v") {
            @Override
            long[] shape(Sizes s) {
                return new long[]{s.batch, s.kvHeads, s.keys, s.valueDepth};
            }
        },
        MASK("mask") {
            @Override
            long[] shape(Sizes s) {
                return SCORES.shape(s);
            }
        },
        CONTEXT("context") {
            @Override
            long[] shape(Sizes s) {
                return new long[]{s.batch, s.heads(), s.queries, s.valueDepth};
            }
        },
        SCORES("scores") {
            @Override
            long[] shape(Sizes s) {
                return new long[]{s.batch, s.heads(), s.queries, s.keys};
            }
        },
        WEIGHTS("weights") {
            @Override
            long[] shape(Sizes s) {
                return SCORES.shape(s);
            }
        },
        LOG_SUM_EXP("logSumExp") {
            @Override
            long[] shape(Sizes s) {
                return new long[]{s.batch, s.heads(), s.queries, 1};
            }
        };

        static final List<Operand> INPUTS = List.of(Q, K, V, MASK);
        static final List<Operand> OUTPUTS = List.of(CONTEXT, SCORES, WEIGHTS, LOG_SUM_EXP);
        final String argument;

        Operand(String argument) {
            this.argument = argument;
        }

        abstract long[] shape(Sizes sizes);
    }

    private record Sizes(int batch, int kvHeads, int group, int queries, int keys, int depth, int valueDepth) {
        long heads() {
            return (long) kvHeads * group;
        }
    }

    /** One call: every operand has a segment of its own, full of a pattern. */
    private static final class Call implements AutoCloseable {
        private final Arena arena = Arena.ofConfined();
        private final Map<Operand, Tensor> tensors = new EnumMap<>(Operand.class);
        private final List<MemorySegment> memory = new ArrayList<>();

        Call(Sizes sizes) {
            for (Operand operand : Operand.values()) {
                tensors.put(operand, Tensor.of(segment(arena), ElementType.FLOAT32, operand.shape(sizes)));
            }
        }

        Tensor get(Operand operand) {
            return tensors.get(operand);
        }

        MemorySegment segment(Arena owner) {
            MemorySegment segment = owner.allocate(SEGMENT_BYTES).fill(PATTERN);
            memory.add(segment);
            return segment;
        }

        void reshape(Operand operand, long... shape) {
            tensors.put(operand, Tensor.of(segment(arena), ElementType.FLOAT32, shape));
        }

        void resize(Operand operand, int axis, long size) {
            long[] shape = get(operand).shape();
            shape[axis] = size;
            reshape(operand, shape);
        }

        void change(Operand operand, UnaryOperator<Tensor> change) {
            tensors.put(operand, change.apply(get(operand)));
        }

        void run() {
            AttentionInputs inputs = AttentionInputs.of(get(Operand.Q), get(Operand.K), get(Operand.V))
                    .withMask(get(Operand.MASK));
            AttentionOutputs outputs = AttentionOutputs.of(get(Operand.CONTEXT))
                    .withScores(get(Operand.SCORES), ScoreStage.BIASED)
                    .withWeights(get(Operand.WEIGHTS))
                    .withLogSumExp(get(Operand.LOG_SUM_EXP));
            Attention.builder().kernel(Kernel.SCALAR).build().run(inputs, outputs);
        }

        /** Whether all memory that can still be read holds the pattern. */
        boolean untouched() {
            byte[] pattern = new byte[(int) SEGMENT_BYTES];
            Arrays.fill(pattern, PATTERN);
            return memory.stream()
                    .filter(segment -> segment.scope().isAlive() && segment.isAccessibleBy(Thread.currentThread()))
                    .allMatch(segment -> segment.mismatch(MemorySegment.ofArray(pattern)) < 0);
        }

        @Override
        public void close() {
            arena.close();
        }
    }

    /** What a refusal has to be. */
    private record Refusal(Class<? extends RuntimeException> type, List<String> parts) {
        static Refusal of(String... parts) {
            return new Refusal(IllegalArgumentException.class, List.of(parts));
        }
    }

    /** One mistake in a call: makes it, and tells how it has to be refused. */
    private interface Mistake {
        Refusal make(Call call, Random random);
    }

    private record Fault(String name, Mistake mistake) {
        @Override
        public String toString() {
            return name;
        }
    }

    private static List<Fault> faults() {
        List<Fault> faults = new ArrayList<>();
        for (Operand operand : Operand.values()) {
            String argument = operand.argument;
            for (int rank : new int[]{0, 1, 3, 5}) {
                if ((operand != Operand.MASK && operand != Operand.Q) || rank != 3) {
                    faults.add(new Fault(argument + " of rank " + rank, (call, random) -> {
                        call.reshape(operand, ones(rank));
                        return Refusal.of(argument + ": rank " + rank, "wanted", "4");
                    }));
                }
            }
            faults.add(new Fault(argument + " of integers", (call, random) -> {
                call.change(operand, t -> Tensor.of(t.segment(), ElementType.INT32, t.shape()));
                return Refusal.of(argument + ": INT32", "wanted", "FLOAT32");
            }));
            faults.add(new Fault(argument + " in a closed arena", (call, random) -> {
                try (Arena closed = Arena.ofConfined()) {
                    call.change(operand, t -> Tensor.of(call.segment(closed), t.type(), t.shape()));
                }
                return new Refusal(IllegalStateException.class, List.of(argument + ":", "closed", "wanted"));
            }));
            faults.add(new Fault(argument + " in another thread's arena", (call, random) -> {
                MemorySegment foreign = CompletableFuture
                        .supplyAsync(() -> othersArena.allocate(SEGMENT_BYTES), otherThread)
                        .join();
                call.change(operand, t -> Tensor.of(foreign, t.type(), t.shape()));
                return new Refusal(WrongThreadException.class,
                        List.of(argument + ":", "another thread", "wanted", Thread.currentThread().getName()));
            }));
        }
        for (Operand operand : List.of(Operand.V, Operand.CONTEXT, Operand.SCORES, Operand.WEIGHTS,
                Operand.LOG_SUM_EXP)) {
            for (int axis = 0; axis < (operand == Operand.V ? 3 : 4); axis++) {
                faults.add(wrongSize(operand, axis));
            }
        }
        faults.add(wrongSize(Operand.K, 0));
        faults.add(wrongSize(Operand.K, 3));
        for (int axis = 0; axis < 4; axis++) {
            faults.add(wrongMaskSize(axis));
        }
        faults.add(new Fault("mask of another query row, of lower rank", (call, random) -> {
            long[] wanted = call.get(Operand.SCORES).shape();
            call.reshape(Operand.MASK, wanted[2] + 2, wanted[3]);
            return Refusal.of("mask: axis 0 has " + (wanted[2] + 2), "wanted 1 or " + wanted[2]);
        }));
        for (Operand output : Operand.OUTPUTS) {
            faults.add(readOnly(output));
            faults.add(broadcast(output));
            for (Operand input : Operand.INPUTS) {
                faults.add(overlapping(output, input));
            }
            for (Operand other : Operand.OUTPUTS.subList(0, Operand.OUTPUTS.indexOf(output))) {
                faults.add(overlapping(output, other));
            }
        }
        faults.add(headsNotDivisible());
        faults.add(new Fault("no key/value heads", (call, random) -> {
            long heads = call.get(Operand.Q).size(1);
            call.resize(Operand.K, 1, 0);
            call.resize(Operand.V, 1, 0);
            return Refusal.of("k: 0 heads", "wanted", String.valueOf(heads));
        }));
        faults.add(new Fault("no features in q and k", (call, random) -> {
            call.resize(Operand.Q, 3, 0);
            call.resize(Operand.K, 3, 0);
            return Refusal.of("q", "0", "at least 1");
        }));
        faults.add(new Fault("no features in v and the context", (call, random) -> {
            call.resize(Operand.V, 3, 0);
            call.resize(Operand.CONTEXT, 3, 0);
            return Refusal.of("v", "0", "at least 1");
        }));
        for (Operand input : List.of(Operand.Q, Operand.K, Operand.V)) {
            faults.add(new Fault("too many rows in " + input.argument, (call, random) -> {
                call.change(input, t -> t.slice(2, 0, 1).broadcast(2, 1L << 31));
                return Refusal.of(input.argument + ": axis 2 has 2147483648", "at most 2147483647");
            }));
        }
        return faults;
    }

    private static long[] ones(int rank) {
        long[] shape = new long[rank];
        Arrays.fill(shape, 1);
        return shape;
    }

    /** One element more, or none at all: 1 must not pass for any size where broadcasting is not allowed. */
    private static Fault wrongSize(Operand operand, int axis) {
        return new Fault(operand.argument + " of another size on axis " + axis, (call, random) -> {
            long wanted = call.get(operand).size(axis);
            long size = random.nextInt((int) wanted + 2);
            long wrong = size == wanted ? wanted + 1 : size;
            call.resize(operand, axis, wrong);
            if (wrong == 0 && operand == Operand.K && axis == 3) {
                return Refusal.of("k", "0");
            }
            return Refusal.of(operand.argument + ": axis " + axis + " has " + wrong + " elements", "wanted",
                    " " + wanted);
        });
    }

    private static Fault wrongMaskSize(int axis) {
        return new Fault("mask of another size on axis " + axis, (call, random) -> {
            long wanted = call.get(Operand.SCORES).size(axis);
            long wrong = random.nextBoolean() ? 0 : wanted + 1;
            call.resize(Operand.MASK, axis, wrong);
            return Refusal.of("mask: axis " + axis + " has " + wrong + " elements", "wanted 1 or " + wanted);
        });
    }

    private static Fault headsNotDivisible() {
        return new Fault("heads that are no multiple", (call, random) -> {
            long heads = call.get(Operand.Q).size(1);
            call.resize(Operand.K, 1, heads + 1);
            call.resize(Operand.V, 1, heads + 1);
            return Refusal.of("k: " + (heads + 1) + " heads", "wanted", " " + heads);
        });
    }

    private static Fault readOnly(Operand output) {
        return new Fault(output.argument + " in read-only memory", (call, random) -> {
            call.change(output, t -> Tensor.of(t.segment().asReadOnly(), t.type(), t.shape()));
            return Refusal.of(output.argument + ":", "read-only", "wanted", "writable");
        });
    }

    /** One more batch row, the same as the first: q, k, v and the other outputs follow, so that only the stride is wrong. */
    private static Fault broadcast(Operand output) {
        return new Fault(output.argument + " with a stride of 0", (call, random) -> {
            for (Operand operand : Operand.values()) {
                call.resize(operand, 0, 2);
            }
            call.change(output, t -> t.slice(0, 0, 1).broadcast(0, 2));
            return Refusal.of(output.argument + ": " + call.get(output), "wanted", "without overlap");
        });
    }

    /** Two bytes into the first element of the other: sharing half a float32 is enough, and no view can be the same. */
    private static Fault overlapping(Operand output, Operand other) {
        return new Fault(output.argument + " over " + other.argument, (call, random) -> {
            Tensor under = call.get(other);
            call.change(output, t -> Tensor.of(under.segment().asSlice(2), t.type(), t.shape()));
            return Refusal.of(output.argument, other.argument, "overlaps", call.get(output).toString(),
                    under.toString(), "wanted");
        });
    }

    @Property(tries = 3000)
    void aRefusedCallNamesTheArgumentAndBothValuesAndHasWrittenNothing(@ForAll("anyFault") Fault fault,
            @ForAll("sizes") Sizes sizes, @ForAll Random random) {
        try (Call call = new Call(sizes)) {
            Refusal refusal = fault.mistake.make(call, random);
            RuntimeException thrown = assertThrows(refusal.type, call::run);
            for (String part : refusal.parts) {
                assertTrue(thrown.getMessage().contains(part),
                        () -> "'" + thrown.getMessage() + "' lacks '" + part + "'");
            }
            assertTrue(call.untouched(), () -> thrown.getMessage() + ", but something was written");
        }
    }

    /** Without this, the property above could pass for a reason that all its calls share. */
    @Property(tries = 100)
    void theSameCallWithoutTheFaultIsAcceptedAndWrites(@ForAll("sizes") Sizes sizes) {
        try (Call call = new Call(sizes)) {
            call.run();
            assertTrue(!call.untouched());
        }
    }

    @Property(tries = 200)
    void theContextMayBeTheVeryViewThatQueriesAre(@ForAll("sizes") Sizes sizes, @ForAll Random random) {
        Sizes square = new Sizes(sizes.batch, sizes.kvHeads, sizes.group, sizes.queries * 9, sizes.keys, sizes.depth,
                sizes.depth);
        try (Arena arena = Arena.ofConfined()) {
            Tensor q = filled(arena, random, Operand.Q.shape(square));
            Tensor k = filled(arena, random, Operand.K.shape(square));
            Tensor v = filled(arena, random, Operand.V.shape(square));
            for (Kernel kernel : List.of(RuntimeInfo.current().kernel(), Kernel.SCALAR, Kernel.REFERENCE)) {
                Attention attention = Attention.builder().kernel(kernel).build();
                Tensor apart = Tensor.allocate(arena, ElementType.FLOAT32, q.shape());
                attention.run(q, k, v, apart);
                Tensor inPlace = Tensor.ofFloats(arena, q.toFloats(), q.shape());
                attention.run(inPlace, k, v, Tensor.of(inPlace.segment(), ElementType.FLOAT32, q.shape()));
                assertArrayEquals(apart.toFloats(), inPlace.toFloats(), kernel.name());
            }
        }
    }

    private static Tensor filled(Arena arena, Random random, long... shape) {
        Tensor tensor = Tensor.allocate(arena, ElementType.FLOAT32, shape);
        for (long i = 0; i < tensor.elementCount(); i++) {
            tensor.segment().setAtIndex(ValueLayout.JAVA_FLOAT, i, random.nextFloat(-1, 1));
        }
        return tensor;
    }

    @Test
    void absentArgumentsAreNamed() {
        try (Call call = new Call(new Sizes(1, 1, 1, 1, 1, 1, 1))) {
            Tensor t = call.get(Operand.Q);
            AttentionInputs inputs = AttentionInputs.of(t, call.get(Operand.K), call.get(Operand.V));
            AttentionOutputs outputs = AttentionOutputs.of(call.get(Operand.CONTEXT));
            Attention attention = Attention.builder().build();
            assertAbsent("q", () -> AttentionInputs.of(null, t, t));
            assertAbsent("k", () -> AttentionInputs.of(t, null, t));
            assertAbsent("v", () -> AttentionInputs.of(t, t, null));
            assertAbsent("context", () -> AttentionOutputs.of(null));
            assertAbsent("scores", () -> outputs.withScores(null, ScoreStage.RAW));
            assertAbsent("stage", () -> outputs.withScores(t, null));
            assertAbsent("weights", () -> outputs.withWeights(null));
            assertAbsent("logSumExp", () -> outputs.withLogSumExp(null));
            assertAbsent("inputs", () -> attention.run(null, outputs));
            assertAbsent("outputs", () -> attention.run(inputs, null));
            assertAbsent("causal", () -> Attention.builder().causal(null));
            assertAbsent("kernel", () -> Attention.builder().kernel(null));
            assertTrue(call.untouched());
        }
    }

    private static void assertAbsent(String name, Executable call) {
        assertEquals(name, assertThrows(NullPointerException.class, call).getMessage());
    }

    @Property
    void aScaleThatIsNotAFiniteFloatIsRefused(@ForAll("notFinite") double scale) {
        IllegalArgumentException thrown = assertThrows(IllegalArgumentException.class,
                () -> Attention.builder().scale(scale));
        assertTrue(thrown.getMessage().startsWith("scale: " + scale + ", wanted"), thrown::getMessage);
    }

    /** A double that float32 rounds to 0 would mean something else: no scores, or no cap. */
    @Test
    void valuesThatFloat32CannotTellFromZeroAreRefused() {
        for (double tiny : new double[]{1e-50, -1e-50, Double.MIN_VALUE, Float.MIN_VALUE / 2.0}) {
            assertRefused("scale: " + tiny, () -> Attention.builder().scale(tiny));
            assertRefused("softcap: " + tiny, () -> Attention.builder().softcap(tiny));
        }
        assertEquals(-0.0f, Attention.builder().scale(-0.0).build().scale);
        assertEquals(Float.MIN_VALUE, Attention.builder().scale(Math.nextUp(Float.MIN_VALUE / 2.0)).build().scale);
    }

    /** The least cap whose reciprocal, by which scores are multiplied, is no infinity for sure; 0 · ∞ would be NaN. */
    @Test
    void aSoftcapIsNoneOrNormal() {
        assertRefused("softcap: -1.0", () -> Attention.builder().softcap(-1));
        assertRefused("softcap: NaN", () -> Attention.builder().softcap(Double.NaN));
        assertRefused("softcap: 1.0E39", () -> Attention.builder().softcap(1e39));
        assertRefused("softcap: 1.0E-39", () -> Attention.builder().softcap(1e-39));
        assertEquals(0, Attention.builder().softcap(0).build().softcap);
        try (Arena arena = Arena.ofConfined()) {
            Tensor zeros = Tensor.allocate(arena, ElementType.FLOAT32, 1, 1, 2, 2);
            Tensor context = Tensor.ofFloats(arena, new float[]{1, 1, 1, 1}, 1, 1, 2, 2);
            Attention.builder().softcap(Float.MIN_NORMAL).bitStable().build().run(zeros, zeros, zeros, context);
            assertArrayEquals(new float[4], context.toFloats(), 0);
        }
    }

    private static void assertRefused(String start, Executable call) {
        IllegalArgumentException thrown = assertThrows(IllegalArgumentException.class, call);
        assertTrue(thrown.getMessage().startsWith(start + ", wanted"), thrown::getMessage);
    }

    @Property
    void offsetsThatCouldOverflowAreRefused(@ForAll("farOffsets") long offset) {
        IllegalArgumentException thrown = assertThrows(IllegalArgumentException.class,
                () -> PositionOffset.of(offset));
        assertTrue(thrown.getMessage().startsWith("offset: " + offset + ", wanted"), thrown::getMessage);
    }

    @Provide
    Arbitrary<Fault> anyFault() {
        return Arbitraries.of(faults());
    }

    @Provide
    Arbitrary<Sizes> sizes() {
        Arbitrary<Integer> few = Arbitraries.integers().between(1, 2);
        Arbitrary<Integer> some = Arbitraries.integers().between(1, 5);
        return Combinators.combine(few, few, Arbitraries.integers().between(1, 3), some, some, some, some)
                .as(Sizes::new);
    }

    /** From half a last place above the largest float32 on, a double rounds to infinity. */
    @Provide
    Arbitrary<Double> notFinite() {
        double first = Float.MAX_VALUE + Math.ulp(Float.MAX_VALUE) / 2.0;
        return Arbitraries.oneOf(Arbitraries.of(Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY, first),
                Arbitraries.doubles().between(first, Double.MAX_VALUE).map(d -> -d));
    }

    @Provide
    Arbitrary<Long> farOffsets() {
        return Arbitraries.longs().between((1L << 40) + 1, Long.MAX_VALUE).flatMap(far -> Arbitraries.of(far, -far));
    }
}
