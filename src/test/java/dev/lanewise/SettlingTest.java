package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.LongRange;

/** When times count as those of compiled code, on a clock of the test's own. */
class SettlingTest {
    private static final long OPERATIONS = 1_000_000;
    private static final long C2_NANOS = 300_000;
    private static final long C1_NANOS = 100 * C2_NANOS;

    private final Settling settling = new Settling(OPERATIONS);
    private long now = 1;

    private void run(long nanos, long forNanos) {
        for (long end = now + forNanos; now < end;) {
            now += nanos;
            settling.add(nanos, now);
        }
    }

    @Example
    void compiledCodeSettlesWhenItHasBeenQuiet() {
        run(C2_NANOS, Settling.QUIET_NANOS / 2);
        assertFalse(settling.settled(now), "too early to say");
        run(C2_NANOS, Settling.QUIET_NANOS);
        assertTrue(settling.settled(now));
        assertEquals(C2_NANOS, settling.steady());
    }

    /** The tier trap: a kernel that waits for C2, or is stuck, has the same times again and again. */
    @Property(tries = 50)
    void codeThatIsNotCompiledByC2NeverSettlesHoweverQuiet(@ForAll @LongRange(min = 10, max = 200) long slower) {
        Settling stuck = new Settling(OPERATIONS);
        long end = 0;
        for (int i = 0; i < 100 * Settling.WINDOW; i++) {
            end += slower * C2_NANOS;
            stuck.add(slower * C2_NANOS, end);
        }
        assertTrue(stuck.quiet(end));
        assertFalse(stuck.settled(end));
    }

    @Example
    void fallingTimesDoNotSettle() {
        for (double nanos = C2_NANOS; nanos > C2_NANOS / 4.0; nanos *= 0.9) {
            run((long) nanos, Settling.QUIET_NANOS / 2);
            assertFalse(settling.settled(now));
        }
    }

    @Example
    void codeThatHasBeenThrownAwayAgainDoesNotSettle() {
        run(C2_NANOS, 2 * Settling.QUIET_NANOS);
        run(C1_NANOS, (Settling.WINDOW + 1) * C1_NANOS);
        assertFalse(settling.settled(now));
        run(C2_NANOS, Settling.QUIET_NANOS);
        assertTrue(settling.settled(now));
    }

    @Example
    void oneSlowRunAmongManyIsNoReasonToWait() {
        run(C2_NANOS, 2 * Settling.QUIET_NANOS);
        for (int i = 0; i < Settling.WINDOW; i++) {
            run(i == 3 ? C1_NANOS : C2_NANOS, 1);
        }
        assertTrue(settling.settled(now));
    }

    @Example
    void withoutATimeThereIsNothingToSay() {
        assertFalse(settling.settled(now + 2 * Settling.QUIET_NANOS));
        assertEquals(0, settling.steady());
    }
}
