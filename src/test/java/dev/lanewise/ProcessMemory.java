package dev.lanewise;

import java.lang.management.ManagementFactory;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.management.JMException;
import javax.management.ObjectName;

/** What this JVM holds: its heap after a collection, and the native memory outside it as native memory tracking counts it. */
final class ProcessMemory {
    private static final long MEBIBYTE = 1 << 20;
    /** The total, and what of it is not heap: arenas of the foreign memory API are counted under "Other". */
    private static final Pattern OTHER = Pattern.compile("Other \\(reserved=\\d+KB, committed=(\\d+)KB");

    private ProcessMemory() {
    }

    /** Heap in use after a collection and, with {@code -XX:NativeMemoryTracking=summary}, what arenas hold. */
    static long mebibytes() {
        return heapMebibytes() + arenaKibibytes() / 1024;
    }

    static long heapMebibytes() {
        System.gc();
        return ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed() / MEBIBYTE;
    }

    /** What arenas hold, in KiB; 0 without native memory tracking. */
    static long arenaKibibytes() {
        try {
            String summary = (String) ManagementFactory.getPlatformMBeanServer()
                    .invoke(new ObjectName("com.sun.management:type=DiagnosticCommand"), "vmNativeMemory",
                            new Object[]{new String[]{"summary"}}, new String[]{String[].class.getName()});
            Matcher other = OTHER.matcher(summary);
            return other.find() ? Long.parseLong(other.group(1)) : 0;
        } catch (JMException unavailable) {
            return 0;
        }
    }
}
