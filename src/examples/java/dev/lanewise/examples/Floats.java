package dev.lanewise.examples;

import dev.lanewise.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.random.RandomGenerator;

/** What a decoder does to its float32 tensors, which are contiguous, between multiplies and attention. */
final class Floats {
    private static final double EPSILON = 1e-6;

    private Floats() {
    }

    static Tensor normal(Arena arena, RandomGenerator random, double deviation, long rows, long columns) {
        float[] values = new float[Math.toIntExact(rows * columns)];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (random.nextGaussian() * deviation);
        }
        return Tensor.ofFloats(arena, values, rows, columns);
    }

    /** Each row divided by its root mean square (Zhang and Sennrich, 2019). */
    static void norm(Tensor in, Tensor out) {
        long columns = in.size(1);
        for (long row = 0; row < in.size(0); row++) {
            double squares = 0;
            for (long i = row * columns; i < (row + 1) * columns; i++) {
                squares += (double) get(in, i) * get(in, i);
            }
            float factor = (float) (1 / Math.sqrt(squares / columns + EPSILON));
            for (long i = row * columns; i < (row + 1) * columns; i++) {
                set(out, i, get(in, i) * factor);
            }
        }
    }

    /** x/(1 + e^−x) (Hendrycks and Gimpel, 2016). */
    static void silu(Tensor tensor) {
        for (long i = 0; i < tensor.size(0) * tensor.size(1); i++) {
            float x = get(tensor, i);
            set(tensor, i, (float) (x / (1 + Math.exp(-x))));
        }
    }

    static void add(Tensor to, Tensor change) {
        for (long i = 0; i < to.size(0) * to.size(1); i++) {
            set(to, i, get(to, i) + get(change, i));
        }
    }

    static float get(Tensor tensor, long index) {
        return memory(tensor).get(ValueLayout.JAVA_FLOAT, tensor.byteOffset() + index * Float.BYTES);
    }

    private static void set(Tensor tensor, long index, float value) {
        memory(tensor).set(ValueLayout.JAVA_FLOAT, tensor.byteOffset() + index * Float.BYTES, value);
    }

    private static MemorySegment memory(Tensor tensor) {
        return tensor.segment();
    }
}
