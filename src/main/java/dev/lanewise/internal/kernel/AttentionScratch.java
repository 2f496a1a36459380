package dev.lanewise.internal.kernel;

import dev.lanewise.internal.memory.Scratch;

/** What one call keeps besides native memory: the flattened problem, and the small state of each kernel. */
public final class AttentionScratch {
    /** Every operator of this JVM draws from one pool. */
    public static final Scratch.Pool<AttentionScratch> POOL = new Scratch.Pool<>(AttentionScratch::new);

    /** The call. */
    public final AttentionProblem problem = new AttentionProblem();
    /** The fallback, with its state. */
    public final ScalarAttention scalar = new ScalarAttention(problem);
    private VectorAttention vector;

    /** The vector kernel, with its state; made on demand, for without the vector module it cannot be linked. */
    public VectorAttention vector() {
        if (vector == null) {
            vector = new VectorAttention();
        }
        return vector;
    }
}
