package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;

import dev.lanewise.internal.plan.StartUp;
import java.lang.foreign.MemorySegment;

/**
 * The two multiplies of few query rows, lanes along the rows of k and v: scores are dot
 * products, eight keys at a time whose sums across the lanes are made together; the context is a sum of weighted rows, kept in registers,
 * of four rows of weights at once if 16 accumulators and what they meet fit the registers.
 */
final class RowProducts {
    private static final boolean MANY_REGISTERS = StartUp.CHOICE.manyRegisters();
    private static final int WIDE = 8;
    private static final int NARROW = 4;
    private static final int GROUP = 4;

    private RowProducts() {
    }

    /**
     * scores[r, j] = query[r] · row[j].
     *
     * @param block the rows; addresses beyond the last one, up to a multiple of {@link LaneSums#GROUP}, are those of any row
     * @param count how many rows
     * @param depth vectors in a row
     * @param query the byte of query 0 in scratch
     * @param queryRow bytes between queries
     * @param queries how many
     * @param partial the byte of {@link LaneSums#GROUP} free vectors of scratch
     * @param out the byte of score (0, 0); each row has room for {@link LaneSums#WRITTEN} more
     * @param outRow bytes between rows of scores
     */
    static void dot(BlockRows block, int count, int depth, MemorySegment scratch, long query, long queryRow,
            int queries, long partial, long out, long outRow) {
        for (int r = 0; r < queries; r++) {
            Float32Rows.dot1(block.segment, block.at, count, depth, scratch, query + r * queryRow, partial,
                    out + r * outRow);
        }
    }

    /** How many rows of weights {@link #mix} takes at once where all of them are for the same keys: four, if registers allow. */
    static int mixed(int rows) {
        return MANY_REGISTERS && rows >= GROUP ? GROUP : 1;
    }

    /**
     * out[r, :] = Σ weights[r, j] · row[j] over j from {@code first} to before {@code end}.
     *
     * @param rows 1 or 4
     * @param columns vectors in a row
     * @param weights the byte of weight (0, 0) in scratch
     * @param out the byte of the first sum, rows {@code columns} vectors wide
     */
    static void mix(BlockRows block, int first, int end, int rows, int columns, MemorySegment scratch, long weights,
            long weightRow, long out) {
        long outRow = (long) columns * BYTES;
        if (columns < NARROW) {
            for (int r = 0; r < rows; r++) {
                for (int c = 0; c < columns; c++) {
                    Float32Rows.mix1x1(block.segment, block.at, first, end, (long) c * BYTES, scratch,
                            weights + r * weightRow,
                            out + r * outRow + (long) c * BYTES);
                }
            }
            return;
        }
        for (int c = 0; c < columns;) {
            int width = rows == 1 && columns - c >= WIDE ? WIDE : NARROW;
            // Where fewer vectors are left than a group has, it starts earlier and some are made twice.
            int from = Math.min(c, columns - width);
            long to = out + (long) from * BYTES;
            if (rows == GROUP) {
                Float32Rows.mix4x4(block.segment, block.at, first, end, (long) from * BYTES, scratch, weights,
                        weightRow, to,
                        outRow);
            } else if (width == WIDE) {
                Float32Rows.mix1x8(block.segment, block.at, first, end, (long) from * BYTES, scratch, weights, to);
            } else {
                Float32Rows.mix1x4(block.segment, block.at, first, end, (long) from * BYTES, scratch, weights, to);
            }
            c += width;
        }
    }
}
