package dev.lanewise;

import java.util.Objects;

/**
 * What a call of {@link Attention} shall write: the context, and on request the scores, the weights and the log-sum-exp, each
 * into a tensor of the caller's. Immutable, and cheap to keep. Every output has the rank of q, a floating-point type, a
 * shape without broadcast axes, and memory that overlaps no other operand; the context alone may be the very view that q is.
 */
public final class AttentionOutputs {
    /** Not final for {@link PlainCall} alone. */
    Tensor context;
    final Tensor scores;
    final ScoreStage scoreStage;
    final Tensor weights;
    final Tensor logSumExp;

    private AttentionOutputs(Tensor context, Tensor scores, ScoreStage scoreStage, Tensor weights, Tensor logSumExp) {
        this.context = Objects.requireNonNull(context, "context");
        this.scores = scores;
        this.scoreStage = scoreStage;
        this.weights = weights;
        this.logSumExp = logSumExp;
    }

    /**
     * The output that every call has.
     *
     * @param context weights·v, (B, H, Lq, Dv)
     * @return the outputs
     */
    public static AttentionOutputs of(Tensor context) {
        return new AttentionOutputs(context, null, null, null, null);
    }

    /**
     * Also the scores. Costs a second pass over the keys.
     *
     * @param newScores (B, H, Lq, Lk)
     * @param stage where in the computation they are taken
     * @return a copy with the request
     */
    public AttentionOutputs withScores(Tensor newScores, ScoreStage stage) {
        Objects.requireNonNull(stage, "stage");
        return new AttentionOutputs(context, Objects.requireNonNull(newScores, "scores"), stage, weights, logSumExp);
    }

    /**
     * Also the weights, the softmax of the scores: 0 where masked. Costs a second pass over the keys.
     *
     * @param newWeights (B, H, Lq, Lk)
     * @return a copy with the request
     */
    public AttentionOutputs withWeights(Tensor newWeights) {
        return new AttentionOutputs(context, scores, scoreStage, Objects.requireNonNull(newWeights, "weights"),
                logSumExp);
    }

    /**
     * Also the natural logarithm of the sum of the exponentials of the scores, the normaliser of the softmax; −∞ for a query that
     * sees no key.
     *
     * @param newLogSumExp (B, H, Lq, 1); may be of {@link ElementType#FLOAT64}, for parts that are to be merged
     * @return a copy with the request
     */
    public AttentionOutputs withLogSumExp(Tensor newLogSumExp) {
        return new AttentionOutputs(context, scores, scoreStage, weights,
                Objects.requireNonNull(newLogSumExp, "logSumExp"));
    }
}
