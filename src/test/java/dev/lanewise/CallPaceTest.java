package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** Which calls count as held up. */
class CallPaceTest {
    private final CallPace pace = new CallPace();

    @Test
    void aCallIsHeldUpThatTakesHalfAsLongAgainAsTheFastest() {
        assertFalse(pace.heldUp(3000, 10));
        assertFalse(pace.heldUp(1000, 10));
        assertFalse(pace.heldUp(1400, 10));
        assertTrue(pace.heldUp(1600, 10));
    }

    @Test
    void moreWorkTakesLonger() {
        assertFalse(pace.heldUp(1000, 10));
        assertFalse(pace.heldUp(100_000, 1000));
        assertTrue(pace.heldUp(200_000, 1000));
    }

    @Test
    void noMoreThanThreeInARowAreHeldUp() {
        assertFalse(pace.heldUp(1000, 10));
        for (int call = 0; call < 12; call++) {
            assertTrue(pace.heldUp(9000, 10) == (call % 4 < 3), "call " + call);
        }
    }
}
