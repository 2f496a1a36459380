package dev.lanewise.internal.kernel;

import java.util.concurrent.atomic.AtomicInteger;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/** Loads the Vector API in steps: all at once takes 30 ms, which is long for a call. */
public final class VectorClasses {
    private static final AtomicInteger NEXT = new AtomicInteger();

    private VectorClasses() {
    }

    /** Takes the next step, of 3 to 13 ms; false if there is none left. */
    public static boolean load() {
        return switch (NEXT.get() < 3 ? NEXT.getAndIncrement() : 3) {
            case 0 -> FloatVector.SPECIES_PREFERRED.length() > 0;
            case 1 -> IntVector.SPECIES_PREFERRED.length() > 0;
            case 2 -> Lanes.COUNT > 0;
            default -> false;
        };
    }
}
