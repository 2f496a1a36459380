package dev.lanewise;

import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.CancellationException;
import java.util.function.Consumer;
import java.util.random.RandomGenerator;

/** The ways to carry out a multiply or a softmax, and what each has to come to: in the end the call has been made. */
final class FuzzExecution {
    private static final long HOUR_NANOS = 3_600_000_000_000L;
    /** About what a call takes that is to be ended in its middle. */
    private static final long WITHIN_NANOS = 400_000;

    /** What a call is told of how it may end. */
    private enum Ending {
        /** Nothing: the overload without an execution. */
        PLAIN, UNLIMITED,
        /** It may take an hour. */
        LATER,
        /** It is interrupted but deaf. */
        DEAF, INTERRUPTED, LIMIT_IS_ZERO, DEADLINE_PASSED
    }

    private final Tensor out;
    private final Runnable plain;
    private final Consumer<Execution> call;

    FuzzExecution(Tensor out, Runnable plain, Consumer<Execution> call) {
        this.out = out;
        this.plain = plain;
        this.call = call;
    }

    /** Makes the call in a drawn way. If that ends it before it begins no byte is written, and it is made again. */
    void run(FuzzDraw draw) {
        Execution here = draw.rarely() ? Execution.here().withThreads(Runnable::run, 2) : Execution.here();
        switch (draw.any(Ending.class)) {
            case PLAIN -> plain.run();
            case UNLIMITED -> call.accept(here);
            case LATER -> {
                long later = System.nanoTime() + HOUR_NANOS;
                call.accept(draw.rarely()
                        ? here.withTimeLimit(Duration.ofNanos(HOUR_NANOS))
                        : here.withDeadline(later));
            }
            case DEAF -> {
                Thread.currentThread().interrupt();
                try {
                    call.accept(here.uninterruptible());
                } finally {
                    requireInterrupted();
                }
            }
            case INTERRUPTED -> {
                Thread.currentThread().interrupt();
                try {
                    runRefused(here);
                } finally {
                    requireInterrupted();
                }
                plain.run();
            }
            case LIMIT_IS_ZERO -> {
                runRefused(here.withTimeLimit(Duration.ZERO));
                plain.run();
            }
            case DEADLINE_PASSED -> {
                Execution late = here.withTimeLimit(Duration.ofHours(1)).withDeadline(System.nanoTime());
                runRefused(draw.rarely() ? late : late.uninterruptible());
                plain.run();
            }
        }
    }

    /** The status stays after a call that is interrupted; then it is cleared. */
    private static void requireInterrupted() {
        if (!Thread.interrupted()) {
            throw new AssertionError("the call cleared the interrupt status");
        }
    }

    /** A call that is over before its first block; one without an element has none. */
    private void runRefused(Execution over) {
        byte[] before = FuzzAttention.bytes(out);
        boolean ended = false;
        try {
            call.accept(over);
        } catch (CancellationException expected) {
            ended = true;
        }
        if (!ended && out.elementCount() > 0) {
            throw new AssertionError("a call that was over before it began was not ended");
        }
        if (!Arrays.equals(before, FuzzAttention.bytes(out))) {
            throw new AssertionError("a call that was over before it began wrote something");
        }
    }

    /** Makes a longer call, ended by the clock or an interrupt at any moment, so that the seed does not tell where; and then again. */
    void runEnded(RandomGenerator random) {
        EndedCalls.cancelled(random, WITHIN_NANOS, Execution.here(), call);
        plain.run();
    }
}
