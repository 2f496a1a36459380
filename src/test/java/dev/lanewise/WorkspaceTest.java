package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.ForAll;
import net.jqwik.api.GenerationMode;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

/** Scratch that the caller owns. */
class WorkspaceTest {
    @Provide
    Arbitrary<AttentionCase> anyCase() {
        return AttentionCases.any();
    }

    /** Exactly the bytes of the query are enough, whatever the call, and the memory beside them stays as it was. */
    @Property(tries = 60, edgeCases = EdgeCasesMode.NONE)
    void whatTheQuerySaysIsEnoughAndChangesNoBit(@ForAll("anyCase") AttentionCase drawn,
            @ForAll @IntRange(min = 1, max = 3) int threads) {
        try (Arena arena = Arena.ofShared(); ExecutorService executor = Executors.newFixedThreadPool(threads)) {
            Attention operator = drawn.operator(RuntimeInfo.current().kernel());
            AttentionInputs inputs = drawn.inputs(arena);
            Tensor pooled = context(arena, inputs);
            Tensor owned = context(arena, inputs);
            operator.run(inputs, AttentionOutputs.of(pooled));
            long bytes = operator.workspaceBytes(inputs, AttentionOutputs.of(owned), threads);
            Workspace workspace = Workspace.allocate(arena, bytes, threads);
            assertEquals(Math.max(1, bytes), workspace.bytes());
            assertEquals(threads, workspace.threads());
            Execution execution = Execution.here().withWorkspace(workspace).withThreads(executor, threads);
            operator.run(inputs, AttentionOutputs.of(owned), execution);
            operator.run(inputs, AttentionOutputs.of(owned), execution);
            assertArrayEquals(pooled.toFloats(), owned.toFloats(), 0);
        }
    }

    /** The parts of a workspace are whole cache lines: a kernel that needs less than its last line is told of all of it. */
    @Test
    void whatTheQuerySaysIsEnoughForACallWithoutRows() {
        try (Arena arena = Arena.ofConfined()) {
            Tensor q = Tensor.allocate(arena, ElementType.FLOAT32, 1, 1, 0, 16);
            Tensor v = Tensor.allocate(arena, ElementType.FLOAT32, 1, 1, 0, 8);
            AttentionInputs inputs = AttentionInputs.of(q, q, v);
            AttentionOutputs outputs = AttentionOutputs.of(Tensor.allocate(arena, ElementType.FLOAT32, 1, 1, 0, 8));
            Attention operator = Attention.builder().bitStable().build();
            Workspace workspace = Workspace.allocate(arena, operator.workspaceBytes(inputs, outputs, 1), 1);
            operator.run(inputs, outputs, Execution.here().withWorkspace(workspace));
        }
    }

    private static Tensor context(Arena arena, AttentionInputs inputs) {
        return Tensor.allocate(arena, ElementType.FLOAT32, inputs.q.size(0), inputs.q.size(1), inputs.q.size(2),
                inputs.v.size(3));
    }

    /** 8 heads, 200 by 200, 32 features: worth three helpers. */
    private static AttentionInputs operands(Arena arena) {
        Tensor q = Layout.PLAIN.normal(arena, new java.util.Random(1), 1, 1, 8, 200, 32);
        return AttentionInputs.of(q, q, q);
    }

