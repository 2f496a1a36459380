package dev.lanewise.internal.plan;

import dev.lanewise.internal.cpu.CpuFacts;
import dev.lanewise.internal.kernel.PreferredWidth;
import dev.lanewise.internal.observe.Events;
import java.util.ServiceConfigurationError;

/** The choice made when the library is first used in this JVM, and its one log line. */
public final class StartUp {
    /** What was chosen. */
    public static final KernelChoice CHOICE = choose();

    private StartUp() {
    }

    private static KernelChoice choose() {
        KernelChoice choice = KernelChoice.decide(CpuFacts.read(PreferredWidth::bits),
                System.getProperty(KernelChoice.PROPERTY));
        log(choice);
        Events.announceStartUp(choice.kernelName(), choice.reason(), choice.bits(), choice.facts().vectorRegisters(),
                choice.warning());
        return choice;
    }

    /** A logger that cannot be made, or fails, must not fail the initialisation of this class, and with it every call. */
    private static void log(KernelChoice choice) {
        System.Logger.Level level = choice.warning() ? System.Logger.Level.WARNING : System.Logger.Level.INFO;
        try {
            System.getLogger("dev.lanewise").log(level, "Lanewise runs {0}: {1}", choice.kernelName(), choice.reason());
        } catch (RuntimeException | ServiceConfigurationError | LinkageError unlogged) {
            System.err.println(level + ": Lanewise runs " + choice.kernelName() + ": " + choice.reason()
                    + " (not logged: " + unlogged + ")");
        }
    }
}
