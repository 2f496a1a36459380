package dev.lanewise.internal.memory;

/**
 * Makes a stack overflow happen before there is something to lose. A crew must count its members in and out and wait for them, pages of a cache
 * must be counted as held or free, and none of that may end in a {@link StackOverflowError}. After the probe at least 512 · 16 bytes are free, four times what it takes interpreted.
 */
public final class StackProbe {
    private static final int FRAMES = 512;

    private StackProbe() {
    }

    /**
     * Returns if the stack has room.
     *
     * @throws StackOverflowError if not
     */
    public static void require() {
        if (descend(FRAMES) != FRAMES) {
            throw new AssertionError();
        }
    }

    private static int descend(int frames) {
        return frames == 0 ? 0 : 1 + descend(frames - 1);
    }
}
