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
    /** Elements between two looks of {@link #pass}: 10 µs where vectors go through them, half a millisecond where each waits for memory. */
    private static final int PIECE = 1 << 16;
    /** In a rehearsal: few, so that loops over pieces take more than one turn there, too. */
    private static final int REHEARSED_PIECE = 1 << 9;

    /** Whose interrupt ends the call, or null. */
    private Thread caller;
    private boolean limited;
    private long deadline;
    private int rehearsals;
    private int piece = PIECE;
    /** Elements since the last look. */
    private long passed;
    /** The caller was interrupted while it waited for its helpers, which takes the mark from the thread. */
    private volatile boolean interrupted;

    /** Begins a call of the current thread. */
    public void begin(boolean interruptible, boolean hasDeadline, long deadlineNanos) {
        caller = interruptible ? Thread.currentThread() : null;
        limited = hasDeadline;
        deadline = deadlineNanos;
        piece = PIECE;
        passed = PIECE;
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
        piece = REHEARSED_PIECE;
        passed = REHEARSED_PIECE;
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

    /** The most elements that a kernel may go through between two calls of {@link #pass}. */
    int piece() {
        return piece;
    }

    /** To be called before so many elements are gone through, by a call of one thread: looks before the first ones and then once a piece. */
    void pass(long elements) {
        passed += elements;
        if (passed > piece) {
            passed = elements;
            check();
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
