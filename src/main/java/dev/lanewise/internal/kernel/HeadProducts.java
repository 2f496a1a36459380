package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.COUNT;

import dev.lanewise.ElementType;
import java.lang.foreign.MemorySegment;

/**
 * The two multiplies of one query row a head with a run of keys that several heads have in one page: what {@link RowProducts} does for one head, to
 * the same bits, but head after head, in the order in which memory has them. Rows have to be read in place, and eight vectors at a time.
 */
final class HeadProducts {
    /** Vectors of float32 that one pass over the rows takes. */
    private static final int WIDTH = 8;
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
     * @param block one run: that of the first head; afterwards the last's
     * @param count how many rows
     * @param headBytes bytes from one head's rows to the next head's
     * @param depth vectors of float32 in a row
     * @param query the byte of the first head's query in scratch
     * @param queryBytes bytes to the next head's
     * @param out the byte of the first head's first score; each head has room for whole vectors, the rest of which is any numbers afterwards
     * @param outBytes bytes to the next head's
     */
    static void dot(BlockRows block, int count, long headBytes, int heads, int depth, MemorySegment scratch, long query,
            long queryBytes, long out, long outBytes) {
        long first = block.start(0);
        for (int h = 0; h < heads; h++) {
            long to = out + h * outBytes;
            Context.fill(scratch, to, Transpose.padded(count) / COUNT, 0);
            block.move(first + h * headBytes);
            for (int d = 0; d < depth; d += WIDTH) {
                long column = (long) d * COUNT * block.type.bytes();
                long from = query + h * queryBytes + (long) d * BYTES;
                switch (block.type) {
                    case BFLOAT16 -> BFloat16Rows.dot8(block, 0, count, column, scratch, from, to);
                    case FLOAT16 -> Float16Rows.dot8(block, 0, count, column, scratch, from, to);
                    case INT8 -> Int8Rows.dot8(block, 0, count, column, scratch, from, to);
                    default -> Float32Rows.dot8(block, 0, count, column, scratch, from, to);
                }
            }
        }
    }

    /**
     * out[h, :] += Σ weights[h, j] · row[h, j].
     *
     * @param block one run: that of the first head; afterwards some other's
     * @param first the first row
     * @param end one past the last
     * @param columns vectors of float32 in a row
     * @param weights the byte of the first head's weight of row 0
     * @param out the byte of the first head's context
     */
    static void mix(BlockRows block, int first, int end, long headBytes, int heads, int columns, MemorySegment scratch,
            long weights, long weightBytes, long out, long outBytes) {
        long start = block.start(0);
        for (int c = 0; c < columns; c += WIDTH) {
            long column = start + (long) c * COUNT * block.type.bytes();
            long to = out + (long) c * BYTES;
            if (block.type == ElementType.FLOAT32) {
                Float32Heads.mix8(block.segment, column + first * block.stride, block.stride, end - first, headBytes,
                        heads, scratch, weights + first * 4L, weightBytes, to, outBytes, PAIR);
            } else {
                mixNarrow(block, column, first, end, headBytes, heads, scratch, weights, weightBytes, to, outBytes);
            }
        }
    }

    private static void mixNarrow(BlockRows block, long column, int first, int end, long headBytes, int heads,
            MemorySegment scratch, long weights, long weightBytes, long out, long outBytes) {
        for (int h = 0; h < heads; h++) {
            block.move(column + h * headBytes);
            long from = weights + h * weightBytes;
            long to = out + h * outBytes;
            switch (block.type) {
                case BFLOAT16 -> BFloat16Rows.mix8(block, first, end, 0, scratch, from, to);
                case FLOAT16 -> Float16Rows.mix8(block, first, end, 0, scratch, from, to);
                default -> Int8Rows.mix8(block, first, end, 0, scratch, from, to);
            }
        }
    }
}
