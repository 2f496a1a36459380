package dev.lanewise;

import dev.lanewise.internal.plan.CompiledPaths;

/**
 * A {@link CallCopy}, run with the vector kernel until that is compiled. It goes in pieces: at first the smallest part, 8 ms in the interpreter, then
 * larger ones as that gets faster, and in the end all of it; again smaller ones when a compiled method turns out to be made for less than that, and
 * is interpreted until it is compiled anew. For one thread at a time.
 */
final class Rehearsal {
    /** A piece that takes less is not the largest that one should be. */
    private static final long SHORT_NANOS = 500_000;
    /** A piece that takes more is too large: C1's code at tier 3 is slower than that at tier 2, and a method may go through both. */
    private static final long LONG_NANOS = 1_250_000;

    private static final long SLOW_NANOS = 300_000;

    /** What it makes compiled, once it has settled. */
    final CallCopy call;
    private final Settling settling;
    private int size;
    private boolean whole;
    private boolean settled;

    private long first;
    private long last;
    private long runs;
    private long spent;

    Rehearsal(CallCopy call) {
        this.call = call;
        settling = new Settling(call.operations());
        size = call.leastPart();
    }

    /** Runs the next piece; whether the kernel is compiled now, which {@link CompiledPaths} then knows. */
    boolean advance() {
        long start = System.nanoTime();
        if (whole) {
            call.whole(runs);
        } else {
            call.part(Math.min(size, call.mostPart()), runs);
        }
        long end = System.nanoTime();
        long nanos = end - start;
        first = runs++ == 0 ? nanos : first;
        last = nanos;
        spent += nanos;
        if (whole) {
            settling.add(nanos, end);
            settled = settling.settled(end);
            if (nanos > LONG_NANOS && !settling.fast(nanos)) {
                whole = false;
                size = call.leastPart();
            }
        } else if (nanos < SHORT_NANOS) {
            whole = size >= call.mostPart();
            size *= 2;
        } else if (nanos > LONG_NANOS) {
            size = Math.max(call.leastPart(), size / 2);
        }
        if (settled) {
            call.compiled().add(call.paths());
        }
        return settled;
    }

    /**
     * How long to leave the processor to the compilers after the last run. While the kernel is slow, each run makes more of the Vector API's own
     * methods hot that the compiled kernel will not call.
     */
    long pause() {
        return last < SLOW_NANOS ? 0 : last / 2;
    }

    /** Whether the kernel is compiled for it, whoever found out. */
    boolean isCompiled() {
        return call.compiled().include(call.paths());
    }

    /** The time of all runs. */
    long spent() {
        return spent;
    }

    /** How many runs there were. */
    long runs() {
        return runs;
    }

    /** The time of the first. */
    long first() {
        return first;
    }

    /** The median of the last runs of all of the call, or 0. */
    long steady() {
        return settling.steady();
    }

    /** Why it has not settled; empty if it has. */
    String obstacle(String interruption) {
        if (settled) {
            return "";
        }
        String state = !whole
                ? "the vector kernel still runs uncompiled"
                : !settling.fast()
                        ? "the vector kernel is not compiled at the top tier"
                        : "times had not stopped falling";
        return interruption + ": " + state;
    }
}
