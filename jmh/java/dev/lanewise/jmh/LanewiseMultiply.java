package dev.lanewise.jmh;

import dev.lanewise.ElementType;
import dev.lanewise.Execution;
import dev.lanewise.MatMul;
import dev.lanewise.PackedMatrix;
import dev.lanewise.Tensor;
import java.lang.foreign.Arena;

/** The library's matrix multiply, from tensors or with the right operand packed beforehand. */
final class LanewiseMultiply implements Contender {
    private final Arena arena = Arena.ofConfined();
    private final Tensor a;
    private final Tensor b;
    private final PackedMatrix packed;
    private final Tensor product;
    private final Execution execution;

    LanewiseMultiply(MultiplyCall call, boolean pack, Execution execution) {
        this.execution = execution;
        a = Tensor.ofFloats(arena, call.a(), call.rows(), call.inner());
        b = Tensor.ofFloats(arena, call.b(), call.inner(), call.columns());
        packed = pack ? PackedMatrix.of(arena, b) : null;
        product = Tensor.allocate(arena, ElementType.FLOAT32, call.rows(), call.columns());
    }

    @Override
    public void run() {
        if (packed == null) {
            MatMul.multiply(a, b, null, product, execution);
        } else {
            MatMul.multiply(a, packed, null, product, execution);
        }
    }

    @Override
    public float[] result() {
        return product.toFloats();
    }

    @Override
    public void close() {
        arena.close();
    }
}
