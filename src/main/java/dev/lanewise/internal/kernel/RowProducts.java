package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.COUNT;

import dev.lanewise.ElementType;
import dev.lanewise.internal.plan.StartUp;
import dev.lanewise.internal.plan.VectorPaths;
import java.lang.foreign.MemorySegment;

/**
 * The two multiplies of few query rows, lanes along the rows of k and v: scores are dot products, a part of the query in registers and key
 * after key passing by ({@link LaneSums} tells how their lanes are summed); the context is a sum of weighted rows, kept in registers, of two
 * or four rows of weights at once if 16 accumulators and what they meet fit the registers.
 */
final class RowProducts {
    private static final boolean MANY_REGISTERS = StartUp.CHOICE.manyRegisters();
    private static final int GROUP = 4;
    private static final int PAIR = 2;
    /** Vectors of float32 that the widest pass over the rows takes. */
    static final int WIDEST = 8;
    /** The same where {@link WideRows} has the loops. */
    private static final int WIDE = VectorPaths.WIDE_VECTORS;
    /** Keys in a slice: 128 features of each are 32 KiB. */
    private static final int SLICE = 64;
    /** The same of rows that take one pass of {@link #WIDE}: 16 KiB, half of the cache. */
    private static final int WIDE_SLICE = 32;
    /** The same where two queries meet a key at once, which the second-level cache is fast enough for: memory starts anew for each slice. */
    private static final int PAIR_SLICE = 256;
    /** Whether two queries and what they meet fit the registers, and sums have the lanes that {@link Float32Pairs#dot2x8} knows. */
    private static final boolean DOT_PAIRS = MANY_REGISTERS && COUNT == 16;

    private RowProducts() {
    }

    /**
     * scores[r, j] = query[r] · row[j].
     *
     * @param block the rows
     * @param count how many rows
     * @param depth vectors of float32 in a row
     * @param query the byte of query 0 in scratch
     * @param queryRow bytes between queries
     * @param queries how many
     * @param out the byte of score (0, 0); each row has room for whole vectors, the rest of which is any numbers afterwards
     * @param outRow bytes between rows of scores
     */
    static void dot(BlockRows block, int count, int depth, MemorySegment scratch, long query, long queryRow,
            int queries, long out, long outRow) {
        for (int r = 0; r < queries; r++) {
            Context.fill(scratch, out + r * outRow, Transpose.padded(count) / COUNT, 0);
        }
        boolean pairs = DOT_PAIRS && block.type == ElementType.FLOAT32 && queries >= PAIR && depth % WIDEST == 0;
        int slice = pairs ? PAIR_SLICE : slice(queries, depth, dotWidth(block.type, depth), count);
        for (int j = 0; j < count; j += slice) {
            int end = Math.min(count, j + slice);
            int r = 0;
            for (; pairs && r + PAIR <= queries; r += PAIR) {
                dotPair(block, j, end, depth, scratch, query + r * queryRow, queryRow, out + r * outRow + j * 4L,
                        outRow);
            }
            for (; r < queries; r++) {
                dot(block, j, end, depth, scratch, query + r * queryRow, out + r * outRow + j * 4L);
            }
        }
    }

    /** Keys that are met again, by the next row or by the next pass, before others are: few enough to stay in the first-level cache. */
    private static int slice(int rows, int vectors, int width, int count) {
        return rows == 1 && vectors <= width ? Math.max(1, count) : width == WIDE ? WIDE_SLICE : SLICE;
    }

    private static void dotPair(BlockRows block, int first, int end, int depth, MemorySegment scratch, long query,
            long queryRow, long out, long outRow) {
        for (int d = 0; d < depth; d += WIDEST) {
            Float32Pairs.dot2x8(block, first, end, column(block, d), scratch, query + (long) d * BYTES, queryRow, out,
                    outRow);
        }
    }

    private static void dot(BlockRows block, int first, int end, int depth, MemorySegment scratch, long query,
            long out) {
        for (int d = 0; d < depth;) {
            int width = dotWidth(block.type, depth - d);
            dot(block, width, first, end, column(block, d), scratch, query + (long) d * BYTES, out);
            d += width;
        }
    }

