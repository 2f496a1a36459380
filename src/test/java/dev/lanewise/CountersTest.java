package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.Test;

/** What the counters count, and how a user hands them to Micrometer. */
class CountersTest {
    private static final Path PAGE = Path.of("src/site/markdown/observe.md");

    private static Counters difference(Counters before) {
        Counters now = Counters.snapshot();
        return new Counters(now.calls() - before.calls(), now.rows() - before.rows(), now.bytes() - before.bytes(),
                now.coldCalls() - before.coldCalls(), now.scratchInUse(), now.scratchFree());
    }

    @Test
    void callsRowsAndBytesAreThoseOfTheOperands() {
        try (Arena arena = Arena.ofConfined()) {
            Tensor q = Tensor.allocate(arena, ElementType.FLOAT32, 2, 6, 5, 8);
            Tensor k = Tensor.allocate(arena, ElementType.FLOAT16, 2, 3, 7, 8);
            Tensor v = Tensor.allocate(arena, ElementType.FLOAT32, 2, 3, 7, 4);
            Tensor context = Tensor.allocate(arena, ElementType.FLOAT32, 2, 6, 5, 4);
            Tensor lse = Tensor.allocate(arena, ElementType.FLOAT64, 2, 6, 5, 1);
            Attention operator = Attention.builder().bitStable().build();
            AttentionInputs inputs = AttentionInputs.of(q, k, v);
            AttentionOutputs outputs = AttentionOutputs.of(context).withLogSumExp(lse);
            Counters before = Counters.snapshot();
            operator.run(inputs, outputs);
            Counters one = difference(before);
            assertEquals(1, one.calls());
            assertEquals(2 * 6 * 5, one.rows());
            assertEquals(2 * 6 * 5 * (8 * 4 + 4 * 4 + 8) + 2 * 3 * 7 * (8 * 2 + 4 * 4), one.bytes());
            assertEquals(0, one.coldCalls());
            operator.run(inputs, outputs, Execution.here()
                    .withWorkspace(Workspace.allocate(arena, operator.workspaceBytes(inputs, outputs, 1), 1)));
            assertEquals(2, difference(before).calls());
            assertEquals(2 * one.bytes(), difference(before).bytes());
            Tensor matrix = Tensor.allocate(arena, ElementType.FLOAT32, 3, 3);
            MatMul.multiply(matrix, matrix, Tensor.allocate(arena, ElementType.FLOAT32, 3, 3));
            Softmax.rows(matrix, matrix);
            assertEquals(4, difference(before).calls());
            assertEquals(2 * 60 + 3 + 3, difference(before).rows());
        }
    }

    /** More callers than the pool has slots lose no count. */
    @Test
    void callsOfManyThreadsAreAllCounted() {
        Counters before = Counters.snapshot();
        int threads = 50;
        try (Arena arena = Arena.ofShared()) {
            Tensor matrix = Tensor.allocate(arena, ElementType.FLOAT32, 3, 3);
            try (ExecutorService executor = Executors.newFixedThreadPool(threads)) {
                for (int i = 0; i < threads; i++) {
                    executor.execute(() -> {
                        Tensor out = Tensor.allocate(Arena.ofAuto(), ElementType.FLOAT32, 3, 3);
                        for (int call = 0; call < 1000; call++) {
                            Softmax.rows(matrix, out);
                        }
                    });
                }
            }
        }
        assertEquals(threads * 1000L, difference(before).calls());
    }

    /** The five lines of the page. */
    private static void bind(MeterRegistry registry) {
        Class<?> key = Counters.class;
        FunctionCounter.builder("lanewise.calls", key, _ -> Counters.snapshot().calls()).register(registry);
        FunctionCounter.builder("lanewise.rows", key, _ -> Counters.snapshot().rows()).register(registry);
        FunctionCounter.builder("lanewise.cold", key, _ -> Counters.snapshot().coldCalls()).register(registry);
        Gauge.builder("lanewise.scratch", () -> Counters.snapshot().scratchInUse()).register(registry);
    }

    @Test
    void theLinesThatBindThemToMicrometerWork() {
        MeterRegistry registry = new SimpleMeterRegistry();
        bind(registry);
        double before = registry.get("lanewise.calls").functionCounter().count();
        try (Arena arena = Arena.ofConfined()) {
            Tensor matrix = Tensor.allocate(arena, ElementType.FLOAT32, 3, 3);
            Softmax.rows(matrix, matrix);
        }
        assertEquals(before + 1, registry.get("lanewise.calls").functionCounter().count());
        assertEquals(0, registry.get("lanewise.scratch").gauge().value());
    }

    @Test
    void thePageHasTheLinesThatAreCompiledHere() throws IOException {
        String source = Files.readString(Path.of("src/test/java/dev/lanewise/CountersTest.java"));
        String lines = source.substring(source.indexOf("Class<?> key"), source.indexOf("register(registry);\n    }"));
        String page = Files.readString(PAGE).replaceAll("\\s+", " ");
        assertTrue(page.contains(lines.replaceAll("\\s+", " ")), lines);
    }
}
