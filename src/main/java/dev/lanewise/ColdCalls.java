package dev.lanewise;

import dev.lanewise.internal.kernel.AttentionProblem;
import dev.lanewise.internal.kernel.AttentionScratch;
import dev.lanewise.internal.kernel.MatMulProblem;
import dev.lanewise.internal.kernel.VectorClasses;
import dev.lanewise.internal.memory.Scratch;
import dev.lanewise.internal.plan.CompiledPaths;
import dev.lanewise.internal.plan.MatrixPaths;
import dev.lanewise.internal.plan.VectorPaths;

import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

/**
 * What is done while the vector kernel is not compiled for a call: it runs on the scalar kernel, and gets the vector kernel
 * compiled by a {@link Rehearsal}, on the executor that the operator was given or else a little after each cold call, on the calling thread. There is
 * one rehearsal in the JVM at a time.
 */
final class ColdCalls {
    /** Whether operators switch kernels in this JVM. */
    static final boolean ALLOWED = !Boolean.getBoolean("dev.lanewise.bitStable");

    /** How long a rehearsal may run before its kind of call stays on the scalar kernel: twice what two busy processors need. */
    private static final long PATIENCE_NANOS = 20_000_000_000L;
    /** A cold call rehearses for this part of the time that it needed itself, and for one piece at least. */
    private static final int SHARE = 4;
    /** How long calls run on the scalar kernel before a rehearsal starts: the compilers shall get to that kernel first. */
    private static final long SCALAR_FIRST_NANOS = 50_000_000;
    private static final AtomicLong SCALAR_NANOS = new AtomicLong();
    private static final CallPace ATTENTION = new CallPace();
    private static final CallPace MULTIPLY = new CallPace();
    private static final CallPace SOFTMAX = new CallPace();
    /** Whether some thread rehearses. It has {@link #current} to itself. */
    private static final AtomicBoolean REHEARSING = new AtomicBoolean();
    private static Rehearsal current;
    private static volatile Task accepted;

    /** Of the operator in a rehearsal: takes the way that a warm call takes. */
    static final ColdCalls WARM = new ColdCalls(true);
    /** Of what is no operator, and so is not made beforehand. */
    static final ColdCalls UNPREPARED = ALLOWED ? new ColdCalls(false) : null;

    private final boolean warm;
    /** Lends a thread to rehearse on; or null. */
    private final Executor background;
    /** Whether the executor has not begun with a task in time; no further one is given to it. */
    private volatile boolean executorIsLate;

    private ColdCalls(boolean warm) {
        background = null;
        this.warm = warm;
    }

    ColdCalls(Executor background) {
        this.background = background;
        warm = false;
        FirstOperator.compileScalarKernel();
        if (background == null) {
            FirstOperator.loadVectorKernel();
        }
    }

    /** Runs a bound attention, unless it is warm: whether it did. */
    boolean run(Attention attention, AttentionInputs in, AttentionOutputs out, Scratch<AttentionScratch> scratch) {
        AttentionProblem problem = scratch.state.problem;
        long paths = VectorPaths.of(problem);
        if (CompiledPaths.ATTENTION.include(paths) || warm) {
            return false;
        }
        long start = System.nanoTime();
        scratch.state.scalar.run();
        long nanos = System.nanoTime() - start;
        long work = VectorPaths.operations(problem);
        if (due(nanos, ATTENTION, work, CompiledPaths.ATTENTION, paths) && take()) {
            goOn(nanos, CompiledPaths.ATTENTION, paths, new AttentionCall(attention, in, out, problem));
        }
        return true;
    }

    /** Runs a bound multiply, unless it is warm: whether it did. */
    boolean multiply(MatMulProblem problem) {
        long paths = MatrixPaths.multiply(problem);
        if (CompiledPaths.MATRICES.include(paths) || warm) {
            return false;
        }
        long start = System.nanoTime();
        problem.scalarMultiply.run();
        long nanos = System.nanoTime() - start;
        long work = (long) problem.m * problem.n * problem.k;
        if (due(nanos, MULTIPLY, work, CompiledPaths.MATRICES, paths) && take()) {
            goOn(nanos, CompiledPaths.MATRICES, paths, new MultiplyCall(problem));
        }
        return true;
    }

    /** Runs the softmax from a to out of a problem, which has m rows of n, unless it is warm: whether it did. */
    boolean softmax(MatMulProblem problem) {
        long paths = MatrixPaths.softmax(problem.a, problem.out, problem.m, problem.n);
        if (CompiledPaths.MATRICES.include(paths) || warm) {
            return false;
        }
        long start = System.nanoTime();
        problem.scalarSoftmax.run(problem.a, problem.out, problem.m, problem.n);
        long nanos = System.nanoTime() - start;
        long work = (long) problem.m * problem.n;
        if (due(nanos, SOFTMAX, work, CompiledPaths.MATRICES, paths) && take()) {
            goOn(nanos, CompiledPaths.MATRICES, paths, new SoftmaxCall(problem));
        }
        return true;
    }

    /** A call that can be copied; a class and no lambda, for a first lambda takes longer than the call. */
    private interface Call {
        CallCopy copy();
    }

