package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lanewise.internal.observe.Events;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;

/** What Java Flight Recorder is told, and that nothing needs it. */
class EventsTest {
    private static List<RecordedEvent> record(Duration threshold, Runnable calls) throws IOException {
        Path file = Files.createTempFile("lanewise", ".jfr");
        try (Recording recording = new Recording()) {
            recording.enable("dev.lanewise.Call").withThreshold(threshold);
            recording.enable("dev.lanewise.StartUp");
            recording.enable("dev.lanewise.WarmUp");
            recording.start();
            calls.run();
            recording.stop();
            recording.dump(file);
            return RecordingFile.readAllEvents(file);
        } finally {
            Files.delete(file);
        }
    }

    private static RecordedEvent only(List<RecordedEvent> events, String name, String operator) {
        List<RecordedEvent> found = events.stream()
                .filter(event -> event.getEventType().getName().equals(name))
                .filter(event -> operator == null || event.getString("operator").equals(operator))
                .toList();
        assertEquals(1, found.size(), events::toString);
        return found.getFirst();
    }

    @Test
    void aCallTellsItsOperatorShapeKernelWidthAndThreads() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            Tensor q = Tensor.allocate(arena, ElementType.FLOAT32, 2, 6, 5, 8);
            Tensor k = Tensor.allocate(arena, ElementType.FLOAT32, 2, 3, 7, 8);
            Tensor v = Tensor.allocate(arena, ElementType.FLOAT32, 2, 3, 7, 4);
            Tensor context = Tensor.allocate(arena, ElementType.FLOAT32, 2, 6, 5, 4);
            Tensor matrix = Tensor.allocate(arena, ElementType.FLOAT32, 3, 3);
            List<RecordedEvent> events = record(Duration.ZERO, () -> {
                Attention.builder()
                        .bitStable()
                        .build()
                        .run(AttentionInputs.of(q, k, v), AttentionOutputs.of(context), Runnable::run, 2);
                MatMul.multiply(matrix, matrix, Tensor.allocate(arena, ElementType.FLOAT32, 3, 3));
                Softmax.rows(matrix, matrix);
            });
            RecordedEvent call = only(events, "dev.lanewise.Call", "attention");
            assertEquals("B 2, H 6/3, Lq 5, Lk 7, D 8, Dv 4", call.getString("shape"));
            assertEquals(RuntimeInfo.current().kernel().name(), call.getString("kernel"));
            assertEquals(RuntimeInfo.current().vectorBits(), call.getInt("vectorBits"));
            assertEquals(2, call.getInt("threads"));
            assertEquals(4 * (2 * 6 * 5 * 12 + 2 * 3 * 7 * 12), call.getLong("bytes"));
            assertFalse(call.getBoolean("failed"));
            assertTrue(call.getDuration().isPositive());
            assertEquals("M 3, K 3, N 3", only(events, "dev.lanewise.Call", "multiply").getString("shape"));
            assertEquals("3 x 3", only(events, "dev.lanewise.Call", "softmax").getString("shape"));
            RecordedEvent startUp = only(events, "dev.lanewise.StartUp", null);
            assertEquals(RuntimeInfo.current().kernelName(), startUp.getString("kernel"));
            assertEquals(RuntimeInfo.current().reason(), startUp.getString("reason"));
        }
    }

    @Test
    void aCallThatWasCancelledIsMarkedAndOneBelowTheThresholdIsNotWritten() throws IOException {
        try (Arena arena = Arena.ofShared()) {
            Tensor q = Tensor.allocate(arena, ElementType.FLOAT32, 5, 8);
            AttentionOutputs out = AttentionOutputs.of(Tensor.allocate(arena, ElementType.FLOAT32, 5, 8));
            Execution late = Execution.here().withDeadline(System.nanoTime());
            Runnable call = () -> assertThrows(CancellationException.class,
                    () -> Attention.builder().bitStable().build().run(AttentionInputs.of(q, q, q), out, late));
            RecordedEvent event = only(record(Duration.ZERO, call), "dev.lanewise.Call", "attention");
            assertTrue(event.getBoolean("failed"));
            assertTrue(record(Duration.ofHours(1), call).stream()
                    .noneMatch(written -> written.getEventType().getName().equals("dev.lanewise.Call")));
        }
    }

    @Test
    void aWarmUpTellsWhatItReached() throws IOException {
        RecordedEvent event = only(record(Duration.ZERO, () -> Events.writeWarmUp(Events.beginWarmUp(), "any",
                2_000_000_000L, 41, true, 300_000_000L, 350_000L)), "dev.lanewise.WarmUp", null);
        assertEquals(Duration.ofSeconds(2), event.getDuration("limit"));
        assertEquals(41, event.getLong("calls"));
        assertTrue(event.getBoolean("settled"));
        assertEquals(Duration.ofMillis(300), event.getDuration("first"));
        assertEquals(Duration.ofNanos(350_000), event.getDuration("steady"));
    }

    /** The image has no {@code jdk.jfr}; on the module path it is not resolved unless somebody else asks for it. */
    @Test
    void withoutTheModuleEverythingElseRuns() throws IOException, InterruptedException {
        List<String> options = new ArrayList<>(FreshJvm.VECTOR);
        options.addAll(List.of("--limit-modules", "java.base,jdk.incubator.vector,jdk.management"));
        for (FreshJvm.Result result : List.of(FreshJvm.onClassPath(options, StartUpProgram.class),
                FreshJvm.asModule(List.of(), StartUpProgram.class))) {
            assertEquals(0, result.exit(), result::toString);
            assertTrue(result.out().contains("attention  agrees"), result::toString);
        }
    }

    /** On the module path a recording that is asked for at start brings the module along. */
    @Test
    void aRecordingFromTheCommandLineHasTheStartUpChoice() throws IOException, InterruptedException {
        Path file = Files.createTempFile("lanewise", ".jfr");
        try {
            String start = "-XX:StartFlightRecording:filename=" + file;
            List<String> options = new ArrayList<>(FreshJvm.VECTOR);
            options.add(start);
            for (FreshJvm.Result result : List.of(FreshJvm.onClassPath(options, StartUpProgram.class),
                    FreshJvm.asModule(List.of(start), StartUpProgram.class))) {
                assertEquals(0, result.exit(), result::toString);
                assertTrue(RecordingFile.readAllEvents(file)
                        .stream()
                        .anyMatch(event -> event.getEventType().getName().equals("dev.lanewise.StartUp")),
                        result::toString);
            }
        } finally {
            Files.delete(file);
        }
    }
}
