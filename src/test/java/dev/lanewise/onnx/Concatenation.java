package dev.lanewise.onnx;

import dev.lanewise.Tensor;
import java.lang.foreign.Arena;

/** ONNX's Concat of two tensors of rank 4 and one type. */
final class Concatenation {
    private Concatenation() {
    }

    static Tensor of(Arena arena, int axis, Tensor first, Tensor second) {
        long middle = first.size(axis);
        long[] shape = first.shape();
        shape[axis] = middle + second.size(axis);
        Tensor whole = Tensor.allocate(arena, first.type(), shape);
        copy(first, whole.slice(axis, 0, middle));
        copy(second, whole.slice(axis, middle, shape[axis]));
        return whole;
    }

    private static void copy(Tensor from, Tensor to) {
        for (long a = 0; a < to.size(0); a++) {
            for (long b = 0; b < to.size(1); b++) {
                for (long c = 0; c < to.size(2); c++) {
                    for (long d = 0; d < to.size(3); d++) {
                        to.setFloat(from.getFloat(a, b, c, d), a, b, c, d);
                    }
                }
            }
        }
    }
}
