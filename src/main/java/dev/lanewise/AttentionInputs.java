package dev.lanewise;

import java.lang.invoke.VarHandle;
import java.util.Objects;

/**
 * The operands of one call of {@link Attention}: q, k, v and what depends on the data, such as masks and lengths. Immutable, and
 * cheap to keep: make one where the tensors are made and call with it again and again, for the tensors' contents are read at
 * each call.
 *
 * <p>All of q, k, v have the same rank: 4 is (batch, head, row, feature), 3 is (batch, row, feature) with one head, 2 is (row,
 * feature). Shapes and contents are checked by the call, not here. Everything that hides keys composes: a query sees a key only if the
 * mask, the causal rule, the window, the lengths and the packed sequences all let it.
 *
 * <p>Those that a {@link MultiHeadAttention} gives its caller to add to, and the copies made of them, last as long as that call.
 */
public final class AttentionInputs {
    Tensor q;
    /** Absent, as v is, where a cache has the keys and values. */
    Tensor k;
    Tensor v;
    /** One for each batch row, or null. */
    KvCache.Sequence[] sequences;
    /** The layer of the sequences. */
    int layer;
    Tensor mask;
    Tensor positionBias;
    Tensor pastLengths;
    Tensor keyLengths;
    Tensor keyStarts;
    Tensor queryBoundaries;
    Tensor keyBoundaries;
    long rangeStart;
    long rangeEnd = Long.MAX_VALUE;
    /** Where the copies come from that are made in a call of a layer; null for new ones. Only they, and what a scratch keeps, ever change. */
    private final OperandCopies copies;

    AttentionInputs(OperandCopies copies) {
        this.copies = copies;
    }

    private AttentionInputs copy() {
        AttentionInputs copy = copies == null ? new AttentionInputs(null) : copies.nextInputs();
        copy.q = q;
        copy.k = k;
        copy.v = v;
        copy.sequences = sequences;
        copy.layer = layer;
        copy.mask = mask;
        copy.positionBias = positionBias;
        copy.pastLengths = pastLengths;
        copy.keyLengths = keyLengths;
        copy.keyStarts = keyStarts;
        copy.queryBoundaries = queryBoundaries;
        copy.keyBoundaries = keyBoundaries;
        copy.rangeStart = rangeStart;
        copy.rangeEnd = rangeEnd;
        return copy;
    }

    /** To be called when all is set: what sees the object sees that, as if the fields were final. */
    private AttentionInputs complete() {
        VarHandle.storeStoreFence();
        return this;
    }

    /** Whether there is nothing but q, k and v. */
    boolean plain() {
        boolean biased = mask != null || positionBias != null;
        boolean lengths = pastLengths != null || keyLengths != null || keyStarts != null || queryBoundaries != null;
        return sequences == null && !biased && !lengths && rangeStart == 0 && rangeEnd == Long.MAX_VALUE;
    }

    /** Sets the tensors that every call has, and nothing else. */
    AttentionInputs set(Tensor newQ, Tensor newK, Tensor newV) {
        q = newQ;
        k = newK;
        v = newV;
        return complete();
    }

    /** Drops the references to the caller's memory. */
    void clear() {
        q = null;
        k = null;
        v = null;
        mask = null;
        positionBias = null;
        pastLengths = null;
        keyLengths = null;
        keyStarts = null;
        queryBoundaries = null;
        keyBoundaries = null;
    }

    /**
     * The operands that every call has. Query head h reads key/value head h / (H/Hkv).
     *
     * @param q queries, (B, H, Lq, D)
     * @param k keys, (B, Hkv, Lk, D); H is a multiple of Hkv
     * @param v values, (B, Hkv, Lk, Dv)
     * @return the inputs
     */
    public static AttentionInputs of(Tensor q, Tensor k, Tensor v) {
        return new AttentionInputs(null).set(Objects.requireNonNull(q, "q"),
                Objects.requireNonNull(k, "k"), Objects.requireNonNull(v, "v"));
    }

    /**
     * Queries against what is in a cache, read in place: one new token, some speculated ones or a chunk of a prompt for each of a batch of sequences.
     * Batch row b has the keys that its sequence has in the layer when the call starts, numbered from 0; the sequences may differ in
     * length, and one may be there more than once. A mask, packed sequences and the outputs of shape (query, key) are refused: rows that differ in
     * length have no Lk in common. {@link PositionOffset#bottomRight} lets the last query stand at the last key of its row, so a causal call comes after
     * the queries' own keys have been appended.
     *
     * @param q queries, (B, H, Lq, D); H is a multiple of the cache's Hkv
     * @param layer a layer of the cache
     * @param sequences one for each batch row, all of one cache
     * @return the inputs; the context of the call is (B, H, Lq, Dv)
     * @throws IllegalArgumentException if there is no sequence, or they are not all of one cache
     * @throws IndexOutOfBoundsException if the cache has no such layer
     */
    public static AttentionInputs ofCache(Tensor q, int layer, KvCache.Sequence... sequences) {
        KvCache.Sequence[] rows = Objects.requireNonNull(sequences, "sequences").clone();
        if (rows.length == 0) {
            throw new IllegalArgumentException("sequences: none, wanted one for each batch row of q");
        }
        for (int row = 0; row < rows.length; row++) {
            Objects.requireNonNull(rows[row], "sequences");
            if (rows[row].cache() != rows[0].cache()) {
                throw new IllegalArgumentException(
                        "sequences: [" + row + "] is of another cache than [0], wanted all of one");
            }
        }
        Objects.checkIndex(layer, rows[0].cache().layers());
        AttentionInputs inputs = new AttentionInputs(null);
        inputs.q = Objects.requireNonNull(q, "q");
        inputs.sequences = rows;
        inputs.layer = layer;
        return inputs.complete();
    }

