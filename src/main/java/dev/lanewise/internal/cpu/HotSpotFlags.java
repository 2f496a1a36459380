package dev.lanewise.internal.cpu;

import com.sun.management.HotSpotDiagnosticMXBean;
import java.lang.management.ManagementFactory;

/** The values of HotSpot's options, where the JVM is HotSpot and the module {@code jdk.management} is there. */
final class HotSpotFlags {
    private HotSpotFlags() {
    }

    /** The option's value, or the default given if this JVM does not have the option or does not tell. */
    static String get(String option, String otherwise) {
        try {
            return Bean.INSTANCE.getVMOption(option).getValue();
        } catch (IllegalArgumentException | NullPointerException | LinkageError unknown) {
            return otherwise;
        }
    }

    /** Apart, so that a missing management module is found when it is asked for and not when this class is linked. */
    private static final class Bean {
        static final HotSpotDiagnosticMXBean INSTANCE = ManagementFactory
                .getPlatformMXBean(HotSpotDiagnosticMXBean.class);
    }
}
