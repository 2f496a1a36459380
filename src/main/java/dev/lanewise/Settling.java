package dev.lanewise;

import java.util.Arrays;

/**
 * Tells from the times of one and the same call whether it is compiled for good. HotSpot has no interface to ask, and a kernel may
 * run at the same slow speed for half a second before C2 gets to it, so times must have stopped falling and be those of compiled
 * vector code.
 */
final class Settling {
    /** Runs whose median counts as one time. */
    static final int WINDOW = 9;
    /** How long no median may have been better than the best so far by {@link #BETTER}. */
    static final long QUIET_NANOS = 120_000_000;
    private static final double BETTER = 0.93;
    /** A median this near to the best shows that the code in use is still the best; a busy sibling core costs no more. */
    private static final double NEAR = 2;
    /**
     * Vector operations a nanosecond. C2's code does 1 to 8; C1's allocates each result and does 0.02 at most, so one operation in
     * fifty left to C1 would be seen.
     */
    private static final double COMPILED_RATE = 0.5;

    /** What a call takes besides: checks, transposition. In C1's code the latter alone takes longer. */
    private static final long OTHER_NANOS = 20_000;

    private final double compiledNanos;
    private final long[] window = new long[WINDOW];
    private int inWindow;
    private long last = Long.MAX_VALUE;
    private long best = Long.MAX_VALUE;
    private long bestSince;

    Settling(long operations) {
        compiledNanos = OTHER_NANOS + operations / COMPILED_RATE;
    }

    /** Adds the time of one run that ended at {@code now}. */
    void add(long nanos, long now) {
        window[inWindow++] = nanos;
        if (inWindow == WINDOW) {
            inWindow = 0;
            Arrays.sort(window);
            last = window[WINDOW / 2];
            if (last < best * BETTER) {
                bestSince = now;
            }
            best = Math.min(best, last);
        }
    }

    /** Whether the times are those of compiled code. */
    boolean fast() {
        return fast(best);
    }

    /** Whether a time is that of compiled code. */
    boolean fast(long nanos) {
        return nanos <= compiledNanos;
    }

    /** Whether the times no longer fall. */
    boolean quiet(long now) {
        return best != Long.MAX_VALUE && now - bestSince >= QUIET_NANOS && last <= best * NEAR;
    }

    boolean settled(long now) {
        return fast() && quiet(now);
    }

    /** The median of the last window, or 0 before there is one. */
    long steady() {
        return last == Long.MAX_VALUE ? 0 : last;
    }
}
