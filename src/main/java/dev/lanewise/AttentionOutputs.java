package dev.lanewise;

import java.lang.invoke.VarHandle;
import java.util.Objects;

/**
 * What a call of {@link Attention} shall write: the context, and on request the scores, the weights and the log-sum-exp, each
 * into a tensor of the caller's. Immutable, and cheap to keep. Every output has the rank of q, a floating-point type, a
 * shape without broadcast axes, and memory that overlaps no other operand; the context alone may be the very view that q is. Those
 * that a {@link MultiHeadAttention} gives its caller to add to, and the copies made of them, last as long as that call.
 */
public final class AttentionOutputs {
    Tensor context;
    Tensor scores;
    ScoreStage scoreStage;
    Tensor weights;
    Tensor logSumExp;
    /** Where the copies come from that are made in a call of a layer; null for new ones. Only they, and what a scratch keeps, ever change. */
    private final OperandCopies copies;

    AttentionOutputs(OperandCopies copies) {
        this.copies = copies;
    }

    private AttentionOutputs copy() {
        AttentionOutputs copy = copies == null ? new AttentionOutputs(null) : copies.nextOutputs();
        copy.context = context;
        copy.scores = scores;
        copy.scoreStage = scoreStage;
        copy.weights = weights;
        copy.logSumExp = logSumExp;
        return copy;
    }

    /** To be called when all is set: what sees the object sees that, as if the fields were final. */
    private AttentionOutputs complete() {
        VarHandle.storeStoreFence();
        return this;
    }

    /** Sets the output that every call has, and nothing else. */
    AttentionOutputs set(Tensor newContext) {
        context = newContext;
        return complete();
    }

    /** Whether there is nothing but the context. */
    boolean plain() {
        return scores == null && weights == null && logSumExp == null;
    }

    /** Drops the references to the caller's memory. */
    void clear() {
        context = null;
        scores = null;
        weights = null;
        logSumExp = null;
    }

    /**
     * The output that every call has.
     *
     * @param context weights·v, (B, H, Lq, Dv)
     * @return the outputs
     */
    public static AttentionOutputs of(Tensor context) {
        return new AttentionOutputs(null).set(Objects.requireNonNull(context, "context"));
    }

    /**
     * Also the scores. Costs a second pass over the keys.
     *
     * @param newScores (B, H, Lq, Lk)
     * @param stage where in the computation they are taken
     * @return a copy with the request
     */
    public AttentionOutputs withScores(Tensor newScores, ScoreStage stage) {
        AttentionOutputs copy = copy();
        copy.scoreStage = Objects.requireNonNull(stage, "stage");
        copy.scores = Objects.requireNonNull(newScores, "scores");
        return copy.complete();
    }

    /**
     * Also the weights, the softmax of the scores: 0 where masked. Costs a second pass over the keys.
     *
     * @param newWeights (B, H, Lq, Lk)
     * @return a copy with the request
     */
    public AttentionOutputs withWeights(Tensor newWeights) {
        AttentionOutputs copy = copy();
        copy.weights = Objects.requireNonNull(newWeights, "weights");
        return copy.complete();
    }

    /**
     * Also the natural logarithm of the sum of the exponentials of the scores, the normaliser of the softmax; −∞ for a query that
     * sees no key.
     *
     * @param newLogSumExp (B, H, Lq, 1); may be of {@link ElementType#FLOAT64}, for parts that are to be merged
     * @return a copy with the request
     */
    public AttentionOutputs withLogSumExp(Tensor newLogSumExp) {
        AttentionOutputs copy = copy();
        copy.logSumExp = Objects.requireNonNull(newLogSumExp, "logSumExp");
        return copy.complete();
    }
}
