package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.COUNT;

import dev.lanewise.internal.memory.Operand;
import dev.lanewise.internal.memory.Scratch;
import dev.lanewise.internal.plan.MatrixPaths;
import java.lang.foreign.MemorySegment;

/**
 * The softmax of rows of float32: maximum, exponentials and their sum, division. Lanes lie along the row. Rows are taken in groups that
 * stay in the first-level cache, pass after pass, so that one row's reductions across lanes run beside the next row's.
 *
 * <p>What does not fill a vector at the end of a row is read with what comes before it, and waits in scratch, one vector a row, filled up
 * with −∞, whose weight is 0. Rows shorter than a vector, and rows that cannot be read or written in place, go through scratch.
 */
public final class VectorSoftmax {
    private static final int MOST_ROWS = 32;
    /** What is read and what is written fits the smallest first-level cache. */
    private static final int GROUP_BYTES = 32 << 10;
    /** Up to so many vectors rows are taken {@link #QUAD_ROWS} at a time; longer ones are worth loops of their own. */
    public static final int QUAD_VECTORS = 32;
    /** Short rows that are taken together. */
    public static final int QUAD_ROWS = QuadWeights.ROWS;
    /** Scratch: a vector a row each of maxima, those of the next group, sums of weights, and ends of rows. */
    private static final long MAX = 0;
    private static final long NEXT_MAX = MAX + (long) MOST_ROWS * BYTES;
    private static final long SUMS = NEXT_MAX + (long) MOST_ROWS * BYTES;
    private static final long TAILS = SUMS + (long) MOST_ROWS * BYTES;
    /** A float a row, with room for a vector behind them: maxima of whole rows, reciprocals of their sums. Then rows that cannot be done in place. */
    private static final long TOPS = TAILS + (long) MOST_ROWS * BYTES;
    private static final long FACTORS = TOPS + MOST_ROWS * Float.BYTES + BYTES;
    private static final long ROWS = FACTORS + MOST_ROWS * Float.BYTES + BYTES;

    private VectorSoftmax() {
    }

    /** All rows from one operand to the other; they may be the same. */
    public static void run(Operand in, Operand out, int rows, int columns, Scratch<?> memory,
            Cancellation cancellation) {
        boolean direct = in.inPlace() && out.inPlace()
                && columns >= COUNT;
        int padded = (columns + COUNT - 1) / COUNT;
        long rowBytes = (long) padded * BYTES;
        int fit = (int) Math.max(1, Math.min(MOST_ROWS, GROUP_BYTES / (2 * rowBytes)));
        boolean quads = (direct ? columns / COUNT : padded) <= QUAD_VECTORS;
        int together = quads ? fit - fit % QUAD_ROWS : fit;
        MemorySegment scratch = memory.memory(ROWS + (direct ? 0 : together * rowBytes));
        MemorySegment source = direct ? in.segment : scratch;
        MemorySegment target = direct ? out.segment : scratch;
        long fromRow = direct ? in.rowStride : rowBytes;
        long toRow = direct ? out.rowStride : rowBytes;
        int width = direct ? columns : padded * COUNT;
        long max = MAX;
        long nextMax = NEXT_MAX;
        int ahead = 0;
        if (!quads) {
            Context.fill(scratch, NEXT_MAX, together, Float.NEGATIVE_INFINITY);
        }
        for (int row = 0; row < rows; row += together) {
            int some = Math.min(together, rows - row);
            long from = direct ? in.at(0, 0, row) : ROWS;
            long to = direct ? out.at(0, 0, row) : ROWS;
            if (!direct) {
                fillUp(scratch, some, rowBytes);
                StagedPieces.load(in, in.at(0, 0, row), some, columns, scratch, ROWS, rowBytes, cancellation);
            }
            if (quads) {
                cancellation.pass((long) some * width);
                shortRows(source, from, fromRow, target, to, toRow, some, width, scratch);
            } else {
                boolean known = ahead > 0;
                ahead = direct ? Math.min(together, rows - row - some) : 0;
                longRows(source, from, fromRow, target, to, toRow, some, width, scratch, max, known, ahead, nextMax,
                        cancellation);
                long swap = max;
                max = nextMax;
                nextMax = swap;
            }
            if (!direct) {
                StagedPieces.store(scratch, ROWS, rowBytes, some, columns, out, out.at(0, 0, row), cancellation);
            }
        }
    }

    /** −∞ in the last vector of each row in scratch. */
    private static void fillUp(MemorySegment scratch, int rows, long rowBytes) {
        for (int r = 0; r < rows; r++) {
            Context.fill(scratch, ROWS + (r + 1) * rowBytes - BYTES, 1, Float.NEGATIVE_INFINITY);
        }
    }

