package dev.lanewise.internal.plan;

import dev.lanewise.ElementType;
import dev.lanewise.internal.kernel.AttentionProblem;
import dev.lanewise.internal.memory.Operand;

/**
 * The code paths that a call takes through the vector kernel, as a set of bits: calls with the same bits run the same methods, and what
 * one of them has made the JIT compile, the others find compiled.
 */
public final class VectorPaths {
    /**
     * Elements that go to or from a panel one by one, if they are not whole vectors of whole vectors: to copy rows, pad them and transpose the squares
     * they are in takes 1.1 to 1.7 times a call's time.
     */
    private static final int ONE_BY_ONE = 256;
    /** Keys of a block of the kernel for few rows. */
    public static final int ROW_BLOCK = 256;
    private static final int WIDTHS = 0;
    private static final int K = 4;
    private static final int V = 9;
    private static final int Q = 14;
    private static final int CONTEXT = 19;
    private static final int MASK = 24;
    private static final long MASK_BY_KEY = 1L << 29;
    private static final long HIDES = 1L << 30;
    private static final long PACKED = 1L << 31;
    private static final long SOFTCAP = 1L << 32;
    private static final long SLOPES = 1L << 33;
    private static final long POSITION_BIAS = 1L << 34;
    private static final long LOG_SUM_EXP = 1L << 35;
    private static final long SCORES = 1L << 36;
    private static final long WEIGHTS = 1L << 37;
    private static final long RAGGED_DEPTH = 1L << 38;

    private static final long FEW_ROWS = 1L << 39;
    private static final long CACHE = 1L << 40;
    private static final int PASSES = 41;
    /** Fields of the kernels for few rows: what they run, panels do not. */
    private static final int CACHED = 49;
    private static final int INNER = 59;
    private static final long FEW_KEYS = 1L << 61;
    private static final long HEAD_BY_HEAD = 1L << 62;
    private static final long TRANSPOSES = 1L << 63;
    /** A bit that {@link #cachedRows} leaves. */
    private static final long WHOLE_VECTORS = 1L << CACHED + 3;
    /** Rows of weights in pairs that meet values of eight vectors, instead of wider ones: another loop. {@link #rows} has the field else. */
    private static final long ADJACENT_PAIRS = 1L << INNER - CACHED;
    /** A pass over sixteen vectors of a row, {@link #wideRows}: a bit that pairs of rows of weights have where there are registers for them. */
    private static final long WIDE_ROWS = 16;
    /** Vectors of float32 in such a pass. */
    public static final int WIDE_VECTORS = 16;
    /** {@link #narrowHeads}. {@link #rows} has the field else. */
    private static final long NARROW_HEADS = 1L << INNER + 1;
    /** Bytes of one head in a page from which on each head is read by itself: a plain loop reads such pieces at 0.95 of a stream. */
    public static final long LONG_PIECE = 1 << 18;
    /** Bytes of all heads in a page from which on it pays to read them together: 0.80, where 8 KiB are read at 0.54. */
    public static final long SHARED_PIECE = 1 << 16;
    /** Vectors of a row of float32 that one pass takes in {@link #narrowHeads}. */
    public static final int NARROW_VECTORS = 4;
    private static final int SOFTMAX_OPERATIONS = 24;

    private VectorPaths() {
    }

    /**
     * Rows over a cache from which on they lie in lanes for q·kᵀ: a tile computes as much for part of a vector of rows as for all of it. With 16
     * lanes rows by themselves are a third faster for 9 to 16, a sixth for 24 and a twentieth for 28 of float32, but slower for 25 of other types.
     */
    public static int tiledRows(ElementType type) {
        return type == ElementType.FLOAT32 && lanes() == 16 ? 29 : Math.max(9, lanes() * 3 / 2 + 1);
    }

