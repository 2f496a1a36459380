package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.FLOAT;

import dev.lanewise.internal.memory.Elements;
import dev.lanewise.internal.memory.Operand;
import java.lang.foreign.MemorySegment;

/** The end of {@link DecodeAttention}: from the total of all chunks to the outputs. */
final class DecodeOutputs {
    private final RowBounds bounds;
    private final DecodeLayout at;
    private final DecodeScores scores;
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
     * Divides by the sums. A row that saw no key gives 0; one that saw keys but has a sum of 0 (all its scores −∞) gives NaN, as 0/0
     * is.
     */
    void finish() {
        for (int r = 0; r < scores.rows(); r++) {
            boolean seen = scratch.get(FLOAT, at.total.seenAt + r * 4L) != 0;
            float reciprocal = seen ? 1 / RowSoftmax.total(scratch, at.total.sums(r)) : 0;
            Context.multiply(scratch, at.total.context(r), at.valueVectors, reciprocal);
        }
    }

    /** Writes the context and the log-sum-exp. */
    void store() {
        for (int r = 0; r < scores.rows(); r++) {
            RowStaging.store(scratch, context(r), 0, 1, p.valueDepth, p.context, to(p.context, r));
            if (p.logSumExp.present()) {
                double value = OnlineSoftmax.logSumExp(max(r), RowSoftmax.total(scratch, at.total.sums(r)));
                Elements.setDouble(p.logSumExp.segment, p.logSumExp.type, to(p.logSumExp, r), value);
            }
        }
    }

    /** Where the context of a row lies, its features in their own order. */
    private long context(int row) {
        if (at.valueParts == 1) {
            return at.total.context(row);
        }
        RowOrder.join(scratch, at.total.context(row), p.valueDepth, at.valueParts, at.joinedAt);
        return at.joinedAt;
    }

    private float max(int row) {
        return scratch.get(FLOAT, at.total.maxAt + row * 4L);
    }

    private long to(Operand operand, int row) {
        return operand.at(bounds.batch, scores.head(row), bounds.queryRow + (long) scores.query(row));
    }
}
