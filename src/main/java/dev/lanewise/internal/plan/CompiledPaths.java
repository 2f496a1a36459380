package dev.lanewise.internal.plan;

import java.util.concurrent.atomic.AtomicLong;

/** Which {@link VectorPaths} of this JVM are compiled, as far as timing has shown; they only ever become more. */
public final class CompiledPaths {
    private static final AtomicLong COMPILED = new AtomicLong();
    /** Paths that did not become fast in the time they had: nobody tries again. */
    private static final AtomicLong GIVEN_UP = new AtomicLong();

    private CompiledPaths() {
    }

    /** Whether all of these paths are compiled. Needs no more than an opaque read, for what it says is only about speed. */
    public static boolean include(long paths) {
        return (paths & ~COMPILED.getOpaque()) == 0;
    }

    /** Adds paths. */
    public static void add(long paths) {
        COMPILED.accumulateAndGet(paths, (a, b) -> a | b);
    }

    /** Whether nobody should try any longer to get these paths compiled. */
    public static boolean givenUp(long paths) {
        return (paths & GIVEN_UP.getOpaque() & ~COMPILED.getOpaque()) != 0;
    }

    /** Gives up those of the paths that are not compiled. */
    public static void giveUp(long paths) {
        GIVEN_UP.accumulateAndGet(paths & ~COMPILED.get(), (a, b) -> a | b);
    }
}
