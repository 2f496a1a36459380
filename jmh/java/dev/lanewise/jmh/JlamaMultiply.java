package dev.lanewise.jmh;

import com.github.tjake.jlama.tensor.FloatBufferTensor;
import com.github.tjake.jlama.tensor.operations.PanamaTensorOperations;
import com.github.tjake.jlama.util.MachineSpec;

/**
 * Jlama's float32 multiply on the Vector API, the fastest in pure Java that Maven Central has. It computes a·bᵀ, so it gets the
 * right operand transposed beforehand, as its models store weights.
 */
final class JlamaMultiply implements Contender {
    private final MultiplyCall call;
    private final PanamaTensorOperations operations = new PanamaTensorOperations(MachineSpec.VECTOR_TYPE);
    private final FloatBufferTensor a;
    private final FloatBufferTensor transposed;
    private final FloatBufferTensor product;

    JlamaMultiply(MultiplyCall call) {
        this.call = call;
        a = new FloatBufferTensor(call.rows(), call.inner());
        transposed = new FloatBufferTensor(call.columns(), call.inner());
        product = new FloatBufferTensor(call.rows(), call.columns());
        float[] left = call.a();
        float[] right = call.b();
        for (int p = 0; p < call.inner(); p++) {
            for (int i = 0; i < call.rows(); i++) {
                a.set(left[i * call.inner() + p], i, p);
            }
            for (int j = 0; j < call.columns(); j++) {
                transposed.set(right[p * call.columns() + j], j, p);
            }
        }
    }

    @Override
    public void run() {
        operations.batchDotProduct(product, a, transposed, 0, 0, call.inner());
    }

    @Override
    public float[] result() {
        float[] values = new float[call.rows() * call.columns()];
        for (int i = 0; i < values.length; i++) {
            values[i] = product.get(i / call.columns(), i % call.columns());
        }
        return values;
    }
}
