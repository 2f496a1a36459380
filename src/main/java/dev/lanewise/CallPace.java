package dev.lanewise;

/**
 * How fast the scalar kernel runs when it has a processor to itself, and so which calls were held up: by the compilers, which on few processors
 * take turns with the calls, by a collection, or by other programs. What a call does beyond its own work it should not do then.
 */
final class CallPace {
    /** A call that took so many times as long as the fastest of its kind was held up; sizes and options alone make less of a difference. */
    private static final double HELD_UP = 1.5;
    /** So many calls in a row may count as held up: where all are, the rest goes on with one in four. */
    private static final int MOST = 3;

    /** The least time for a unit of work so far. Races are harmless: it only decides about speed. */
    private volatile double best = Double.POSITIVE_INFINITY;
    private volatile int inARow;

    /** Whether a call was held up that took so long for so much work. */
    boolean heldUp(long nanos, long work) {
        double pace = (double) nanos / work;
        if (pace < best) {
            best = pace;
        }
        boolean slow = pace > best * HELD_UP && inARow < MOST;
        inARow = slow ? inARow + 1 : 0;
        return slow;
    }
}
