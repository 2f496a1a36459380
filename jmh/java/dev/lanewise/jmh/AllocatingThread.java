package dev.lanewise.jmh;

import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.util.Locale;
import java.util.concurrent.locks.LockSupport;

/** A thread that allocates at a given rate, and keeps some of it for a while so that collections have something to copy. */
final class AllocatingThread implements Runnable {
    private static final int BLOCK = 4096;
    private static final int KEPT = 8192;
    private static final int BURST = 64;
    private static final double MEBIBYTE = 1 << 20;

    private final double bytesASecond;
    private final Thread thread;
    private final byte[][] kept = new byte[KEPT][];
    private final long start = System.nanoTime();
    private final long collectionsBefore = collections();
    private volatile boolean stopped;
    private long bytes;
    private String summary = "nothing that allocates";

    private AllocatingThread(int mebibytesASecond) {
        bytesASecond = mebibytesASecond * MEBIBYTE;
        thread = Thread.ofPlatform().daemon().name("allocating").unstarted(this);
    }

    static AllocatingThread start(int mebibytesASecond) {
        AllocatingThread other = new AllocatingThread(mebibytesASecond);
        if (mebibytesASecond > 0) {
            other.thread.start();
        }
        return other;
    }

    @Override
    public void run() {
        for (int i = 0; !stopped; i++) {
            kept[i % KEPT] = new byte[BLOCK];
            bytes += BLOCK;
            if (i % BURST == 0) {
                double ahead = bytes / bytesASecond - (System.nanoTime() - start) / 1e9;
                if (ahead > 0) {
                    LockSupport.parkNanos((long) (ahead * 1e9));
                }
            }
        }
    }

    void stop() throws InterruptedException {
        stopped = true;
        thread.join();
        double seconds = (System.nanoTime() - start) / 1e9;
        if (bytes > 0) {
            summary = String.format(Locale.ROOT, "a thread that allocates %.0f MiB a second (%d collections)",
                    bytes / MEBIBYTE / seconds, collections() - collectionsBefore);
        }
    }

    private static long collections() {
        return ManagementFactory.getGarbageCollectorMXBeans()
                .stream()
                .mapToLong(GarbageCollectorMXBean::getCollectionCount)
                .sum();
    }

    @Override
    public String toString() {
        return summary;
    }
}