    /**
     * With a mask over the scores. Its axes are the last ones of the scores' shape, of q's rank; an absent axis, or one of size 1,
     * holds for all (NumPy broadcasting). A {@link ElementType#BOOL} mask says who may attend: true = may. A mask of floats is added
     * to the scores after the softcap; −∞ hides the key, every finite number, however negative, is an ordinary bias.
     *
     * @param newMask of rank 2 up to q's rank, broadcastable to (B, H, Lq, Lk); or null for none
     * @return a copy with the mask
     */
    public AttentionInputs withMask(Tensor newMask) {
        AttentionInputs copy = copy();
        copy.mask = newMask;
        return copy.complete();
    }

    /**
     * With a relative position bias (Shaw et al., 2018; T5): query i gets bias[h, i + offset − j + L − 1] added to its score with
     * key j, after the softcap.
     *
     * @param table floats, (H, 2L − 1) or (1, 2L − 1) for all heads; every distance between a query and a key that the lengths leave must be
     *        within ±(L − 1); or null for none
     * @return a copy with the bias
     */
    public AttentionInputs withPositionBias(Tensor table) {
        AttentionInputs copy = copy();
        copy.positionBias = table;
        return copy.complete();
    }

    /**
     * With the offset of each batch row, for an operator whose offset is {@link PositionOffset#pastLengths()}.
     *
     * @param lengths INT32, (B): the number of keys before the row's first query; negative is legal; or null for none, as every other
     *        operator wants it
     * @return a copy with the lengths
     */
    public AttentionInputs withPastLengths(Tensor lengths) {
        AttentionInputs copy = copy();
        copy.pastLengths = lengths;
        return copy.complete();
    }

    /**
     * With the number of keys of each batch row: keys from there on are padding, and are not read.
     *
     * @param lengths INT32, (B), each from 0 to Lk; or null for Lk
     * @return a copy with the lengths
     */
    public AttentionInputs withKeyLengths(Tensor lengths) {
        AttentionInputs copy = copy();
        copy.keyLengths = lengths;
        return copy.complete();
    }

    /**
     * With the first key of each batch row: keys before it are left padding, and are not read. Positions still count from key 0.
     *
     * @param starts INT32, (B), each from 0 to Lk; or null for 0
     * @return a copy with the starts
     */
    public AttentionInputs withKeyStarts(Tensor starts) {
        AttentionInputs copy = copy();
        copy.keyStarts = starts;
        return copy.complete();
    }

    /**
     * With sequences of different lengths packed one after the other into the rows of a batch of one ("varlen"). Sequence s has the
     * query rows from queryBoundaries[s] to before queryBoundaries[s + 1], and the key rows likewise; a query sees only keys of
     * its own sequence, positions and offsets count within it. Lengths and starts of batch rows, if given, are per sequence, and counted
     * within it. A mask is over all rows of q and k.
     *
     * @param newQueryBoundaries INT32, (N + 1): from 0, never falling, to Lq
     * @param newKeyBoundaries INT32, (N + 1): from 0, never falling, to Lk
     * @return a copy with the sequences
     */
    public AttentionInputs withPackedSequences(Tensor newQueryBoundaries, Tensor newKeyBoundaries) {
        AttentionInputs copy = copy();
        copy.queryBoundaries = Objects.requireNonNull(newQueryBoundaries, "queryBoundaries");
        copy.keyBoundaries = Objects.requireNonNull(newKeyBoundaries, "keyBoundaries");
        return copy.complete();
    }

    /**
     * With a range of keys to attend to, as if the others were masked; positions and offsets stay those of the whole. With the
     * log-sum-exp as an output the result is a part that {@link PartialAttention} can merge with those of the other ranges.
     *
     * @param from the first key
     * @param to one past the last key; may lie beyond Lk
     * @return a copy with the range
     * @throws IllegalArgumentException unless 0 ≤ from ≤ to
     */
    public AttentionInputs withKeyRange(long from, long to) {
        if (from < 0 || from > to) {
            throw new IllegalArgumentException("key range: from " + from + " to " + to + ", wanted 0 <= from <= to");
        }
        AttentionInputs copy = copy();
        copy.rangeStart = from;
        copy.rangeEnd = to;
        return copy.complete();
    }
}
