package dev.lanewise;

/** Calls near the end of the stack. */
final class StackEnd {
    private StackEnd() {
    }

    /**
     * Goes down to the end of the stack and calls on the way back: from 0 to {@code back} frames before the end. Counts the calls that met the end first, then
     * the others.
     */
    static int call(int back, Runnable call, int[] counts) {
        int left;
        try {
            left = call(back, call, counts);
        } catch (StackOverflowError end) {
            return back;
        }
        if (left == 0) {
            try {
                call.run();
                counts[1]++;
            } catch (StackOverflowError expectedHere) {
                counts[0]++;
            }
        }
        return left - 1;
    }
}
