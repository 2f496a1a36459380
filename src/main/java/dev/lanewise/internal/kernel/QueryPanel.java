package dev.lanewise.internal.kernel;

/** A panel of queries that {@link VectorAttention} has at hand, and how far it is with it. */
final class QueryPanel {
    /** The first query. */
    int query;
    int queries;
    /** How many vectors the queries fill. */
    int vectors;
    /** The queries that saw a key. */
    long seen;
    /** Whether the context has been written; a first block is stored, not added. */
    boolean started;
    /** Whether any tile had hidden keys. */
    boolean partial;

    /** Turns to other queries. */
    void set(int first, int end) {
        query = first;
        queries = end - first;
        vectors = (queries + Lanes.COUNT - 1) / Lanes.COUNT;
    }

    /** Before the first block, whether the context is to be stored or has been written. */
    void restart(boolean written) {
        seen = 0;
        started = written;
        partial = false;
    }

    /** One past the last key that any of its queries sees. */
    int end(RowBounds bounds) {
        return bounds.end(query + queries - 1L);
    }

    /** Bytes in a row of the panel, and of everything that is as wide. */
    long bytes() {
        return (long) vectors * Lanes.BYTES;
    }
}
