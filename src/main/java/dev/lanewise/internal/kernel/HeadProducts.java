package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.COUNT;

import dev.lanewise.ElementType;
import dev.lanewise.internal.plan.VectorPaths;
import java.lang.foreign.MemorySegment;

/**
 * The two multiplies of one query row a head with a run of keys that several heads have in one page: what {@link RowProducts} does for one head, to
 * the same bits, but head after head, in the order in which memory has them. Rows have to be read in place, and eight vectors at a time, or be four of float32.
 */
final class HeadProducts {
    /** Vectors of float32 that one pass over the rows takes. */
    private static final int WIDTH = RowProducts.WIDEST;
    /** The one number of vectors below it that heads have loops for, in rows of float32. */
    private static final int NARROW = VectorPaths.NARROW_VECTORS;
    /** Rows at a time; an argument, so that C2 counts no turns of a loop that has few. */
    private static final int PAIR = 2;
    /** The most rows in a run: so many of every head are a tenth of a millisecond between two looks at what may cancel the call. */
    static final int ROWS = 256;

    private HeadProducts() {
    }

    /** Whether rows of so many vectors can be read. */
    static boolean fits(int vectors) {
        return vectors % WIDTH == 0;
    }

    /**
     * scores[h, j] = query[h] · row[h, j].
     *
     * @param block one run: that of the first head
     * @param count how many rows
     * @param room how many a head has memory for from the first one on: those beyond may be read, too
     * @param headBytes bytes from one head's rows to the next head's
     * @param depth vectors of float32 in a row
     * @param query the byte of the first head's query in scratch
     * @param queryBytes bytes to the next head's
     * @param partial the byte of room for {@link #ROWS} + 1 vectors in scratch
     * @param out the byte of the first head's first score; each head has room for whole vectors, the rest of which is any numbers afterwards
     * @param outBytes bytes to the next head's
     */
    static void dot(BlockRows block, int count, int room, long headBytes, int heads, int depth, MemorySegment scratch,
            long query, long queryBytes, long partial, long out, long outBytes) {
        if (depth == NARROW) {
            Float32Heads.dot4(block.segment, block.start(0), count, headBytes, heads, scratch, query, queryBytes, out,
                    outBytes);
            return;
        }
        int vectors = Transpose.padded(count) / COUNT;
        for (int h = 0; h < heads; h++) {
            Context.fill(scratch, out + h * outBytes, vectors, 0);
        }
        int rows = vectors * COUNT;
        boolean known = block.type == ElementType.FLOAT32 || block.type == ElementType.BFLOAT16;
        boolean whole = known && block.stride == RowProducts.column(block, WIDTH) && rows <= room;
        if (whole) {
            int together = headBytes == rows * block.stride ? heads : 1;
            for (int h = 0; h < heads; h += together) {
                long first = block.start(0) + h * headBytes;
                long of = query + h * queryBytes;
                long to = out + h * outBytes;
                if (block.type == ElementType.FLOAT32) {
                    Float32Heads.dotAdjacent8(block.segment, first, rows, together, scratch, of, queryBytes, to,
                            outBytes);
                } else {
                    BFloat16Rows.dotAdjacent8(block.segment, first, rows, together, scratch, of, queryBytes, to,
                            outBytes);
                }
            }
            return;
        }
        for (int d = 0; d < depth;) {
            int width = RowProducts.dotWidth(block.type, depth - d);
            long column = RowProducts.column(block, d);
            long from = query + (long) d * BYTES;
            if (block.type == ElementType.FLOAT32 && width == WIDTH) {
                dotFloat32(block, count, headBytes, heads, column, scratch, from, queryBytes, partial, out, outBytes);
            } else {
                dotRows(block, width, count, headBytes, heads, column, scratch, from, queryBytes, out, outBytes);
            }
            d += width;
        }
    }

    private static void dotFloat32(BlockRows block, int count, long headBytes, int heads, long column,
            MemorySegment scratch, long query, long queryBytes, long partial, long out, long outBytes) {
        int vectors = Transpose.padded(count) / COUNT;
        long partialBytes = (long) vectors * COUNT * BYTES;
        int together = ROWS / (vectors * COUNT);
        long first = block.start(0) + column;
        for (int h = 0; h < heads; h += together) {
            int some = Math.min(together, heads - h);
            Float32Heads.dot8(block.segment, first + h * headBytes, block.stride, count, headBytes, some, scratch,
                    query + h * queryBytes, queryBytes, partial, partialBytes, PAIR);
            for (int i = 0; i < some; i++) {
                for (int v = 0; v < vectors; v++) {
                    LaneSums.add(scratch, partial + i * partialBytes + (long) v * COUNT * BYTES,
                            out + (h + i) * outBytes + (long) v * BYTES);
                }
            }
        }
    }

    private static void dotRows(BlockRows block, int width, int count, long headBytes, int heads, long column,
            MemorySegment scratch, long query, long queryBytes, long out, long outBytes) {
        long first = block.start(0);
        for (int h = 0; h < heads; h++) {
            block.move(first + h * headBytes);
            RowProducts.dot(block, width, 0, count, column, scratch, query + h * queryBytes, out + h * outBytes);
        }
        block.move(first);
    }

    /**
     * out[h, :] += Σ weights[h, j] · row[h, j].
     *
     * @param block one run: that of the first head
     * @param first the first row
     * @param end one past the last
     * @param columns vectors of float32 in a row
     * @param weights the byte of the first head's weight of row 0
     * @param out the byte of the first head's context
     */
    static void mix(BlockRows block, int first, int end, long headBytes, int heads, int columns, MemorySegment scratch,
            long weights, long weightBytes, long out, long outBytes) {
        if (columns == NARROW) {
            Float32Heads.mix4(block.segment, block.start(0) + first * block.stride, end - first, headBytes, heads,
                    scratch, weights + first * 4L, weightBytes, out, outBytes);
            return;
        }
        for (int c = 0; c < columns;) {
            int width = RowProducts.mixWidth(block.type, columns - c);
            int pairs = block.type == ElementType.FLOAT32 && width == WIDTH ? (end - first) / PAIR * PAIR : 0;
            long column = RowProducts.column(block, c);
            long to = out + (long) c * BYTES;
            if (pairs > 0) {
                Float32Heads.mix8(block.segment, block.start(0) + column + first * block.stride, block.stride, pairs,
                        headBytes, heads, scratch, weights + first * 4L, weightBytes, to, outBytes, PAIR);
            }
            if (first + pairs < end) {
                mixRows(block, width, column, first + pairs, end, headBytes, heads, scratch, weights, weightBytes, to,
                        outBytes);
            }
            c += width;
        }
    }

    private static void mixRows(BlockRows block, int width, long column, int first, int end, long headBytes, int heads,
            MemorySegment scratch, long weights, long weightBytes, long out, long outBytes) {
        long start = block.start(0);
        for (int h = 0; h < heads; h++) {
            block.move(start + h * headBytes);
            RowProducts.mix(block, width, first, end, column, scratch, weights + h * weightBytes, out + h * outBytes);
        }
        block.move(start);
    }
}
