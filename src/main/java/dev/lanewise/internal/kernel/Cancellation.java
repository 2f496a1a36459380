package dev.lanewise.internal.kernel;

import java.util.concurrent.CancellationException;

/**
 * What may end a call early: an interrupt of the thread that made it, or a deadline. Kernels ask between blocks, on every thread of
 * the call. Reused from call to call.
 */
public final class Cancellation {
    /** A thread that is never started, and so never interrupted. */
    private static final Thread NOBODY = new Thread();
    private static final long NEVER_NANOS = Long.MAX_VALUE / 2;

    /** Whose interrupt ends the call, or null. */
    private Thread caller;
    private boolean limited;
    private long deadline;
    private int rehearsals;
    /** The caller was interrupted while it waited for its helpers, which takes the mark from the thread. */
    private volatile boolean interrupted;

    /** Begins a call of the current thread. */
    public void begin(boolean interruptible, boolean hasDeadline, long deadlineNanos) {
        caller = interruptible ? Thread.currentThread() : null;
        limited = hasDeadline;
        deadline = deadlineNanos;
        if (interrupted) {
            interrupted = false;
        }
    }

    /**
     * Begins a call that nobody made: nothing ends it, but with each such call {@link #check} takes another of the ways that it has, so that the
     * compilers have met all of them.
     */
    public void rehearse() {
        rehearsals++;
        caller = (rehearsals & 1) == 0 ? null : NOBODY;
        limited = (rehearsals & 2) != 0;
        deadline = System.nanoTime() + NEVER_NANOS;
    }

    /** Ends the call. */
    void clear() {
        caller = null;
        limited = false;
    }

    /** Tells threads at work of an interrupt that they cannot see. */
    void interrupt() {
        interrupted = true;
    }

    /** To be called once a block: two fields and, with a deadline, the clock. */
    void check() {
        if (caller != null && (caller.isInterrupted() || interrupted)) {
            throw new CancellationException(
                    "cancelled: the calling thread was interrupted; the outputs are partly written");
        }
        if (limited) {
            checkDeadline();
        }
    }

    private void checkDeadline() {
        long late = System.nanoTime() - deadline;
        if (late >= 0) {
            throw new CancellationException(
                    "cancelled: the deadline passed " + late / 1000 + " µs ago; the outputs are partly written");
        }
    }
}
