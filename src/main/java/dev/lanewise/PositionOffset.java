package dev.lanewise;

/**
 * Where the queries stand among the keys: query i has the position i + offset, key j the position j. Causal masks, windows and
 * ALiBi are centred on it. It is never guessed from the shapes; the well-known implementations disagree, so it is named.
 */
public final class PositionOffset {
    /** How an offset is found. */
    enum Rule {
        FIXED, BOTTOM_RIGHT, PAST_LENGTHS
    }

    private static final PositionOffset TOP_LEFT = new PositionOffset(Rule.FIXED, 0);
    private static final PositionOffset BOTTOM_RIGHT = new PositionOffset(Rule.BOTTOM_RIGHT, 0);
    private static final PositionOffset PAST_LENGTHS = new PositionOffset(Rule.PAST_LENGTHS, 0);
    /** Offsets beyond this could overflow when positions are added to them. */
    private static final long LIMIT = 1L << 40;

    final Rule rule;
    final long value;

    private PositionOffset(Rule rule, long value) {
        this.rule = rule;
        this.value = value;
    }

    /**
     * Offset 0: the first query stands at the first key (PyTorch's {@code is_causal}).
     *
     * @return the offset
     */
    public static PositionOffset topLeft() {
        return TOP_LEFT;
    }

    /**
     * Offset key length − query length: the last query stands at the last key (FlashAttention). The lengths are those of the batch
     * row where they differ by row. Negative if there are more queries than keys.
     *
     * @return the offset
     */
    public static PositionOffset bottomRight() {
        return BOTTOM_RIGHT;
    }

    /**
     * The number of keys before the first query, for each batch row, from {@link AttentionInputs#withPastLengths}.
     *
     * @return the offset
     */
    public static PositionOffset pastLengths() {
        return PAST_LENGTHS;
    }

    /**
     * An explicit offset, the same for every batch row.
     *
     * @param offset may be negative: then the first queries precede all keys
     * @return the offset
     * @throws IllegalArgumentException beyond ±2⁴⁰
     */
    public static PositionOffset of(long offset) {
        if (offset < -LIMIT || offset > LIMIT) {
            throw new IllegalArgumentException("offset: " + offset + ", wanted -2^40 to 2^40");
        }
        return new PositionOffset(Rule.FIXED, offset);
    }

    /**
     * For messages.
     *
     * @return the rule, and the value of a fixed offset
     */
    @Override
    public String toString() {
        return rule == Rule.FIXED ? "offset " + value : rule.name();
    }
}
