package dev.lanewise.examples;

import dev.lanewise.Attention;
import dev.lanewise.ElementType;
import dev.lanewise.PositionOffset;
import dev.lanewise.Tensor;
import java.lang.foreign.Arena;

/** The README's example: causal attention of 12 heads over 128 tokens. */
public final class QuickStart {
    private QuickStart() {
    }

    /** Prints one number of the result. */
    public static void main(String[] args) {
        // README: begin
        Attention attention = Attention.builder().causal(PositionOffset.topLeft()).build();
        try (Arena arena = Arena.ofConfined()) {
            Tensor q = Tensor.allocate(arena, ElementType.FLOAT32, 1, 12, 128, 64); // batch, heads, length, features
            Tensor k = Tensor.allocate(arena, ElementType.FLOAT32, 1, 12, 128, 64);
            Tensor v = Tensor.allocate(arena, ElementType.FLOAT32, 1, 12, 128, 64);
            v.setFloat(128, 0, 0, 0, 0); // token 0 of head 0
            Tensor context = Tensor.allocate(arena, ElementType.FLOAT32, 1, 12, 128, 64);
            attention.run(q, k, v, context);
            System.out.println(context.getFloat(0, 0, 127, 0)); // 1.0: token 127 weighs all 128 tokens alike
        }
        // README: end
    }
}