    private static void shortRows(MemorySegment in, long from, long fromRow, MemorySegment out, long to, long toRow,
            int rows, int columns, MemorySegment scratch) {
        int vectors = columns / COUNT;
        int quads = rows - rows % QUAD_ROWS;
        int singles = rows - quads;
        long rest = (long) quads * BYTES;
        for (int r = 0; r < quads; r += QUAD_ROWS) {
            QuadWeights.maxima(in, from + r * fromRow, fromRow, vectors, BYTES, scratch, MAX + (long) r * BYTES);
        }
        if (singles > 0) {
            Context.fill(scratch, MAX + rest, singles, Float.NEGATIVE_INFINITY);
            Context.fill(scratch, SUMS + rest, singles, 0);
            RowWeights.raise(in, from + quads * fromRow, fromRow, singles, vectors, scratch, MAX + rest);
        }
        takeTails(in, from, fromRow, rows, columns, scratch, MAX);
        for (int r = 0; r < quads; r += QUAD_ROWS) {
            QuadWeights.reduceMaxima(scratch, MAX + (long) r * BYTES, TOPS + r * 4L);
        }
        if (singles > 0) {
            RowWeights.reduceMaxima(scratch, MAX + rest, singles, TOPS + quads * 4L);
        }
        if (MatrixPaths.fitsRegisters(columns)) {
            EightVectorWeights.normalise(in, from, fromRow, out, to, toRow, rows, scratch, TOPS);
            return;
        }
        for (int r = 0; r < quads; r += 2) {
            QuadWeights.exponentiate(in, from + r * fromRow, fromRow, out, to + r * toRow, toRow, vectors, BYTES,
                    scratch, TOPS + r * 4L, SUMS + (long) r * BYTES);
        }
        if (singles > 0) {
            RowWeights.exponentiate(in, from + quads * fromRow, fromRow, out, to + quads * toRow, toRow, singles,
                    vectors, scratch, TOPS + quads * 4L, SUMS + rest);
        }
        addTails(rows, columns, scratch);
        for (int r = 0; r < quads; r += QUAD_ROWS) {
            QuadWeights.invertSums(scratch, SUMS + (long) r * BYTES, FACTORS + r * 4L);
        }
        for (int r = 0; r < quads; r += QUAD_ROWS) {
            QuadWeights.scale(out, to + r * toRow, toRow, vectors, BYTES, scratch, FACTORS + r * 4L);
        }
        if (singles > 0) {
            RowWeights.invertSums(scratch, SUMS + rest, singles, FACTORS + quads * 4L);
            RowWeights.scale(out, to + quads * toRow, toRow, singles, vectors, scratch, FACTORS + quads * 4L);
        }
        putTails(scratch, out, to, toRow, rows, columns);
    }

    /**
     * Rows whose maxima of each lane are {@code known} or not; {@code ahead} rows that follow them get to know theirs, which are −∞ before. A row
     * that is longer than a piece is alone.
     */
    private static void longRows(MemorySegment in, long from, long fromRow, MemorySegment out, long to, long toRow,
            int rows, int columns, MemorySegment scratch, long max, boolean known, int ahead, long nextMax,
            Cancellation cancellation) {
        int vectors = columns / COUNT;
        int piece = cancellation.piece() / COUNT;
        if (!known) {
            Context.fill(scratch, max, rows, Float.NEGATIVE_INFINITY);
            for (int v = 0; v < vectors; v += piece) {
                int some = Math.min(piece, vectors - v);
                cancellation.pass((long) rows * some * COUNT);
                RowWeights.raise(in, from + (long) v * BYTES, fromRow, rows, some, scratch, max);
            }
        }
        takeTails(in, from, fromRow, rows, columns, scratch, max);
        RowWeights.reduceMaxima(scratch, max, rows, TOPS);
        Context.fill(scratch, SUMS, rows, 0);
        for (int v = 0; v < vectors; v += piece) {
            int some = Math.min(piece, vectors - v);
            long lane = (long) v * BYTES;
            cancellation.pass((long) rows * some * COUNT);
            RowWeights.exponentiateAhead(in, from + lane, fromRow, out, to + lane, toRow, rows, some, scratch, TOPS,
                    SUMS, ahead, nextMax);
        }
        addTails(rows, columns, scratch);
        RowWeights.invertSums(scratch, SUMS, rows, FACTORS);
        for (int v = 0; v < vectors; v += piece) {
            int some = Math.min(piece, vectors - v);
            cancellation.pass((long) rows * some * COUNT);
            RowWeights.scale(out, to + (long) v * BYTES, toRow, rows, some, scratch, FACTORS);
        }
        putTails(scratch, out, to, toRow, rows, columns);
    }

    /** What the ends of rows do to maxima. */
    private static void takeTails(MemorySegment in, long from, long row, int rows, int columns, MemorySegment scratch,
            long max) {
        int tail = columns % COUNT;
        if (tail > 0) {
            RowWeights.takeTails(in, from + end(columns), row, rows, COUNT - tail, scratch, TAILS);
            RowWeights.raise(scratch, TAILS, BYTES, rows, 1, scratch, max);
        }
    }

    /** What they add to sums. */
    private static void addTails(int rows, int columns, MemorySegment scratch) {
        if (columns % COUNT > 0) {
            RowWeights.exponentiate(scratch, TAILS, BYTES, scratch, TAILS, BYTES, rows, 1, scratch, TOPS, SUMS);
        }
    }

    /** Their results. */
    private static void putTails(MemorySegment scratch, MemorySegment out, long to, long row, int rows, int columns) {
        int tail = columns % COUNT;
        if (tail > 0) {
            RowWeights.scale(scratch, TAILS, BYTES, rows, 1, scratch, FACTORS);
            RowWeights.putTails(scratch, TAILS, out, to + end(columns), row, rows, COUNT - tail);
        }
    }

    /** The byte of the last whole vector of a row. */
    private static long end(int columns) {
        return (long) (columns - COUNT) * Float.BYTES;
    }
}
