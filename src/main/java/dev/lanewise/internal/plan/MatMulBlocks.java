package dev.lanewise.internal.plan;

import dev.lanewise.internal.cpu.CpuFacts;

/**
 * Block sizes of the matrix multiply.
 *
 * @param inner rows of a panel of b that are used up before the next ones come
 * @param stagedFloats elements of a that are staged at a time, where a cannot be read in place
 */
public record MatMulBlocks(int inner, int stagedFloats) {
    /** Up to so many rows of a read b where it lies: packing reads and writes it once more. */
    public static final int UNPACKED_ROWS = 256;
    /** Rows that are computed in scratch at a time, where the output cannot be written to directly. */
    public static final int CHUNK_ROWS = 64;
    private static final int LEAST_INNER = 256;
    /** Of the second-level cache, what is used: a larger panel gains nothing, and takes long to pack where a call may be cancelled. */
    private static final int MOST_BYTES = 2 << 20;

    /**
     * A panel takes a quarter of the second-level cache: every four rows of a stream through it again, beside a itself and the output.
     * What is staged of a takes as much as the second level.
     *
     * @param panelColumns columns of a panel
     */
    public static MatMulBlocks of(CpuFacts facts, int panelColumns) {
        int bytes = Math.min(facts.l2Bytes(), MOST_BYTES);
        return new MatMulBlocks(Math.max(LEAST_INNER, bytes / 4 / (panelColumns * Float.BYTES)), bytes / Float.BYTES);
    }
}