    /** Adds the products of one query and so many vectors of each row, from a byte of the row on. */
    static void dot(BlockRows block, int width, int first, int end, long column, MemorySegment scratch,
            long query, long out) {
        switch (block.type) {
            case BFLOAT16 -> {
                switch (width) {
                    case WIDE -> BFloat16Rows.dot16(block, first, end, column, scratch, query, out);
                    case 8 -> BFloat16Rows.dot8(block, first, end, column, scratch, query, out);
                    case 4 -> BFloat16Rows.dot4(block, first, end, column, scratch, query, out);
                    default -> BFloat16Rows.dot2(block, first, end, column, scratch, query, out);
                }
            }
            case FLOAT16 -> {
                switch (width) {
                    case WIDE -> Float16Rows.dot16(block, first, end, column, scratch, query, out);
                    case 8 -> Float16Rows.dot8(block, first, end, column, scratch, query, out);
                    case 4 -> Float16Rows.dot4(block, first, end, column, scratch, query, out);
                    default -> Float16Rows.dot2(block, first, end, column, scratch, query, out);
                }
            }
            case INT8 -> {
                switch (width) {
                    case WIDE -> Int8Rows.dot16(block, first, end, column, scratch, query, out);
                    case 8 -> Int8Rows.dot8(block, first, end, column, scratch, query, out);
                    default -> Int8Rows.dot4(block, first, end, column, scratch, query, out);
                }
            }
            default -> {
                switch (width) {
                    case WIDE -> WideRows.dot16(block, first, end, column, scratch, query, out);
                    case 8 -> Float32Rows.dot8(block, first, end, column, scratch, query, out);
                    case 4 -> Float32Rows.dot4(block, first, end, column, scratch, query, out);
                    default -> Float32Rows.dot1(block, first, end, column, scratch, query, out);
                }
            }
        }
    }

    /** Vectors of float32 that one pass over keys takes, at most so many. */
    static int dotWidth(ElementType type, int vectors) {
        return vectors >= WIDE && VectorPaths.wideRows() ? WIDE : width(type, vectors);
    }

    /** The same over values. */
    static int mixWidth(ElementType type, int vectors) {
        return type == ElementType.FLOAT32 ? dotWidth(type, vectors) : width(type, vectors);
    }

    private static int width(ElementType type, int vectors) {
        int least = Integer.BYTES / type.bytes();
        return vectors >= WIDEST ? WIDEST : vectors >= 4 ? 4 : least;
    }

    /** The byte where so many vectors of float32 begin in a row. */
    static long column(BlockRows block, int vectors) {
        return (long) vectors * COUNT * block.type.bytes();
    }

    /** What queries have to be multiplied by to meet rows that are read in place. */
    static float queryFactor(ElementType type) {
        return type == ElementType.FLOAT16 ? Float16Rows.REBIAS : type == ElementType.INT8 ? Int8Rows.TOP_BYTE : 1;
    }

    /**
     * out[r, :] += Σ weights[r, j] · row[j] over the keys that each row sees.
     *
     * @param scores tells which they are
     * @param from the first row
     * @param to one past the last
     * @param columns vectors of float32 in a row
     * @param weights the byte of weight (0, 0) in scratch
     * @param out the byte of the first sum of row 0, rows {@code columns} vectors wide
     */
    static void mix(BlockRows block, int count, DecodeScores scores, int from, int to, int columns,
            MemorySegment scratch, long weights, long weightRow, long out) {
        boolean pairs = MANY_REGISTERS && columns % WIDEST == 0;
        int widest = to - from == 1 ? mixWidth(block.type, columns) : WIDEST;
        int slice = pairs && to - from == 2 * PAIR ? PAIR_SLICE : slice(to - from, columns, widest, count);
        long outRow = (long) columns * BYTES;
        for (int j = 0; j < count; j += slice) {
            int end = Math.min(count, j + slice);
            for (int r = from; r < to;) {
                long sums = out + r * outRow;
                if (MANY_REGISTERS && !pairs && columns >= GROUP && r + GROUP <= to
                        && scores.allSee(r, r + GROUP, count)) {
                    mixFour(block, j, end, columns, scratch, weights + r * weightRow, weightRow, sums);
                    r += GROUP;
                } else if (pairs && r + PAIR <= to && scores.allSee(r, r + PAIR, count)) {
                    mixPair(block, j, end, columns, scratch, weights + r * weightRow, weightRow, sums);
                    r += PAIR;
                } else {
                    mixOne(block, widest, 0, Math.max(j, scores.first[r]), Math.min(end, scores.end[r]), columns,
                            scratch, weights + r * weightRow, sums);
                    r++;
                }
            }
        }
    }

