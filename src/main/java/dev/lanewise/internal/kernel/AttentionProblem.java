package dev.lanewise.internal.kernel;

import dev.lanewise.ElementType;
import dev.lanewise.ScoreStage;
import dev.lanewise.internal.memory.CachedRows;
import dev.lanewise.internal.memory.Elements;
import dev.lanewise.internal.memory.IntColumn;
import dev.lanewise.internal.memory.Operand;
import java.util.Arrays;

/**
 * One call, checked and flattened: the operands, the sizes and the options that the kernels read. Filled in by the API, never
 * changed by a kernel, and reused from call to call so that a call allocates nothing.
 */
public final class AttentionProblem {
    /** Queries: (batch, head, query, feature). */
    public final Operand q = new Operand();
    /** Keys: (batch, kv head, key, feature). */
    public final Operand k = new Operand();
    /** Values: (batch, kv head, key, feature). */
    public final Operand v = new Operand();
    /** One for each batch row at least, where keys and values are in a cache. */
    private CachedRows[] cached = new CachedRows[0];
    /** Whether keys and values are in a cache; {@link #k} and {@link #v} are absent then. */
    public boolean fromCache;
    /** Output: weights·v, (batch, head, query, feature). */
    public final Operand context = new Operand();
    /** Output or absent: scores at {@link #scoreStage}, (batch, head, query, key). */
    public final Operand scores = new Operand();
    /** Output or absent: the softmax, (batch, head, query, key). */
    public final Operand weights = new Operand();
    /** Output or absent: (batch, head, query, 1). */
    public final Operand logSumExp = new Operand();
    /** Input or absent: boolean or additive, (batch, head, query, key). */
    public final Operand mask = new Operand();
    /** Input or absent: (1, head, 1, {@link #biasCentre} + query position − key position). */
    public final Operand positionBias = new Operand();
    /** The centre of the position bias table: L − 1 of its 2L − 1 columns. */
    public int biasCentre;

    /** Batch rows; packed sequences if {@link #queryStarts} is present. */
    public int batch;
    /** Query heads. */
    public int heads;
    /** Query heads that share a key/value head: H / Hkv. */
    public int group;
    /** Lq: rows of q. */
    public int queries;
    /** Lk: rows of k and v; over a cache, of the longest batch row. */
    public int keys;
    /** D. */
    public int depth;
    /** Dv. */
    public int valueDepth;

    /** Factor of q·kᵀ. */
    public float scale;
    /** 0, or c in c·tanh(score/c). */
    public float softcap;
    /** Whether query i sees only keys up to i + offset. */
    public boolean causal;
    /** Keys before i + offset that query i sees; −1 for all. */
    public long windowLeft;
    /** Keys after i + offset that query i sees; −1 for all. */
    public long windowRight;
    /** The offset, where it is fixed. */
    public long offset;
    /** Whether the offset is key length − query length of the batch row. */
    public boolean offsetBottomRight;
    /** One slope a head, or null. */
    public float[] slopes;
    /** One sink a head, or null. */
    public float[] sinks;
    /** The first key of the range that this call may attend to. */
    public long rangeStart;
    /** One past the last key of that range. */
    public long rangeEnd;
    /** Which scores to output. */
    public ScoreStage scoreStage;

    /** Absent, or one offset a batch row. */
    public final IntColumn pastLengths = new IntColumn();
    /** Absent, or the number of keys of each batch row. */
    public final IntColumn keyLengths = new IntColumn();
    /** Absent, or the first key of each batch row. */
    public final IntColumn keyStarts = new IntColumn();
    /** Absent, or where each packed sequence starts among the query rows, and where the last one ends. */
    public final IntColumn queryStarts = new IntColumn();
    /** The same for the key rows. */
    public final IntColumn keyRowStarts = new IntColumn();

    /** What may end the call early. */
    public final Cancellation cancellation = new Cancellation();

    /** The batch row at hand. */
    public final RowBounds bounds = new RowBounds();

    private boolean dirty;

    /** Begins a call. A stack overflow may have kept the one before from clearing up. */
    public void begin() {
        if (dirty) {
            clear();
        }
        dirty = true;
    }

