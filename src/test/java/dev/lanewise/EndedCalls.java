package dev.lanewise;

import java.lang.foreign.Arena;
import java.time.Duration;
import java.util.concurrent.CancellationException;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import java.util.random.RandomGenerator;

/** Ways in which a call is ended from outside, at any moment: by a platform thread, since calls on virtual threads may hold every carrier. */
final class EndedCalls {
    private EndedCalls() {
    }

    /** With a limit, a deadline or an interrupt within so many nanoseconds; whether that ended the call. */
    static boolean cancelled(RandomGenerator random, long nanos, Execution execution, Consumer<Execution> call) {
        long within = random.nextLong(nanos);
        Thread caller = Thread.currentThread();
        Thread interrupter = null;
        try {
            switch (random.nextInt(3)) {
                case 0 -> call.accept(execution.withTimeLimit(Duration.ofNanos(within)));
                case 1 -> call.accept(execution.withDeadline(System.nanoTime() + within));
                default -> {
                    interrupter = Thread.ofPlatform().daemon().start(() -> {
                        LockSupport.parkNanos(within);
                        caller.interrupt();
                    });
                    call.accept(execution);
                }
            }
            return false;
        } catch (CancellationException expected) {
            return true;
        } finally {
            joinUninterrupted(interrupter);
        }
    }

    /** An arena closed by another thread while calls go on; whether it was in the middle of one. */
    static boolean closed(RandomGenerator random, long nanos, Arena arena, Runnable call) {
        long within = random.nextLong(nanos);
        Thread closer = Thread.ofPlatform().daemon().start(() -> {
            LockSupport.parkNanos(within);
            close(arena);
        });
        try {
            for (;;) {
                call.run();
            }
        } catch (IllegalStateException closed) {
            if (!closed.getMessage().contains("closed") || closed instanceof CancellationException
                    || closed instanceof KvCache.ExhaustedException) {
                throw new AssertionError("not what a closed arena should end in", closed);
            }
            return !closed.getMessage().contains("its arena is closed");
        } finally {
            joinUninterrupted(closer);
        }
    }

    /** A call in progress may refuse for a moment; then again. */
    static void close(Arena arena) {
        while (arena.scope().isAlive()) {
            try {
                arena.close();
            } catch (IllegalStateException inUse) {
                Thread.yield();
            }
        }
    }

    /** Leaves no interrupt: neither the one that was asked for, nor one that HotSpot set when the arena was closed. */
    private static void joinUninterrupted(Thread thread) {
        for (boolean ended = thread == null; !ended;) {
            Thread.interrupted();
            try {
                thread.join();
                ended = true;
            } catch (InterruptedException late) {
                ended = false;
            }
        }
        Thread.interrupted();
    }
}
