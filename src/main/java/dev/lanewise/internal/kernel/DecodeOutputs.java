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
     * Divides the context of a state by its sums, and writes it and the log-sum-exp. A row that saw no key gives 0; one that saw keys but has a
     * sum of 0 (all its scores −∞) gives NaN, as 0/0 is.
     */
    void store(RowState state) {
        boolean inPlace = p.context.inPlace() && at.valueParts == 1
                && p.valueDepth % Lanes.COUNT == 0;
        for (int r = 0; r < scores.rows(); r++) {
            boolean seen = scratch.get(FLOAT, state.seenAt + r * 4L) != 0;
            float sum = RowSoftmax.total(scratch, state.sums(r));
            float reciprocal = seen ? 1 / sum : 0;
            long context = state.context(r);
            if (inPlace) {
                RowSoftmax.normalize(scratch, context, reciprocal, at.valueVectors, p.context.segment,
                        to(p.context, r));
            } else {
                RowSoftmax.normalize(scratch, context, reciprocal, at.valueVectors, scratch, context);
                RowStaging.store(scratch, joined(context), 0, 1, p.valueDepth, p.context, to(p.context, r));
            }
            if (p.logSumExp.present()) {
                double value = OnlineSoftmax.logSumExp(scratch.get(FLOAT, state.maxAt + r * 4L), sum);
                Elements.setDouble(p.logSumExp.segment, p.logSumExp.type, to(p.logSumExp, r), value);
            }
        }
    }

    /** Where a row of the context lies, its features in their own order. */
    private long joined(long context) {
        if (at.valueParts == 1) {
            return context;
        }
        RowOrder.join(scratch, context, p.valueDepth, at.valueParts, at.joinedAt);
        return at.joinedAt;
    }

    private long to(Operand operand, int row) {
        return operand.at(bounds.batch, scores.head(row), bounds.queryRow + (long) scores.query(row));
    }
}
