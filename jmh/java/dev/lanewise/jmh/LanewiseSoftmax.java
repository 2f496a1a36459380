package dev.lanewise.jmh;

import dev.lanewise.ElementType;
import dev.lanewise.Execution;
import dev.lanewise.Softmax;
import dev.lanewise.Tensor;
import java.lang.foreign.Arena;

/** The library's softmax. */
final class LanewiseSoftmax implements Contender {
    private final Arena arena = Arena.ofConfined();
    private final Tensor input;
    private final Tensor weights;
    private final Execution execution;

    LanewiseSoftmax(SoftmaxCall call, Execution execution) {
        this.execution = execution;
        input = Tensor.ofFloats(arena, call.input(), call.rows(), call.columns());
        weights = Tensor.allocate(arena, ElementType.FLOAT32, call.rows(), call.columns());
    }

    @Override
    public void run() {
        Softmax.rows(input, weights, execution);
    }

    @Override
    public float[] result() {
        return weights.toFloats();
    }

    @Override
    public void close() {
        arena.close();
    }
}
