package dev.lanewise.internal.kernel;

import dev.lanewise.internal.memory.Elements;
import dev.lanewise.internal.memory.Operand;

/** The softmax of one row without vectors: the fallback. */
public final class ScalarSoftmax {
    private ScalarSoftmax() {
    }

    /** One row from one operand to the other; they may be the same. */
    public static void run(Operand in, Operand out, long from, long to, int columns) {
        float max = Float.NEGATIVE_INFINITY;
        for (int c = 0; c < columns; c++) {
            float x = Elements.get(in.segment, in.type, from + c * in.columnStride);
            max = x > max ? x : max;
        }
        double sum = 0;
        for (int c = 0; c < columns; c++) {
            sum += Math.exp(Elements.get(in.segment, in.type, from + c * in.columnStride) - max);
        }
        for (int c = 0; c < columns; c++) {
            float x = Elements.get(in.segment, in.type, from + c * in.columnStride);
            Elements.set(out.segment, out.type, to + c * out.columnStride, (float) (Math.exp(x - max) / sum));
        }
    }
}
