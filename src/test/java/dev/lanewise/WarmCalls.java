package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;

/** What calls allocate on the heap once they are compiled. */
final class WarmCalls {
    /** In a batch. */
    static final int CALLS = 200;
    /** Batches in a row that have to be free of allocation. */
    private static final int QUIET_BATCHES = 3;
    private static final long PATIENCE_NANOS = 30_000_000_000L;
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

    /** The interpreter and C1 box every vector, so how long it takes to get there is the compilers' affair; that it gets there is ours. */
    static void assertAllocateNothing(String name, Runnable call) {
        assertAllocateAtMost(0, name, call);
    }

    /** The same for calls that make a few objects each. */
    static void assertAllocateAtMost(long bytesACall, String name, Runnable call) {
        long start = System.nanoTime();
        long bytes = -1;
        int quiet = 0;
        while (quiet < QUIET_BATCHES && System.nanoTime() - start < PATIENCE_NANOS) {
            bytes = allocated(call);
            quiet = bytes <= bytesACall * CALLS ? quiet + 1 : 0;
        }
        assertEquals(QUIET_BATCHES, quiet, name + ": " + bytes / CALLS + " bytes a call in the last batch");
    }
}
