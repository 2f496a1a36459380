package dev.lanewise.internal.plan;

import java.util.concurrent.atomic.AtomicLong;

/** Which code paths of this JVM are compiled, as far as timing has shown; they only ever become more. */
public final class CompiledPaths {
    /** The {@link VectorPaths} of attention. */
    public static final CompiledPaths ATTENTION = new CompiledPaths();
    /** The {@link MatrixPaths} of multiplies and of softmax. */
    public static final CompiledPaths MATRICES = new CompiledPaths();

    private final AtomicLong compiled = new AtomicLong();
    /** Paths that did not become fast in the time they had: nobody tries again. */
    private final AtomicLong givenUp = new AtomicLong();

    private CompiledPaths() {
    }

    /** Whether all of these paths are compiled. Needs no more than an opaque read, for what it says is only about speed. */
    public boolean include(long paths) {
        return (paths & ~compiled.getOpaque()) == 0;
    }

    /** Adds paths. */
    public void add(long paths) {
        compiled.accumulateAndGet(paths, (a, b) -> a | b);
    }

    /** Whether nobody should try any longer to get these paths compiled. */
    public boolean givenUp(long paths) {
        return (paths & givenUp.getOpaque() & ~compiled.getOpaque()) != 0;
    }

    /** Gives up those of the paths that are not compiled. */
    public void giveUp(long paths) {
        givenUp.accumulateAndGet(paths & ~compiled.get(), (a, b) -> a | b);
    }
}