    @Test
    void oneThatIsTooSmallIsRefusedBeforeAnythingIsWritten() {
        Assumptions.assumeTrue(RuntimeInfo.current().kernel() == Kernel.VECTOR, "the scalar kernel needs none");
        try (Arena arena = Arena.ofShared()) {
            AttentionInputs inputs = operands(arena);
            Tensor out = context(arena, inputs);
            Attention operator = Attention.builder().bitStable().build();
            long bytes = operator.workspaceBytes(inputs, AttentionOutputs.of(out), 1);
            Execution small = Execution.here().withWorkspace(Workspace.allocate(arena, bytes - 64, 1));
            assertEquals("workspace: " + (bytes - 64) + " bytes a thread, wanted at least " + bytes,
                    assertThrows(IllegalArgumentException.class,
                            () -> operator.run(inputs, AttentionOutputs.of(out), small)).getMessage());
            Execution narrow = Execution.here().withWorkspace(Workspace.allocate(arena, 2 * bytes, 2));
            assertEquals("workspace: made for 2 threads, wanted at least 3",
                    assertThrows(IllegalArgumentException.class, () -> operator.run(inputs, AttentionOutputs.of(out),
                            narrow.withThreads(Runnable::run, 3))).getMessage());
            assertArrayEquals(new float[(int) out.elementCount()], out.toFloats());
        }
        assertThrows(IllegalArgumentException.class, () -> Workspace.allocate(Arena.ofAuto(), -1, 1));
        assertThrows(IllegalArgumentException.class, () -> Workspace.allocate(Arena.ofAuto(), 1, 0));
    }

    /** What a thread needs depends on the head dimension and on types, not on how long the sequences are. */
    @Property(generation = GenerationMode.EXHAUSTIVE)
    void scratchIsIndependentOfTheSequenceLength(@ForAll Kernel kernel, @ForAll boolean causal,
            @ForAll("depths") int depth, @ForAll("storage") ElementType type,
            @ForAll @IntRange(min = 1, max = 2) int threads) {
        Assumptions.assumeTrue(kernel != Kernel.VECTOR || RuntimeInfo.current().kernel() == Kernel.VECTOR);
        Attention.Builder builder = Attention.builder().kernel(kernel);
        Attention operator = (causal ? builder.causal(PositionOffset.topLeft()) : builder).build();
        long expected = workspaceBytes(operator, type, 512, depth, threads);
        assertEquals(kernel == Kernel.VECTOR, expected > 0);
        for (int length : new int[]{577, 2048, 8192}) {
            assertEquals(expected, workspaceBytes(operator, type, length, depth, threads), "length " + length);
        }
    }

    @Provide
    Arbitrary<Integer> depths() {
        return Arbitraries.of(3, 64, 80, 128);
    }

    @Provide
    Arbitrary<ElementType> storage() {
        return Arbitraries.of(ElementType.FLOAT32, ElementType.BFLOAT16);
    }

    private static long workspaceBytes(Attention operator, ElementType type, int length, int depth, int threads) {
        try (Arena arena = Arena.ofConfined()) {
            Tensor q = Tensor.allocate(arena, ElementType.FLOAT32, 1, 2, length, depth);
            Tensor k = Tensor.allocate(arena, type, 1, 2, length, depth);
            AttentionInputs inputs = AttentionInputs.of(q, k, k);
            return operator.workspaceBytes(inputs, AttentionOutputs.of(context(arena, inputs)), threads);
        }
    }

    /** The executor runs in the middle of the call that has the workspace, so what it tries is refused, and harms nobody. */
    @Test
    void aSecondCallAtTheSameTimeIsRefused() {
        Assumptions.assumeTrue(RuntimeInfo.current().kernel() == Kernel.VECTOR, "the scalar kernel asks no executor");
        try (Arena arena = Arena.ofShared()) {
            AttentionInputs inputs = operands(arena);
            Tensor out = context(arena, inputs);
            Tensor second = context(arena, inputs);
            Attention operator = Attention.builder().bitStable().build();
            operator.run(inputs, AttentionOutputs.of(out));
            float[] expected = out.toFloats();
            Workspace workspace = Workspace.allocate(arena,
                    operator.workspaceBytes(inputs, AttentionOutputs.of(out), 2), 2);
            Execution alone = Execution.here().withWorkspace(workspace);
            AtomicReference<Throwable> refused = new AtomicReference<>();
            operator.run(inputs, AttentionOutputs.of(out), alone.withThreads(_ -> refused.set(CompletableFuture
                    .supplyAsync(() -> assertThrows(IllegalStateException.class,
                            () -> operator.run(inputs, AttentionOutputs.of(second), alone)))
                    .join()), 2));
            assertEquals("workspace: in use by another call, wanted one call at a time", refused.get().getMessage());
            assertArrayEquals(expected, out.toFloats(), 0);
            assertArrayEquals(new float[expected.length], second.toFloats());
            operator.run(inputs, AttentionOutputs.of(second), alone);
            assertArrayEquals(expected, second.toFloats(), 0);
        }
    }

