package dev.lanewise.internal.plan;

import dev.lanewise.internal.cpu.CpuFacts;
import dev.lanewise.internal.kernel.PreferredWidth;

/** The choice made when the library is first used in this JVM, and its one log line. */
public final class StartUp {
    /** What was chosen. */
    public static final KernelChoice CHOICE = choose();

    private StartUp() {
    }

    private static KernelChoice choose() {
        KernelChoice choice = KernelChoice.decide(CpuFacts.read(PreferredWidth::bits),
                System.getProperty(KernelChoice.PROPERTY));
        System.Logger.Level level = choice.warning() ? System.Logger.Level.WARNING : System.Logger.Level.INFO;
        System.getLogger("dev.lanewise").log(level, "Lanewise runs {0}: {1}", choice.kernelName(), choice.reason());
        return choice;
    }
}
