package dev.lanewise;

/** Where scores can be taken out of the computation. */
public enum ScoreStage {
    /** q·kᵀ·scale, for every pair of query and key, masked or not. */
    RAW,
    /** After the softcap; still for every pair. */
    SOFTCAPPED,
    /** What the softmax sees: after biases and masks, −∞ where masked. */
    BIASED
}
