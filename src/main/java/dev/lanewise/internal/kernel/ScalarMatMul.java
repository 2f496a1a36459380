package dev.lanewise.internal.kernel;

import dev.lanewise.internal.memory.Elements;
import dev.lanewise.internal.memory.Operand;

/** The matrix multiply without vectors: the fallback, with a sum in float64 for each element. */
public final class ScalarMatMul {
    private ScalarMatMul() {
    }

    /** Computes the product. */
    public static void run(MatMulProblem p) {
        for (int i = 0; i < p.m; i++) {
            for (int j = 0; j < p.n; j++) {
                p.cancellation.check();
                double sum = p.bias.present() ? element(p.bias, 0, j) : 0;
                for (int x = 0; x < p.k; x++) {
                    sum += (double) element(p.a, i, x) * element(p.b, x, j);
                }
                Elements.set(p.out.segment, p.out.type, p.out.at(0, 0, i) + j * p.out.columnStride, (float) sum);
            }
        }
    }

    private static float element(Operand operand, int row, int column) {
        return Elements.get(operand.segment, operand.type, operand.at(0, 0, row) + column * operand.columnStride);
    }
}