    /** Drops every reference to the caller's memory. */
    public void clear() {
        q.clear();
        k.clear();
        v.clear();
        for (int row = 0; fromCache && row < batch; row++) {
            cached[row].clear();
        }
        fromCache = false;
        context.clear();
        scores.clear();
        weights.clear();
        logSumExp.clear();
        mask.clear();
        positionBias.clear();
        pastLengths.clear();
        keyLengths.clear();
        keyStarts.clear();
        queryStarts.clear();
        keyRowStarts.clear();
        slopes = null;
        sinks = null;
        cancellation.clear();
        dirty = false;
    }

    /** Rows of the context, over all batch rows and heads. */
    public long resultRows() {
        return (queryStarts.present() ? 1L : batch) * heads * queries;
    }

    /** Bytes of the operands, each element once. */
    public long operandBytes() {
        long rows = resultRows();
        long cachedBytes = 0;
        for (int row = 0; fromCache && row < batch; row++) {
            cachedBytes += (long) cached[row].length * (heads / group) * (depth + valueDepth)
                    * cached[row].type.bytes();
        }
        long keyRows = (queryStarts.present() ? 1L : batch) * (heads / group) * keys;
        return rows * (depth * bytes(q) + valueDepth * bytes(context) + keys * (bytes(scores) + bytes(weights))
                + bytes(logSumExp)) + cachedBytes + keyRows * (depth * bytes(k) + valueDepth * bytes(v));
    }

    private static long bytes(Operand operand) {
        return operand.present() ? operand.type.bytes() : 0;
    }

    /** The sizes, for people. */
    public String shape() {
        return "B " + batch + ", H " + heads + "/" + heads / group + ", Lq " + queries + ", Lk " + keys + ", D " + depth
                + (valueDepth == depth ? "" : ", Dv " + valueDepth);
    }

    /** Makes the keys and values those of a cache, one {@link CachedRows} a batch row. */
    public void cacheRows(int rows) {
        fromCache = true;
        int had = cached.length;
        if (had < rows) {
            cached = Arrays.copyOf(cached, rows);
            for (int row = had; row < rows; row++) {
                cached[row] = new CachedRows();
            }
        }
    }

    /** Where the keys and values of a batch row lie in the cache. */
    public CachedRows cached(int row) {
        return cached[row];
    }

    /** Whether scores are q·kᵀ·scale and nothing else, where all is visible. */
    boolean plainScores() {
        boolean scaled = fromCache && cached(0).type == ElementType.INT8;
        return softcap == 0 && slopes == null && !additiveMask() && !positionBias.present() && !scaled;
    }

    /** Whether all queries of a batch row see the same keys, masks aside. */
    public boolean sameKeysForAll() {
        return !causal && windowLeft < 0 && windowRight < 0;
    }

    /** Whether no option is set but the scale, and no output wanted but the context. */
    public boolean plain() {
        boolean structure = !sameKeysForAll() || rangeStart > 0 || rangeEnd < keys
                || keyLengths.present() || keyStarts.present() || queryStarts.present();
        boolean outputs = scores.present() || weights.present() || logSumExp.present();
        return plainScores() && !structure && !outputs && !mask.present() && sinks == null;
    }

    /** Whether the mask operand is boolean. */
    public boolean booleanMask() {
        return mask.present() && mask.type == ElementType.BOOL;
    }

    /** Whether the mask operand is a float to add to the scores. */
    public boolean additiveMask() {
        return mask.present() && mask.type != ElementType.BOOL;
    }

    /** The additive mask's element; rows and columns count over the whole operand, packed sequences included. */
    public float additive(int b, int h, long row, long column) {
        return Elements.get(mask.segment, mask.type, mask.at(b, h, row) + column * mask.columnStride);
    }

    /** Whether the mask operand, of either kind, lets the query row see the key row. −∞ in an additive mask hides. */
    public boolean maskShows(int b, int h, long row, long column) {
        if (!mask.present()) {
            return true;
        }
        if (mask.type == ElementType.BOOL) {
            return Elements.getByte(mask.segment, mask.at(b, h, row) + column * mask.columnStride) != 0;
        }
        return additive(b, h, row, column) != Float.NEGATIVE_INFINITY;
    }

    /** The position bias of a query that stands {@code distance} after a key. */
    public float positionBias(int h, long distance) {
        return Elements.get(positionBias.segment, positionBias.type,
                positionBias.at(0, h, 0) + (biasCentre + distance) * positionBias.columnStride);
    }
}