    /** Threads race for one workspace: each call gives the right answer or is refused, and some do the one, some the other. */
    @Test
    void threadsThatRaceForOneGetRightAnswersOrNone() throws Exception {
        AtomicInteger answered = new AtomicInteger();
        AtomicInteger refused = new AtomicInteger();
        try (Arena arena = Arena.ofShared(); ExecutorService executor = Executors.newFixedThreadPool(4)) {
            AttentionInputs inputs = operands(arena);
            Attention operator = Attention.builder().bitStable().build();
            Tensor out = context(arena, inputs);
            operator.run(inputs, AttentionOutputs.of(out));
            float[] expected = out.toFloats();
            Execution execution = Execution.here()
                    .withWorkspace(Workspace.allocate(arena,
                            operator.workspaceBytes(inputs, AttentionOutputs.of(out), 1), 1));
            Callable<Void> racer = () -> {
                Tensor own = context(arena, inputs);
                for (int i = 0; i < 50 || refused.get() == 0 && i < 5_000; i++) {
                    try {
                        operator.run(inputs, AttentionOutputs.of(own), execution);
                        answered.incrementAndGet();
                        assertArrayEquals(expected, own.toFloats(), 0);
                    } catch (IllegalStateException busy) {
                        refused.incrementAndGet();
                    }
                }
                return null;
            };
            for (var done : executor.invokeAll(java.util.Collections.nCopies(4, racer))) {
                done.get();
            }
        }
        assertTrue(answered.get() > 0 && refused.get() > 0, answered + " answered, " + refused + " refused");
    }

    @Test
    void itsArenaDecidesWhoMayUseIt() {
        try (Arena shared = Arena.ofShared()) {
            AttentionInputs inputs = operands(shared);
            AttentionOutputs outputs = AttentionOutputs.of(context(shared, inputs));
            Attention operator = Attention.builder().bitStable().build();
            long bytes = operator.workspaceBytes(inputs, outputs, 2);
            Execution closed;
            try (Arena confined = Arena.ofConfined()) {
                Execution own = Execution.here().withWorkspace(Workspace.allocate(confined, bytes, 2));
                operator.run(inputs, outputs, own);
                assertThrows(WrongThreadException.class,
                        () -> operator.run(inputs, outputs, own.withThreads(Runnable::run, 2)));
                Throwable other = CompletableFuture.supplyAsync(
                        () -> assertThrows(WrongThreadException.class, () -> operator.run(inputs, outputs, own)))
                        .join();
                assertTrue(other.getMessage().startsWith("workspace: its arena is confined to another thread"),
                        other::getMessage);
                operator.run(inputs, outputs, own);
                closed = own;
            }
            assertEquals("workspace: its arena is closed, wanted an open one", assertThrows(IllegalStateException.class,
                    () -> operator.run(inputs, outputs, closed)).getMessage());
        }
    }

    @Test
    void aLayerTakesNone() {
        try (Arena arena = Arena.ofShared()) {
            Tensor weight = Tensor.allocate(arena, ElementType.FLOAT32, 4, 4);
            MultiHeadAttention layer = MultiHeadAttention.builder(1, 1)
                    .query(weight, null)
                    .key(weight, null)
                    .value(weight, null)
                    .output(weight, null)
                    .build(arena);
            Execution own = Execution.here().withWorkspace(Workspace.allocate(arena, 64, 1));
            assertThrows(IllegalArgumentException.class, () -> layer.run(weight, weight, in -> in, out -> out,
                    Tensor.allocate(arena, ElementType.FLOAT32, 4, 4), own));
        }
    }
}
