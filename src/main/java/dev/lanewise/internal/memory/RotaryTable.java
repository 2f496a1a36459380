package dev.lanewise.internal.memory;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** The cosines and sines of a rotary embedding, and which features of a row make a pair. Immutable. */
public final class RotaryTable {
    private final int pairs;
    private final boolean interleaved;
    private final float[] cosines;
    private final float[] sines;

    /** A table for positions from 0 to before {@code positions}. */
    public RotaryTable(int rotated, boolean interleaved, double base, int positions) {
        this.interleaved = interleaved;
        pairs = rotated / 2;
        cosines = new float[Math.multiplyExact(positions, pairs)];
        sines = new float[cosines.length];
        for (int p = 0; p < positions; p++) {
            for (int i = 0; i < pairs; i++) {
                double angle = p * Math.pow(base, -2.0 * i / rotated);
                cosines[p * pairs + i] = (float) Math.cos(angle);
                sines[p * pairs + i] = (float) Math.sin(angle);
            }
        }
    }

    /** The first feature of a pair. */
    public int first(int pair) {
        return interleaved ? 2 * pair : pair;
    }

    /** The second feature of a pair. */
    public int second(int pair) {
        return interleaved ? 2 * pair + 1 : pair + pairs;
    }

    /** The cosine of a pair's angle. */
    public float cosine(int position, int pair) {
        return cosines[position * pairs + pair];
    }

    /** The sine of a pair's angle. */
    public float sine(int position, int pair) {
        return sines[position * pairs + pair];
    }

    /** Rotates a row of contiguous float32 in place. */
    public void rotate(MemorySegment row, long at, int position) {
        int angle = position * pairs;
        long step = interleaved ? 2L * Float.BYTES : Float.BYTES;
        long apart = interleaved ? Float.BYTES : (long) pairs * Float.BYTES;
        for (int i = 0; i < pairs; i++) {
            long first = at + i * step;
            float x = row.get(ValueLayout.JAVA_FLOAT_UNALIGNED, first);
            float y = row.get(ValueLayout.JAVA_FLOAT_UNALIGNED, first + apart);
            float cosine = cosines[angle + i];
            float sine = sines[angle + i];
            row.set(ValueLayout.JAVA_FLOAT_UNALIGNED, first, x * cosine - y * sine);
            row.set(ValueLayout.JAVA_FLOAT_UNALIGNED, first + apart, x * sine + y * cosine);
        }
    }
}
