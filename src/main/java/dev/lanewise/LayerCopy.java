package dev.lanewise;

import java.util.List;
import java.util.function.LongConsumer;
import java.util.function.UnaryOperator;

/**
 * What a warm-up of a layer runs.
 *
 * @param parts its projections, one of each kind, and its attention
 * @param together one batch row of the layer, with operands of its own; null for a call with masks, biases or further outputs
 */
record LayerCopy(List<CallCopy> parts, LongConsumer together) {
    /** The layer itself, deaf to interrupts and not counted. */
    static LongConsumer together(MultiHeadAttention layer, Tensor x, Tensor source, Tensor out) {
        Tensor ownX = row(x);
        Tensor ownSource = source == x ? ownX : row(source);
        Tensor ownOut = row(out);
        return turn -> layer.run(ownX, ownSource, UnaryOperator.identity(), UnaryOperator.identity(), ownOut,
                Execution.rehearsal(turn));
    }

    private static Tensor row(Tensor tensor) {
        return RehearsalOperands.duplicate(tensor.rank() == 3 ? tensor.slice(0, 0, 1) : tensor);
    }
}
