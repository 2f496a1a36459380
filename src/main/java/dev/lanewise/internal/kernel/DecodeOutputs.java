package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.COUNT;
import static dev.lanewise.internal.kernel.Lanes.FLOAT;

import dev.lanewise.ScoreStage;
import dev.lanewise.internal.memory.Elements;
import dev.lanewise.internal.memory.Operand;
import java.lang.foreign.MemorySegment;

/** The end of {@link DecodeAttention}: from the total of all chunks to the outputs. */
final class DecodeOutputs {
    private final RowBounds bounds;
    private final DecodeLayout at;
    private final DecodeScores scores;
    private final float[] reciprocals = new float[DecodeLayout.ROWS];
    private AttentionProblem p;
    private MemorySegment scratch;

    DecodeOutputs(RowBounds bounds, DecodeLayout layout, DecodeScores scores) {
        this.bounds = bounds;
        at = layout;
        this.scores = scores;
    }

    void begin(AttentionProblem problem, MemorySegment memory) {
        p = problem;
        scratch = memory;
    }

    void end() {
        p = null;
        scratch = null;
    }

    /**
     * Divides by the sums; false if a context is not finite although a mask hid keys from it. A row that saw no key gives 0; one that saw
     * keys but has a sum of 0 (all its scores −∞) gives NaN, as 0/0 is.
     */
    boolean finish() {
        boolean finite = true;
        for (int r = 0; r < scores.rows(); r++) {
            boolean seen = scratch.get(FLOAT, at.total.seenAt + r * 4L) != 0;
            reciprocals[r] = seen ? 1 / RowSoftmax.total(scratch, at.total.sums(r)) : 0;
            Context.multiply(scratch, at.total.context(r), at.valueVectors, reciprocals[r]);
            finite &= RowTransforms.finite(scratch, at.total.context(r), at.valueVectors);
        }
        return finite || scratch.get(FLOAT, at.total.hidesAt) == 0;
    }

    /** Writes the context and the log-sum-exp. */
    void store() {
        for (int r = 0; r < scores.rows(); r++) {
            RowStaging.store(scratch, at.total.context(r), 0, 1, p.valueDepth, p.context, to(p.context, r));
            if (p.logSumExp.present()) {
                double value = OnlineSoftmax.logSumExp(max(r), RowSoftmax.total(scratch, at.total.sums(r)));
                Elements.setDouble(p.logSumExp.segment, p.logSumExp.type, to(p.logSumExp, r), value);
            }
        }
    }

    private float max(int row) {
        return scratch.get(FLOAT, at.total.maxAt + row * 4L);
    }

    private long to(Operand operand, int row) {
        return operand.at(bounds.batch, scores.head(row), bounds.queryRow + (long) scores.query(row));
    }

    /** Writes raw scores of a block of keys, at the stage that is wanted, and weights, whose maxima and sums are final. */
    void emit(int key, int count) {
        storeScores(ScoreStage.RAW, key, count);
        for (int r = 0; r < scores.rows(); r++) {
            scores.softcap(at.scoresAt + r * at.scoreRow, count);
        }
        storeScores(ScoreStage.SOFTCAPPED, key, count);
        scores.see(key, count);
        scores.biasAndHide(key, count);
        storeScores(ScoreStage.BIASED, key, count);
        if (p.weights.present()) {
            for (int r = 0; r < scores.rows(); r++) {
                storeWeights(r, key, count);
            }
        }
    }

    private void storeScores(ScoreStage stage, int key, int count) {
        if (p.scores.present() && p.scoreStage == stage) {
            for (int r = 0; r < scores.rows(); r++) {
                RowStaging.store(scratch, at.scoresAt + r * at.scoreRow, 0, 1, count, p.scores,
                        to(p.scores, r) + key * p.scores.columnStride);
            }
        }
    }

    /** The reciprocal of a sum may be ∞, and 0·∞ is NaN: hidden weights are set to 0. */
    private void storeWeights(int r, int key, int count) {
        long row = at.scoresAt + r * at.scoreRow;
        RowSoftmax.weigh(scratch, row, Transpose.padded(count) / COUNT, max(r), reciprocals[r]);
        if (!Float.isFinite(reciprocals[r])) {
            for (int j = 0; j < count; j++) {
                if (j < scores.first[r] || j >= scores.end[r] || !scores.shows(r, key + j)) {
                    scratch.set(FLOAT, row + j * 4L, 0);
                }
            }
        }
        RowStaging.store(scratch, row, 0, 1, count, p.weights, to(p.weights, r) + key * p.weights.columnStride);
    }
}
