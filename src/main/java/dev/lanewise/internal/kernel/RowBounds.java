package dev.lanewise.internal.kernel;

/**
 * What the structure of a call (lengths, packed sequences, key range, causal offset, window) lets the queries of one batch row
 * see. Query i of the row sees the keys from {@link #first} to before {@link #end}: both grow with i, never by more than 1.
 */
public final class RowBounds {
    /** The batch index of the operands. */
    public int batch;
    /** The operand row of query 0. */
    public int queryRow;
    /** The operand row of key 0. */
    public int keyRow;
    /** How many queries this row has. */
    public int queries;
    /** The first key that any query may see. */
    public int keyStart;
    /** One past the last key that any query may see. */
    public int keyEnd;
    /** Query i stands at the position i + offset among the keys. */
    public long offset;
    /** How far before its position a query sees; at least the whole row if unbounded. */
    private long left;
    /** How far after its position a query sees. */
    private long right;

    private static final long UNBOUNDED = 1L << 42;

    /** Resolves the bounds of one batch row. */
    public void resolve(AttentionProblem problem, int row) {
        int length = problem.fromCache ? problem.cached(row).length : problem.keys;
        batch = row;
        queryRow = 0;
        keyRow = 0;
        queries = problem.queries;
        if (problem.queryStarts.present()) {
            batch = 0;
            queryRow = problem.queryStarts.get(row);
            keyRow = problem.keyRowStarts.get(row);
            queries = problem.queryStarts.get(row + 1) - queryRow;
            length = problem.keyRowStarts.get(row + 1) - keyRow;
        }
        if (problem.keyLengths.present()) {
            length = problem.keyLengths.get(row);
        }
        int start = problem.keyStarts.present() ? problem.keyStarts.get(row) : 0;
        keyStart = (int) Math.max(start, Math.min(problem.rangeStart, length));
        keyEnd = (int) Math.min(length, problem.rangeEnd);
        if (problem.pastLengths.present()) {
            offset = problem.pastLengths.get(row);
        } else {
            offset = problem.offsetBottomRight ? (long) length - queries : problem.offset;
        }
        left = problem.windowLeft < 0 ? UNBOUNDED : Math.min(problem.windowLeft, UNBOUNDED);
        right = problem.windowRight < 0 ? UNBOUNDED : Math.min(problem.windowRight, UNBOUNDED);
        if (problem.causal) {
            right = 0;
        }
    }

    /** The rows of k and v that the operand of this batch row has, packed sequences and padding included. */
    int keyRows(AttentionProblem problem) {
        return problem.fromCache ? problem.cached(batch).length : problem.keys;
    }

    /** The first key that query i sees. */
    public int first(long i) {
        return Math.clamp(i + offset - left, keyStart, Math.max(keyStart, keyEnd));
    }

    /** One past the last key that query i sees; at most {@link #first} if it sees none. */
    public int end(long i) {
        return Math.clamp(i + offset + right + 1, Math.min(keyStart, keyEnd), keyEnd);
    }

    /** The first query of a panel that is late enough to see a key, counted from the panel's first. */
    int firstQuery(int key, int query, int queries) {
        return key < keyStart || key >= keyEnd ? queries : Math.clamp(key - offset - right - query, 0, queries);
    }

    /** One past the last query of a panel that is early enough to see a key, counted from the panel's first. */
    int endQuery(int key, int query, int queries) {
        return Math.clamp(key - offset + left - query + 1, 0, queries);
    }
}
