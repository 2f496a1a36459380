package dev.lanewise.examples;

import dev.lanewise.Tensor;

/** Packed heads seen as an axis of their own, without a copy. */
final class HeadSplit {
    private HeadSplit() {
    }

    /** (B, L, H·D) or (L, H·D), head h in columns h·D to h·D + D − 1, as (B, H, L, D) with B = 1 if absent. */
    static Tensor view(Tensor packed, int heads) {
        Tensor batched = packed.rank() == 2 ? packed.unsqueeze(0) : packed;
        return batched.split(2, heads).transpose(1, 2);
    }
}
