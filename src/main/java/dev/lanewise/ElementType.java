package dev.lanewise;

/** The types of element that a {@link Tensor} can hold. All are stored in the machine's native byte order. */
public enum ElementType {
    /** IEEE 754 binary32. */
    FLOAT32(4),
    /** IEEE 754 binary64; for the log-sum-exp of parts that are to be merged, not for operands. */
    FLOAT64(8),
    /** The upper half of a binary32: 8 bits of exponent, 7 of fraction. */
    BFLOAT16(2),
    /** IEEE 754 binary16: 5 bits of exponent, 10 of fraction. */
    FLOAT16(2),
    /** A two's complement 32-bit integer; lengths and offsets. */
    INT32(4),
    /** A two's complement byte that a scale goes with; storage of a key/value cache only. */
    INT8(1),
    /** One byte an element; 0 is false, anything else is true. */
    BOOL(1);

    private final int bytes;

    ElementType(int bytes) {
        this.bytes = bytes;
    }

    /**
     * The size of one element.
     *
     * @return the size in bytes
     */
    public int bytes() {
        return bytes;
    }

    /**
     * Whether q, k, v, masks of floats and results can be of this type.
     *
     * @return true for {@link #FLOAT32}, {@link #BFLOAT16} and {@link #FLOAT16}
     */
    public boolean isOperand() {
        return this == FLOAT32 || this == BFLOAT16 || this == FLOAT16;
    }
}