    private record AttentionCall(Attention attention, AttentionInputs in, AttentionOutputs out,
            AttentionProblem problem) implements Call {
        @Override
        public CallCopy copy() {
            return AttentionCopy.of(attention, in, out, problem);
        }
    }

    private record MultiplyCall(MatMulProblem problem) implements Call {
        @Override
        public CallCopy copy() {
            return MultiplyCopy.of(problem);
        }
    }

    private record SoftmaxCall(MatMulProblem problem) implements Call {
        @Override
        public CallCopy copy() {
            return SoftmaxCopy.of(problem.a, problem.out, problem.m, problem.n);
        }
    }

    /** Whether a call that took so long for its work on the scalar kernel may lead to a rehearsal. */
    private static boolean due(long nanos, CallPace pace, long work, CompiledPaths compiled, long paths) {
        boolean begun = SCALAR_NANOS.getAndAdd(nanos) >= SCALAR_FIRST_NANOS;
        return work > 0 && !pace.heldUp(nanos, work) && begun && !compiled.givenUp(paths);
    }

    /** Begins the rehearsal of a call, or goes on with the one that there is; this thread has taken it. */
    private void goOn(long nanos, CompiledPaths compiled, long paths, Call call) {
        boolean lent = false;
        try {
            boolean begins = current == null;
            if (begins && background == null && VectorClasses.load()) {
                return;
            }
            if (begins) {
                current = copy(call, compiled, paths);
            }
            lent = background != null && !executorIsLate && lend(nanos / SHARE);
            if (!lent && !begins) {
                rehearse(nanos / SHARE, false);
            }
        } finally {
            if (!lent) {
                REHEARSING.set(false);
            }
        }
    }

    /** Whether this thread may rehearse now: nobody else does, or an executor has not begun with what it accepted. */
    private static boolean take() {
        if (REHEARSING.compareAndSet(false, true)) {
            return true;
        }
        Task task = accepted;
        boolean late = task != null && System.nanoTime() - task.since > Task.PATIENCE_NANOS && task.take();
        if (late) {
            task.lender.executorIsLate = true;
        }
        return late;
    }

    private boolean lend(long nanos) {
        Task task = new Task(this, nanos);
        accepted = task;
        try {
            background.execute(task);
            return true;
        } catch (RuntimeException | OutOfMemoryError rejected) {
            return !task.take();
        }
    }

    /** A rehearsal that an executor has accepted. It is whoever takes it first that runs it. */
    private static final class Task implements Runnable {
        static final long PATIENCE_NANOS = 2_000_000_000L;
        final long since = System.nanoTime();
        private final Thread caller = Thread.currentThread();
        private final ColdCalls lender;
        private final long callersShare;
        private final AtomicBoolean taken = new AtomicBoolean();

        Task(ColdCalls lender, long callersShare) {
            this.lender = lender;
            this.callersShare = callersShare;
        }

        boolean take() {
            return taken.compareAndSet(false, true);
        }

        /** An executor may run it on the caller, in the middle of the call: then it is as short as without an executor. */
        @Override
        public void run() {
            if (take()) {
                boolean inCall = Thread.currentThread() == caller;
                try {
                    rehearse(inCall ? callersShare : ColdCalls.PATIENCE_NANOS, !inCall);
                } finally {
                    REHEARSING.set(false);
                }
            }
        }
    }

    /** The call's own result is there: whatever goes wrong from here on is no failure of the call. */
    private static Rehearsal copy(Call call, CompiledPaths compiled, long paths) {
        try {
            return new Rehearsal(call.copy());
        } catch (RuntimeException | OutOfMemoryError | StackOverflowError failure) {
            giveUp(compiled, paths, failure.toString());
            return null;
        }
    }

    /** Goes on with the rehearsal for so long, by one run at least; drops it when it is over or fails. */
    private static void rehearse(long nanos, boolean pauses) {
        Rehearsal rehearsal = current;
        if (rehearsal == null) {
            return;
        }
        current = null;
        boolean settled = false;
        long start = System.nanoTime();
        try {
            do {
                settled = rehearsal.advance() || rehearsal.isCompiled();
                LockSupport.parkNanos(pauses ? rehearsal.pause() : 0);
            } while (!settled && System.nanoTime() - start < nanos && !Thread.currentThread().isInterrupted());
        } catch (RuntimeException | OutOfMemoryError | StackOverflowError failure) {
            giveUp(rehearsal.call.compiled(), rehearsal.call.paths(), failure.toString());
            return;
        }
        if (!settled && rehearsal.spent() >= PATIENCE_NANOS) {
            giveUp(rehearsal.call.compiled(), rehearsal.call.paths(),
                    rehearsal.obstacle("after " + PATIENCE_NANOS / 1_000_000_000 + " s of rehearsals"));
        } else if (!settled) {
            current = rehearsal;
        }
    }

    private static void giveUp(CompiledPaths compiled, long paths, String reason) {
        compiled.giveUp(paths);
        System.getLogger("dev.lanewise")
                .log(System.Logger.Level.WARNING,
                        "Lanewise keeps a kind of call on the scalar kernel; the vector kernel: {0}", reason);
    }
}
