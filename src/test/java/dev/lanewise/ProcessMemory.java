package dev.lanewise;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.management.JMException;
import javax.management.ObjectName;

/**
 * What this JVM holds, in KiB. Native memory is known to {@code -XX:NativeMemoryTracking=summary}, and 0 without it; the resident set to Linux.
 *
 * @param heap in use after a collection
 * @param arenas what the foreign memory API has allocated: native memory tracking's category "Other"
 * @param outsideHeap all that native memory tracking counts as committed, the heap itself apart
 * @param resident pages of the process in memory
 */
record ProcessMemory(long heap, long arenas, long outsideHeap, long resident) {
    private static final Pattern TOTAL = Pattern.compile("Total: reserved=\\d+KB, committed=(\\d+)KB");
    private static final Pattern HEAP = Pattern.compile("Java Heap \\(reserved=\\d+KB, committed=(\\d+)KB");
    private static final Pattern OTHER = Pattern.compile("Other \\(reserved=\\d+KB, committed=(\\d+)KB");
    private static final Pattern RESIDENT = Pattern.compile("VmRSS:\\s*(\\d+) kB");
    private static final Path STATUS = Path.of("/proc/self/status");

    /** After a collection. */
    static ProcessMemory now() {
        System.gc();
        long heap = ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed() / 1024;
        String summary = nativeSummary();
        return new ProcessMemory(heap, number(OTHER, summary), number(TOTAL, summary) - number(HEAP, summary),
                number(RESIDENT, status()));
    }

    /** Heap in use and what arenas hold. */
    long heapAndArenas() {
        return heap + arenas;
    }

    private static String nativeSummary() {
        try {
            return (String) ManagementFactory.getPlatformMBeanServer()
                    .invoke(new ObjectName("com.sun.management:type=DiagnosticCommand"), "vmNativeMemory",
                            new Object[]{new String[]{"summary"}}, new String[]{String[].class.getName()});
        } catch (JMException unavailable) {
            return "";
        }
    }

    private static String status() {
        try {
            return Files.exists(STATUS) ? Files.readString(STATUS) : "";
        } catch (IOException unavailable) {
            return "";
        }
    }

    private static long number(Pattern pattern, String text) {
        Matcher matcher = pattern.matcher(text);
        return matcher.find() ? Long.parseLong(matcher.group(1)) : 0;
    }
}
