package dev.lanewise;

import java.util.Objects;

/**
 * The operands of one call of {@link Attention}: q, k, v and what depends on the data, such as masks and lengths. Immutable, and cheap
 * to keep: make one where the tensors are made and call with it again and again, for the tensors' contents are read at each call.
 *
 * <p>All of q, k, v have the same rank: 4 is (batch, head, row, feature), 3 is (batch, row, feature) with one head, 2 is (row,
 * feature). Shapes are checked by the call, not here.
 */
public final class AttentionInputs {
    final Tensor q;
    final Tensor k;
    final Tensor v;
    final Tensor mask;

    private AttentionInputs(Tensor q, Tensor k, Tensor v, Tensor mask) {
        this.q = Objects.requireNonNull(q, "q");
        this.k = Objects.requireNonNull(k, "k");
        this.v = Objects.requireNonNull(v, "v");
        this.mask = mask;
    }

    /**
     * The operands that every call has. Query head h reads key/value head h / (H/Hkv).
     *
     * @param q queries, (B, H, Lq, D)
     * @param k keys, (B, Hkv, Lk, D); H is a multiple of Hkv
     * @param v values, (B, Hkv, Lk, Dv)
     * @return the inputs
     */
    public static AttentionInputs of(Tensor q, Tensor k, Tensor v) {
        return new AttentionInputs(q, k, v, null);
    }

    /**
     * With a mask over the scores. Its axes are the last ones of the scores' shape, of q's rank; an absent axis, or one of size 1, holds for all (NumPy
     * broadcasting). A {@link ElementType#BOOL} mask says who may attend: true = may. A mask of floats is added to
     * the scores after the scale; −∞ hides the key, every finite number, however negative, is an ordinary bias.
     *
     * @param newMask of rank 2 up to q's rank, broadcastable to (B, H, Lq, Lk); or null for none
     * @return a copy with the mask
     */
    public AttentionInputs withMask(Tensor newMask) {
        return new AttentionInputs(q, k, v, newMask);
    }
}
