package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.COUNT;

import dev.lanewise.ElementType;
import dev.lanewise.internal.plan.StartUp;
import java.lang.foreign.MemorySegment;

/**
 * The two multiplies of few query rows, lanes along the rows of k and v: scores are dot products, a part of the query in registers and key
 * after key passing by, whose sums across the lanes are made together for as many keys as there are lanes; the context is a sum of
 * weighted rows, kept in registers, of four rows of weights at once if 16 accumulators and what they meet fit the registers.
 */
final class RowProducts {
    private static final boolean MANY_REGISTERS = StartUp.CHOICE.manyRegisters();
    private static final int GROUP = 4;
    private static final int WIDEST = 8;
    /** Features that one pass over the rows takes; of longer rows a block is read several times. */
    static final int ONE_PASS = WIDEST * COUNT;

    private RowProducts() {
    }

    /**
     * scores[r, j] = query[r] · row[j].
     *
     * @param block the rows; addresses beyond the last one, up to a whole vector of rows, are those of any row
     * @param count how many rows
     * @param depth vectors of float32 in a row
     * @param query the byte of query 0 in scratch
     * @param queryRow bytes between queries
     * @param queries how many
     * @param partial the byte of as many free vectors of scratch as a vector has lanes
     * @param out the byte of score (0, 0); each row has room for whole vectors
     * @param outRow bytes between rows of scores
     */
    static void dot(BlockRows block, int count, int depth, MemorySegment scratch, long query, long queryRow,
            int queries, long partial, long out, long outRow) {
        for (int r = 0; r < queries; r++) {
            long scores = out + r * outRow;
            Context.fill(scratch, scores, Transpose.padded(count) / COUNT, 0);
            if (block.type == ElementType.FLOAT16) {
                Float16Rows.dot(block.segment, block.at, count, depth, scratch, query + r * queryRow, partial, scores);
                continue;
            }
            for (int d = 0; d < depth;) {
                int width = width(block.type, depth - d);
                dot(block, width, count, column(block, d), scratch, query + r * queryRow + (long) d * BYTES, partial,
                        scores);
                d += width;
            }
        }
    }

    private static void dot(BlockRows block, int width, int count, long column, MemorySegment scratch, long query,
            long partial, long out) {
        switch (block.type) {
            case BFLOAT16 -> {
                switch (width) {
                    case 8 -> BFloat16Rows.dot8(block.segment, block.at, count, column, scratch, query, partial, out);
                    case 4 -> BFloat16Rows.dot4(block.segment, block.at, count, column, scratch, query, partial, out);
                    default -> BFloat16Rows.dot2(block.segment, block.at, count, column, scratch, query, partial, out);
                }
            }
            case INT8 -> {
                switch (width) {
                    case 8 -> Int8Rows.dot8(block.segment, block.at, count, column, scratch, query, partial, out);
                    default -> Int8Rows.dot4(block.segment, block.at, count, column, scratch, query, partial, out);
                }
            }
            default -> {
                switch (width) {
                    case 8 -> Float32Rows.dot8(block.segment, block.at, count, column, scratch, query, partial, out);
                    case 4 -> Float32Rows.dot4(block.segment, block.at, count, column, scratch, query, partial, out);
                    default -> Float32Rows.dot1(block.segment, block.at, count, column, scratch, query, partial, out);
                }
            }
        }
    }

    /** Vectors of float32 that one pass over the rows takes, at most so many. */
    private static int width(ElementType type, int vectors) {
        int least = Integer.BYTES / type.bytes();
        return vectors >= WIDEST ? WIDEST : vectors >= 4 ? 4 : least;
    }

    /** The byte where so many vectors of float32 begin in a row. */
    private static long column(BlockRows block, int vectors) {
        return (long) vectors * COUNT * block.type.bytes();
    }

    /** What queries have to be multiplied by to meet rows that are read in place. */
    static float queryFactor(ElementType type) {
        return type == ElementType.FLOAT16 ? Float16Rows.REBIAS : type == ElementType.INT8 ? Int8Rows.TOP_BYTE : 1;
    }

    /** How many rows of weights {@link #mix} takes at once where all of them are for the same keys: four, if registers allow. */
    static int mixed(int rows) {
        return MANY_REGISTERS && rows >= GROUP ? GROUP : 1;
    }

    /**
     * out[r, :] = Σ weights[r, j] · row[j] over j from {@code first} to before {@code end}.
     *
     * @param rows 1 or 4
     * @param columns vectors of float32 in a row
     * @param weights the byte of weight (0, 0) in scratch
     * @param out the byte of the first sum, rows {@code columns} vectors wide
     */
    static void mix(BlockRows block, int first, int end, int rows, int columns, MemorySegment scratch, long weights,
            long weightRow, long out) {
        long outRow = (long) columns * BYTES;
        if (rows == GROUP && columns >= GROUP) {
            for (int c = 0; c < columns; c += GROUP) {
                // Where fewer vectors are left than a group has, it starts earlier and some are made twice.
                int from = Math.min(c, columns - GROUP);
                Float32Rows.mix4x4(block.segment, block.at, first, end, (long) from * BYTES, scratch, weights,
                        weightRow, out + (long) from * BYTES, outRow);
            }
            return;
        }
        for (int r = 0; r < rows; r++) {
            for (int c = 0; c < columns;) {
                int width = width(block.type, columns - c);
                mix(block, width, first, end, column(block, c), scratch, weights + r * weightRow,
                        out + r * outRow + (long) c * BYTES);
                c += width;
            }
        }
    }

    private static void mix(BlockRows block, int width, int first, int end, long column, MemorySegment scratch,
            long weights, long out) {
        switch (block.type) {
            case BFLOAT16 -> {
                switch (width) {
                    case 8 -> BFloat16Rows.mix8(block.segment, block.at, first, end, column, scratch, weights, out);
                    case 4 -> BFloat16Rows.mix4(block.segment, block.at, first, end, column, scratch, weights, out);
                    default -> BFloat16Rows.mix2(block.segment, block.at, first, end, column, scratch, weights, out);
                }
            }
            case FLOAT16 -> {
                switch (width) {
                    case 8 -> Float16Rows.mix8(block.segment, block.at, first, end, column, scratch, weights, out);
                    case 4 -> Float16Rows.mix4(block.segment, block.at, first, end, column, scratch, weights, out);
                    default -> Float16Rows.mix2(block.segment, block.at, first, end, column, scratch, weights, out);
                }
            }
            case INT8 -> {
                switch (width) {
                    case 8 -> Int8Rows.mix8(block.segment, block.at, first, end, column, scratch, weights, out);
                    default -> Int8Rows.mix4(block.segment, block.at, first, end, column, scratch, weights, out);
                }
            }
            default -> {
                switch (width) {
                    case 8 -> Float32Rows.mix8(block.segment, block.at, first, end, column, scratch, weights, out);
                    case 4 -> Float32Rows.mix4(block.segment, block.at, first, end, column, scratch, weights, out);
                    default -> Float32Rows.mix1(block.segment, block.at, first, end, column, scratch, weights, out);
                }
            }
        }
    }
}