    /** The paths of a problem. */
    public static long of(AttentionProblem p) {
        long paths = switch (VectorKernel.of(p)) {
            case CACHED_ROWS -> cachedRows(p) << CACHED | headByHead(p);
            case ROWS -> FEW_ROWS | rows(p);
            case FEW_KEYS -> FEW_KEYS;
            case PANELS -> p.queryStarts.present() ? PACKED : panels(p);
        };
        paths |= p.fromCache ? CACHE | 1L << K + p.cached(0).type.ordinal() : layout(p.k) << K | layout(p.v) << V;
        paths |= layout(p.q) << Q | layout(p.context) << CONTEXT;
        if (p.mask.present()) {
            paths |= layout(p.mask) << MASK | (p.mask.rowStride == 0 ? MASK_BY_KEY : 0);
        }
        paths |= bit(!p.sameKeysForAll(), HIDES);
        paths |= bit(p.softcap != 0, SOFTCAP) | bit(p.slopes != null, SLOPES);
        paths |= bit(p.positionBias.present(), POSITION_BIAS) | bit(p.logSumExp.present(), LOG_SUM_EXP);
        paths |= bit(p.scores.present(), SCORES) | bit(p.weights.present(), WEIGHTS);
        return paths | bit((p.depth | p.valueDepth) % lanes() != 0, RAGGED_DEPTH);
    }

    private static boolean fewRows(AttentionProblem p) {
        return VectorKernel.of(p) != VectorKernel.PANELS;
    }

    /** Whether keys lie in several pages that are read head by head: long enough for that, and each head's piece too short to be read by itself. */
    public static boolean sharedPages(AttentionProblem p) {
        if (!p.fromCache || p.keys <= p.cached(0).pageTokens) {
            return false;
        }
        long piece = p.cached(0).keyHeadStride;
        return piece < LONG_PIECE && piece * (p.heads / p.group) >= SHARED_PIECE;
    }

    /**
     * Whether one row a head goes through the rows of one head after another in loops of their own: of float32, {@value #NARROW_VECTORS} vectors wide,
     * and all of a head in one page or in pages that heads share.
     */
    public static boolean narrowHeads(AttentionProblem p) {
        int columns = NARROW_VECTORS * lanes();
        return p.fromCache && p.queries * p.group == 1 && p.cached(0).type == ElementType.FLOAT32
                && p.depth == columns && p.valueDepth == columns
                && (p.keys <= p.cached(0).pageTokens || sharedPages(p));
    }

    /** Whether one row a head meets narrow rows, or what several heads have in a page, and whether that is whole vectors of keys of each, of eight vectors of features. */
    private static long headByHead(AttentionProblem p) {
        if (narrowHeads(p)) {
            return NARROW_HEADS;
        }
        if (!sharedPages(p) || p.queries > 1 || p.group > 1 || p.heads == 1) {
            return 0;
        }
        return HEAD_BY_HEAD | bit(p.depth == 8 * lanes() && p.cached(0).pageTokens % lanes() == 0, WHOLE_VECTORS);
    }

    /** Query heads that a rehearsal needs: the kernel for few rows serves all of a key/value head at once, and goes through several in shared pages. */
    public static int heads(AttentionProblem p) {
        return headByHead(p) != 0 ? 2 : fewRows(p) ? p.group : 1;
    }

    /**
     * For q·kᵀ one bit for one row, which may be left over of pairs, for a few, or for enough to lie in lanes; for the values one for rows in pairs, in
     * fours, or by themselves: a row that is left over does not count.
     */
    private static long cachedRows(AttentionProblem p) {
        int rows = p.queries * p.group;
        long dot = rows == 1 ? 1 : rows >= tiledRows(p.cached(0).type) ? 4 : 2 | rows % 2;
        int vectors = Math.ceilDiv(p.valueDepth, lanes());
        int together = !StartUp.CHOICE.manyRegisters() || vectors < 4 ? 1 : vectors % 8 == 0 ? 2 : 4;
        long pairs = vectors == 8 ? ADJACENT_PAIRS : 16;
        long mix = together == 1 || rows < together ? 64 : together == 2 ? pairs : 32;
        boolean mixWide = wideRows() && rows == 1 && p.cached(0).type == ElementType.FLOAT32;
        return dot | mix | (passes(p.depth, wideRows()) | passes(p.valueDepth, mixWide)) << 7
                | bit(wideRows() && Math.max(p.depth, mixWide ? p.valueDepth : 0) > (WIDE_VECTORS - 1) * lanes(),
                        WIDE_ROWS);
    }

    /** Which loops over rows in place run: by the rows, the vectors of their two products, and how keys lie. */
    private static long rows(AttentionProblem p) {
        int inner = p.queries == 1 ? p.group : p.queries;
        int values = p.valueDepth / lanes();
        long rows = bit(inner % 4 != 0, 1) | bit(inner >= 4, 2);
        long depth = p.depth == 4 * lanes() ? 1 : p.depth == 8 * lanes() ? 2 : 4;
        long columns = bit(values >= 4, 8) | bit(values % 4 != 0, 16);
        long keys = bit(p.keys <= lanes() / 2, 32) | bit(p.keys <= lanes() / 4, 64) | bit(p.keys > ROW_BLOCK, 128);
        return rows << INNER | (depth | columns | keys) << PASSES;
    }