    private static void mixPair(BlockRows block, int first, int end, int columns, MemorySegment scratch, long weights,
            long weightRow, long out) {
        if (columns == WIDEST && block.stride == WIDEST * BYTES) {
            Float32Pairs.mixAdjacent2x8(block, first, end, scratch, weights, weightRow, out);
            return;
        }
        for (int c = 0; c < columns; c += WIDEST) {
            Float32Rows.mix2x8(block, first, end, column(block, c), scratch, weights, weightRow,
                    out + (long) c * BYTES, (long) columns * BYTES);
        }
    }

    private static void mixFour(BlockRows block, int first, int end, int columns, MemorySegment scratch, long weights,
            long weightRow, long out) {
        int c = 0;
        for (; c + GROUP <= columns; c += GROUP) {
            Float32Rows.mix4x4(block, first, end, column(block, c), scratch, weights, weightRow,
                    out + (long) c * BYTES, (long) columns * BYTES);
        }
        for (int r = 0; r < GROUP && c < columns; r++) {
            mixOne(block, WIDEST, c, first, end, columns, scratch, weights + r * weightRow,
                    out + (long) r * columns * BYTES);
        }
    }

    /** Columns from one vector on, in passes of at most so many. */
    private static void mixOne(BlockRows block, int widest, int from, int first, int end, int columns,
            MemorySegment scratch,
            long weights, long out) {
        for (int c = from; c < columns;) {
            int width = Math.min(widest, mixWidth(block.type, columns - c));
            mix(block, width, first, end, column(block, c), scratch, weights, out + (long) c * BYTES);
            c += width;
        }
    }

    /** Adds weighted rows to so many vectors of the context, from a byte of the row on. */
    static void mix(BlockRows block, int width, int first, int end, long column, MemorySegment scratch,
            long weights, long out) {
        switch (block.type) {
            case BFLOAT16 -> {
                switch (width) {
                    case 8 -> BFloat16Rows.mix8(block, first, end, column, scratch, weights, out);
                    case 4 -> BFloat16Rows.mix4(block, first, end, column, scratch, weights, out);
                    default -> BFloat16Rows.mix2(block, first, end, column, scratch, weights, out);
                }
            }
            case FLOAT16 -> {
                switch (width) {
                    case 8 -> Float16Rows.mix8(block, first, end, column, scratch, weights, out);
                    case 4 -> Float16Rows.mix4(block, first, end, column, scratch, weights, out);
                    default -> Float16Rows.mix2(block, first, end, column, scratch, weights, out);
                }
            }
            case INT8 -> {
                switch (width) {
                    case 8 -> Int8Rows.mix8(block, first, end, column, scratch, weights, out);
                    default -> Int8Rows.mix4(block, first, end, column, scratch, weights, out);
                }
            }
            default -> {
                switch (width) {
                    case WIDE -> WideRows.mix16(block, first, end, column, scratch, weights, out);
                    case 8 -> Float32Rows.mix8(block, first, end, column, scratch, weights, out);
                    case 4 -> Float32Rows.mix4(block, first, end, column, scratch, weights, out);
                    default -> Float32Rows.mix1(block, first, end, column, scratch, weights, out);
                }
            }
        }
    }
}
