package dev.lanewise.examples;

import dev.lanewise.Tensor;

/** How a layer's queries meet keys and values: those of a cache, or all of them at once. */
interface AttentionStep {
    /**
     * Leaves the context of n tokens.
     *
     * @param layer from 0
     * @param q (H, n, D), not rotated yet; may be written
     * @param k (Hkv, n, D), likewise
     * @param v (Hkv, n, D)
     * @param context (H, n, D)
     */
    void attend(int layer, Tensor q, Tensor k, Tensor v, Tensor context);
}
