package dev.lanewise;

import static org.junit.jupiter.api.Assertions.fail;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Collectors;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;

/** What calls allocate on the heap once they are compiled. */
final class WarmCalls {
    /** In a batch. */
    static final int CALLS = 50;
    /** Batches in a row that have to be free of allocation; of slow calls as many as take {@link #QUIET_NANOS}, but {@link #LEAST_QUIET_BATCHES}. */
    private static final int QUIET_BATCHES = 12;
    private static final int LEAST_QUIET_BATCHES = 3;
    private static final long QUIET_NANOS = 50_000_000;
    private static final long PATIENCE_NANOS = 30_000_000_000L;
    private static final long RECORDED_NANOS = 500_000_000;
    private static final int FRAMES = 12;
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    private WarmCalls() {
    }

    /** What a batch of calls allocated on this thread. */
    static long allocated(Runnable call) {
        long before = THREADS.getCurrentThreadAllocatedBytes();
        for (int i = 0; i < CALLS; i++) {
            call.run();
        }
        return THREADS.getCurrentThreadAllocatedBytes() - before;
    }

    /**
     * The interpreter and C1 box every vector, so how long it takes to get there is the compilers' affair, and half of it is theirs alone; that it
     * gets there is ours.
     */
    static void assertAllocateNothing(String name, Runnable call) {
        assertAllocateAtMost(0, name, call);
    }

    /** The same for calls that make a few objects each. */
    static void assertAllocateAtMost(long bytesACall, String name, Runnable call) {
        long start = System.nanoTime();
        long now = start;
        long quietSince = start;
        int quiet = 0;
        long bytes = -1;
        while (!enough(quiet, now - quietSince) && now - start < PATIENCE_NANOS) {
            long begin = now;
            bytes = allocated(call);
            now = System.nanoTime();
            if (bytes <= bytesACall * CALLS) {
                quiet++;
            } else {
                quiet = 0;
                LockSupport.parkNanos(now - begin);
                now = System.nanoTime();
                quietSince = now;
            }
        }
        if (!enough(quiet, now - quietSince)) {
            fail(name + ": " + bytes / CALLS + " bytes a call in the last batch, for instance " + allocations(call));
        }
    }

    private static boolean enough(int quiet, long quietNanos) {
        return quiet >= QUIET_BATCHES || quiet >= LEAST_QUIET_BATCHES && quietNanos >= QUIET_NANOS;
    }

    /** What a call allocates most, and where, as far as the flight recorder sees it: one object for each buffer of the thread's that gets full. */
    static String allocations(Runnable call) {
        try (Recording recording = new Recording()) {
            List.of("jdk.ObjectAllocationInNewTLAB", "jdk.ObjectAllocationOutsideTLAB")
                    .forEach(event -> recording.enable(event).withStackTrace());
            recording.start();
            long start = System.nanoTime();
            while (System.nanoTime() - start < RECORDED_NANOS) {
                call.run();
            }
            recording.stop();
            Path file = Files.createTempFile("lanewise", ".jfr");
            try {
                recording.dump(file);
                return RecordingFile.readAllEvents(file)
                        .stream()
                        .filter(event -> event.getThread().getJavaThreadId() == Thread.currentThread().threadId()
                                && event.getStackTrace() != null)
                        .collect(Collectors.groupingBy(WarmCalls::site, Collectors.counting()))
                        .entrySet()
                        .stream()
                        .max(Map.Entry.comparingByValue())
                        .map(Map.Entry::getKey)
                        .orElse("nothing that was seen");
            } finally {
                Files.delete(file);
            }
        } catch (IOException failure) {
            return failure.toString();
        }
    }

    private static String site(RecordedEvent event) {
        return event.getClass("objectClass").getName() + event.getStackTrace()
                .getFrames()
                .stream()
                .limit(FRAMES)
                .map(frame -> "\n  " + frame.getMethod().getType().getName() + "::" + frame.getMethod().getName() + ":"
                        + frame.getLineNumber() + " " + frame.getType())
                .collect(Collectors.joining());
    }
}