    /** Whether keys of sixteen vectors are read in one pass, and such values of float32; otherwise a pass takes eight. */
    public static boolean wideRows() {
        return !StartUp.CHOICE.manyRegisters();
    }

    /** One bit for passes over eight vectors of a row, over four, and over fewer; those over sixteen, if there are any, have {@link #WIDE_ROWS}. */
    private static long passes(int columns, boolean wide) {
        int vectors = Math.ceilDiv(columns, lanes());
        int rest = wide ? vectors % WIDE_VECTORS : vectors;
        return (rest >= 8 ? 1L : 0) | (vectors % 8 >= 4 ? 2L : 0) | (vectors % 4 > 0 ? 4L : 0);
    }

    /** One bit for each width in vectors that a panel has, and one if squares are transposed: all panels are like the first or the last. */
    private static long panels(AttentionProblem p) {
        QueryPanels panels = new QueryPanels();
        panels.cut(p.queries, p.sameKeysForAll());
        return panels.count() == 0 ? 0 : panel(p, panels, 0) | panel(p, panels, panels.count() - 1);
    }

    private static long panel(AttentionProblem p, QueryPanels panels, int panel) {
        int queries = panels.first(panel + 1) - panels.first(panel);
        boolean transposes = transposes(p.q, queries, p.depth) || transposes(p.context, queries, p.valueDepth)
                || p.additiveMask() && p.mask.rowStride != 0 && transposes(p.mask, queries, p.keys)
                || p.scores.present() && transposes(p.scores, queries, p.keys)
                || p.weights.present() && transposes(p.weights, queries, p.keys);
        return 1L << WIDTHS + (queries - 1) / lanes() | bit(transposes, TRANSPOSES);
    }

    /** Whether so many rows of an operand go to or from a panel in squares, and not one by one. */
    public static boolean transposes(Operand operand, int rows, int columns) {
        boolean whole = operand.inPlace() && rows % lanes() == 0 && columns % lanes() == 0;
        return whole || !operand.direct || (long) rows * columns > ONE_BY_ONE;
    }

    /** One bit of five: in place with contiguous rows, in place with others, and copied from 32-bit, 16-bit or other elements. */
    static long layout(Operand operand) {
        int bytes = operand.type.bytes();
        boolean contiguous = operand.columnStride == bytes;
        if (operand.direct) {
            return contiguous ? 1 : 2;
        }
        boolean vectors = contiguous && Operand.isNative(operand.segment);
        return operand.type == ElementType.BFLOAT16 && vectors
                ? 4
                : operand.type == ElementType.FLOAT16 && vectors ? 8 : 16;
    }

    private static long bit(boolean condition, long bit) {
        return condition ? bit : 0;
    }

    private static int lanes() {
        return StartUp.CHOICE.lanes();
    }

    /**
     * About how many vector operations a problem takes: {@value #SOFTMAX_OPERATIONS} for the softmax of a vector of scores, and one for each
     * multiply-add of its two products.
     */
    public static long operations(AttentionProblem p) {
        if (fewRows(p)) {
            return fewRowsOperations(p);
        }
        long vectors = 0;
        QueryPanels panels = new QueryPanels();
        for (int b = 0; b < p.batch; b++) {
            p.bounds.resolve(p, b);
            panels.cut(p.bounds.queries, p.sameKeysForAll());
            for (int i = 0; i < panels.count(); i++) {
                int query = panels.first(i);
                int end = panels.first(i + 1);
                int keys = p.bounds.end(end - 1L) - p.bounds.first(query);
                vectors += (long) Math.max(0, keys) * ((end - query + lanes() - 1) / lanes());
            }
        }
        return vectors * p.heads * (p.depth + p.valueDepth + SOFTMAX_OPERATIONS);
    }

    private static long fewRowsOperations(AttentionProblem p) {
        long keys = 0;
        for (int b = 0; b < p.batch; b++) {
            p.bounds.resolve(p, b);
            keys += Math.max(0, p.bounds.end(p.bounds.queries - 1L) - p.bounds.first(0));
        }
        return keys * p.queries * p.heads * (p.depth + p.valueDepth + SOFTMAX_OPERATIONS) / lanes();
    }
}
