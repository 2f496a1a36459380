package dev.lanewise;

import dev.lanewise.internal.memory.Operand;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The operands of one batch row and head of a call, copied: same sizes, types, strides and kind of memory, so that a call with them runs
 * the same code and nothing of the caller's is used, or written, any more. The collector frees them.
 */
final class RehearsalOperands {
    private RehearsalOperands() {
    }

    static AttentionInputs copy(AttentionInputs in) {
        int rank = in.q.rank();
        int row = in.queryBoundaries == null && rank > 2 ? longestRow(in) : 0;
        AttentionInputs copy = AttentionInputs.of(head(in.q, row, rank), head(in.k, row, rank), head(in.v, row, rank))
                .withKeyRange(in.rangeStart, in.rangeEnd);
        if (in.mask != null) {
            copy = copy.withMask(head(in.mask, row, rank));
        }
        if (in.positionBias != null) {
            copy = copy.withPositionBias(duplicate(in.positionBias.slice(0, 0, 1)));
        }
        if (in.queryBoundaries != null) {
            copy = copy.withPackedSequences(duplicate(in.queryBoundaries), duplicate(in.keyBoundaries));
        }
        return copy.withPastLengths(entry(in.pastLengths, row, in))
                .withKeyLengths(entry(in.keyLengths, row, in))
                .withKeyStarts(entry(in.keyStarts, row, in));
    }

    static AttentionOutputs copy(AttentionOutputs out) {
        int rank = out.context.rank();
        AttentionOutputs copy = AttentionOutputs.of(head(out.context, 0, rank));
        if (out.scores != null) {
            copy = copy.withScores(head(out.scores, 0, rank), out.scoreStage);
        }
        if (out.weights != null) {
            copy = copy.withWeights(head(out.weights, 0, rank));
        }
        return out.logSumExp == null ? copy : copy.withLogSumExp(head(out.logSumExp, 0, rank));
    }

    /** The batch row with the most keys: a short one would exercise little. */
    private static int longestRow(AttentionInputs in) {
        long rows = in.q.size(0);
        int longest = 0;
        for (int row = 1; row < rows; row++) {
            longest = length(in, row) > length(in, longest) ? row : longest;
        }
        return longest;
    }

    private static float length(AttentionInputs in, int row) {
        float end = in.keyLengths == null ? in.k.size(in.k.rank() - 2) : in.keyLengths.getFloat(row);
        return in.keyStarts == null ? end : end - in.keyStarts.getFloat(row);
    }

    private static Tensor entry(Tensor column, int row, AttentionInputs in) {
        if (column == null) {
            return null;
        }
        return duplicate(in.queryBoundaries == null ? column.slice(0, row, row + 1L) : column);
    }

    /** One batch row and head of a tensor whose axes are the last of those of a call of the given rank. */
    private static Tensor head(Tensor tensor, int row, int rank) {
        Tensor one = tensor;
        int outer = tensor.rank() - 2;
        for (int axis = 0; axis < outer; axis++) {
            boolean batch = axis == 0 && tensor.rank() == rank;
            long at = batch ? Math.min(row, tensor.size(axis) - 1) : 0;
            one = one.slice(axis, at, at + 1);
        }
        return duplicate(one);
    }

    /** The same view of memory of its own, as large as what the view reaches. */
    private static Tensor duplicate(Tensor tensor) {
        long low = tensor.byteOffset();
        long high = low + tensor.type().bytes();
        for (int axis = 0; axis < tensor.rank(); axis++) {
            long reach = (tensor.size(axis) - 1) * tensor.stride(axis) * tensor.type().bytes();
            low += Math.min(0, reach);
            high += Math.max(0, reach);
        }
        MemorySegment memory = Operand.isNative(tensor.segment())
                ? Arena.ofAuto().allocate(high - low, Long.BYTES)
                : MemorySegment.ofArray(new byte[Math.toIntExact(high - low)]);
        MemorySegment.copy(tensor.segment(), low, memory, 0, high - low);
        long[] strides = new long[tensor.rank()];
        for (int axis = 0; axis < strides.length; axis++) {
            strides[axis] = tensor.stride(axis);
        }
        return Tensor.of(memory, tensor.type(), tensor.byteOffset() - low, tensor.shape(), strides);
    }
}
