package dev.lanewise;

import dev.lanewise.internal.memory.Operand;
import dev.lanewise.internal.plan.VectorPaths;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The operands of one batch row and of a few heads of a call, copied: same sizes, types, strides and kind of memory, so that a call with them runs
 * the same code and nothing of the caller's is used, or written, any more. The collector frees them.
 */
final class RehearsalOperands {
    /** Two chunks of keys, as the kernel for few rows takes them. */
    private static final int MOST_TOKENS = 4096;

    private RehearsalOperands() {
    }

    /** The inputs with so many query heads: all of one key/value head, but over a cache of as many as they had there. */
    static AttentionInputs copy(AttentionInputs in, int heads) {
        if (in.sequences != null) {
            return overCache(in, heads);
        }
        int rank = in.q.rank();
        int row = in.queryBoundaries == null && rank > 2 ? longestRow(in) : 0;
        AttentionInputs copy = AttentionInputs
                .of(heads(in.q, row, rank, heads), heads(in.k, row, rank, 1), heads(in.v, row, rank, 1))
                .withKeyRange(in.rangeStart, in.rangeEnd);
        if (in.mask != null) {
            copy = copy.withMask(heads(in.mask, row, rank, heads));
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

    /** Tokens of a page that is read head by head for so few heads, as pages of the cache are for all of its heads; whole vectors of them if those are. */
    private static int sharedPage(KvCache of, int kvHeads) {
        long tokenBytes = (long) kvHeads * of.headDimension() * of.storage().bytes();
        int page = Math.max(of.pageTokens(), (int) Math.ceilDiv(VectorPaths.SHARED_PIECE, tokenBytes));
        int lanes = RuntimeInfo.current().lanes();
        int rest = page % lanes;
        if (of.pageTokens() % lanes == 0) {
            return rest == 0 ? page : page + lanes - rest;
        }
        return rest == 0 ? page + 1 : page;
    }

    /**
     * A cache of the key/value heads of so many query heads, with as many tokens as the longest of the sequences but no more than
     * {@link #MOST_TOKENS}, all zeros.
     */
    private static AttentionInputs overCache(AttentionInputs in, int heads) {
        int row = 0;
        for (int other = 1; other < in.sequences.length; other++) {
            row = in.sequences[other].length(in.layer) > in.sequences[row].length(in.layer) ? other : row;
        }
        KvCache of = in.sequences[row].cache();
        int kvHeads = Math.max(1, (int) (heads * of.kvHeads() / in.q.size(1)));
        int length = in.sequences[row].length(in.layer);
        int page = of.pageTokens();
        if (kvHeads > 1) {
            page = sharedPage(of, kvHeads);
            length = Math.max(length, 2 * page);
        }
        int tokens = Math.min(MOST_TOKENS, length);
        int pageTokens = Math.clamp(tokens, 1, page);
        Arena arena = Arena.ofAuto();
        KvCache.Sequence sequence = KvCache.builder(kvHeads, of.headDimension())
                .valueDimension(of.valueDimension())
                .storage(of.storage())
                .pageTokens(pageTokens)
                .capacity((tokens + pageTokens - 1L) / pageTokens * pageTokens)
                .allocate(arena)
                .newSequence();
        sequence.append(0, Tensor.allocate(arena, ElementType.FLOAT32, kvHeads, tokens, of.headDimension()),
                Tensor.allocate(arena, ElementType.FLOAT32, kvHeads, tokens, of.valueDimension()));
        AttentionInputs copy = AttentionInputs.ofCache(heads(in.q, row, 4, heads), 0, sequence);
        if (in.positionBias != null) {
            copy = copy.withPositionBias(duplicate(in.positionBias.slice(0, 0, 1)));
        }
        return copy.withPastLengths(entry(in.pastLengths, row, in));
    }

    static AttentionOutputs copy(AttentionOutputs out, int heads) {
        int rank = out.context.rank();
        AttentionOutputs copy = AttentionOutputs.of(heads(out.context, 0, rank, heads));
        if (out.scores != null) {
            copy = copy.withScores(heads(out.scores, 0, rank, heads), out.scoreStage);
        }
        if (out.weights != null) {
            copy = copy.withWeights(heads(out.weights, 0, rank, heads));
        }
        return out.logSumExp == null ? copy : copy.withLogSumExp(heads(out.logSumExp, 0, rank, heads));
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

    /** One batch row and the first heads of a tensor whose axes are the last of those of a call of the given rank. */
    private static Tensor heads(Tensor tensor, int row, int rank, int heads) {
        Tensor some = tensor;
        int outer = tensor.rank() - 2;
        for (int axis = 0; axis < outer; axis++) {
            boolean batch = axis == 0 && tensor.rank() == rank;
            boolean head = rank == 4 && axis == outer - 1;
            long at = batch ? Math.min(row, tensor.size(axis) - 1) : 0;
            some = some.slice(axis, at, at + (head ? Math.min(heads, tensor.size(axis)) : 1));
        }
        return duplicate(some);
    }

    /** A matrix of zeros in the order, of the type and in the kind of memory of an operand. */
    static Tensor zeros(Operand like, int rows, int columns) {
        long bytes = like.type.bytes();
        boolean byRows = like.columnStride == bytes;
        boolean byColumns = like.rowStride == bytes;
        int gap = byRows || byColumns ? 1 : 2;
        long size = Math.max(1, (long) rows * columns * gap * bytes);
        MemorySegment memory = Operand.isNative(like.segment)
                ? Arena.ofAuto().allocate(size, 64)
                : MemorySegment.ofArray(new byte[Math.toIntExact(size)]);
        long[] strides = byColumns && !byRows ? new long[]{1, rows} : new long[]{(long) columns * gap, gap};
        return Tensor.of(memory, like.type, 0, new long[]{rows, columns}, strides);
    }

    /** The same view of memory of its own, as large as what the view reaches. */
    static Tensor duplicate(Tensor tensor) {
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
