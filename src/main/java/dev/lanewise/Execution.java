package dev.lanewise;

import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.Executor;

/**
 * How a call is carried out: on which threads, in whose scratch, and what may end it early. It changes no bit of the results. Immutable;
 * make one and use it for many calls, from any number of threads as far as its {@link Workspace} allows.
 *
 * <p>An interrupt of the calling thread, and a deadline if there is one, end a call between blocks of up to 512 keys by 48 queries, on all its
 * threads: {@link java.util.concurrent.CancellationException}, outputs partly written, scratch ready for the next call. The
 * interrupt status stays set. A call whose thread is interrupted already ends before its first block. {@link Kernel#REFERENCE} looks once a
 * query. {@link MatMul} and {@link Softmax} look once in 8 million multiply-adds or 65,536 elements: 60 and 10 µs of 512-bit vectors, and within a
 * millisecond of any others.
 */
public final class Execution {
    private static final long NO_LIMIT = Long.MAX_VALUE;
    private static final Execution HERE = new Execution(null, 1, null, true, NO_LIMIT, false, 0);

    /** Of a call that nobody made: nothing ends it, and it is neither counted nor recorded. */
    private static final Execution REHEARSAL = new Execution(true);
    /** Likewise, and on the way of a call that is no rehearsal. */
    private static final Execution QUIET = new Execution(false);

    final Executor executor;
    final int threads;
    final Workspace workspace;
    final boolean interruptible;
    private final long limit;
    private final boolean hasDeadline;
    private final long deadline;
    /** Which ways through its checks a call takes is up to {@link dev.lanewise.internal.kernel.Cancellation#rehearse}. */
    final boolean rehearsal;
    /** As how many calls it counts. */
    final int calls;

    private Execution(Executor executor, int threads, Workspace workspace, boolean interruptible, long limit,
            boolean hasDeadline, long deadline) {
        this.executor = executor;
        this.threads = threads;
        this.workspace = workspace;
        this.interruptible = interruptible;
        this.limit = limit;
        this.hasDeadline = hasDeadline;
        this.deadline = deadline;
        rehearsal = false;
        calls = 1;
    }

    private Execution(boolean rehearsal) {
        executor = null;
        threads = 1;
        workspace = null;
        interruptible = rehearsal;
        limit = NO_LIMIT;
        hasDeadline = false;
        deadline = 0;
        this.rehearsal = rehearsal;
        calls = 0;
    }

    /**
     * Of a call that nobody made. They take turns, for C2 leaves out the side of a branch that it has not seen: the first real call would go on in the
     * interpreter there.
     */
    static Execution rehearsal(long turn) {
        return (turn & 1) == 0 ? QUIET : REHEARSAL;
    }

    /**
     * On the calling thread alone, with pooled scratch, ended by nothing but an interrupt: what a call does that is not told otherwise.
     *
     * @return the default
     */
    public static Execution here() {
        return HERE;
    }

    /**
     * On up to {@code threads} threads: the calling one, and others that the executor lends. The work is shared over batch rows, heads
     * and blocks of queries; no more threads are asked for than the work is worth. The call works itself from the start and returns
     * when nothing of it runs any more, so an executor that is slow or busy only costs speed; but one whose {@code execute} blocks keeps the
     * call waiting. The {@link Kernel#SCALAR} and {@link Kernel#REFERENCE} kernels run on the calling thread alone.
     *
     * @param lender lends the other threads; may be null for one thread
     * @param count how many threads may work at once, the calling one included; at least 1
     * @return a copy with the threads
     * @throws IllegalArgumentException if the count is below 1
     */
    public Execution withThreads(Executor lender, int count) {
        if (count < 1) {
            throw new IllegalArgumentException("threads: " + count + ", wanted at least 1");
        }
        if (count > 1) {
            Objects.requireNonNull(lender, "executor");
        }
        if (count == 1 && threads == 1) {
            return this;
        }
        return new Execution(lender, count, workspace, interruptible, limit, hasDeadline, deadline);
    }

    /**
     * With scratch of the caller's instead of the pool's. One call at a time can use it.
     *
     * @param scratch the workspace, as large as {@link Attention#workspaceBytes} says and for as many threads
     * @return a copy with the workspace
     */
    public Execution withWorkspace(Workspace scratch) {
        return new Execution(executor, threads, Objects.requireNonNull(scratch, "workspace"), interruptible, limit,
                hasDeadline, deadline);
    }

    /**
     * With a limit for each call: it is over when it has taken so long. Costs a look at the clock a block.
     *
     * @param duration how long a call may take
     * @return a copy with the limit
     * @throws IllegalArgumentException if it is negative
     */
    public Execution withTimeLimit(Duration duration) {
        Objects.requireNonNull(duration, "time limit");
        if (duration.isNegative()) {
            throw new IllegalArgumentException("time limit: " + duration + ", wanted at least 0");
        }
        long nanos = duration.compareTo(Duration.ofDays(365)) > 0 ? NO_LIMIT : duration.toNanos();
        return new Execution(executor, threads, workspace, interruptible, nanos, hasDeadline, deadline);
    }

    /**
     * With a point in time at which a call is over, for instance that of the request it is part of. A time limit holds as well.
     *
     * @param nanoTime as {@link System#nanoTime} counts
     * @return a copy with the deadline
     */
    public Execution withDeadline(long nanoTime) {
        return new Execution(executor, threads, workspace, interruptible, limit, true, nanoTime);
    }

    /**
     * Deaf to interrupts: the call runs to its end and leaves the interrupt status as it is.
     *
     * @return a copy that only a time limit or a deadline can end
     */
    public Execution uninterruptible() {
        return new Execution(executor, threads, workspace, false, limit, hasDeadline, deadline);
    }

    /** Whether the clock can end a call. */
    boolean limited() {
        return hasDeadline || limit != NO_LIMIT;
    }

    /** When a call that starts now is over. */
    long end() {
        if (limit == NO_LIMIT) {
            return deadline;
        }
        long own = System.nanoTime() + limit;
        return hasDeadline && deadline - own < 0 ? deadline : own;
    }
}
