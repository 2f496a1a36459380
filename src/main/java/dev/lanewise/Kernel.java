package dev.lanewise;

/** The implementations of the attention operator: one meaning, three ways to compute it. */
public enum Kernel {
    /** float32 on the vector unit; the default wherever the machine can run it. */
    VECTOR,
    /** float32 in plain Java: the fallback where there is no vector unit to use. */
    SCALAR,
    /**
     * float64 in plain Java, one score row at a time: the executable specification, to check the others by. Slow, and it
     * allocates.
     */
    REFERENCE
}
