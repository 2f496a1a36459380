package dev.lanewise;

import dev.lanewise.internal.kernel.AttentionProblem;
import dev.lanewise.internal.kernel.RowBounds;
import dev.lanewise.internal.memory.IntColumn;

/** Checks and flattens what differs by batch row: offsets, lengths, starts, packed sequences, and the position bias they reach into. */
final class BatchRowBinding {
    private BatchRowBinding() {
    }

    static void bind(Attention attention, AttentionInputs in, AttentionProblem problem) {
        if (in.queryBoundaries != null) {
            bindPackedSequences(in, problem);
        }
        boolean wantsPast = attention.offset.rule == PositionOffset.Rule.PAST_LENGTHS;
        if (wantsPast != (in.pastLengths != null)) {
            throw new IllegalArgumentException(
                    "pastLengths: " + (wantsPast ? "absent" : "given") + ", wanted them just with an "
                            + "operator whose offset is pastLengths(); it is " + attention.offset);
        }
        bindColumn("pastLengths", in.pastLengths, problem.batch, problem.pastLengths);
        bindColumn("keyLengths", in.keyLengths, problem.batch, problem.keyLengths);
        bindColumn("keyStarts", in.keyStarts, problem.batch, problem.keyStarts);
        for (int row = 0; row < problem.batch; row++) {
            int keys = keysOf(problem, row);
            checkWithin("keyLengths", problem.keyLengths, row, keys);
            checkWithin("keyStarts", problem.keyStarts, row, keys);
        }
        if (in.positionBias != null) {
            bindPositionBias(in.positionBias, problem);
        }
    }

    private static void bindPackedSequences(AttentionInputs in, AttentionProblem problem) {
        if (problem.batch != 1) {
            throw new IllegalArgumentException("q: " + problem.batch + " batch rows, wanted 1 with packed sequences");
        }
        TensorChecks.rank("queryBoundaries", in.queryBoundaries, 1);
        long count = in.queryBoundaries.size(0);
        if (count < 1 || count > Integer.MAX_VALUE) {
            throw new IllegalArgumentException(
                    "queryBoundaries: " + count + " values, wanted 1 to " + Integer.MAX_VALUE);
        }
        bindColumn("queryBoundaries", in.queryBoundaries, count, problem.queryStarts);
        bindColumn("keyBoundaries", in.keyBoundaries, count, problem.keyRowStarts);
        checkBoundaries("queryBoundaries", problem.queryStarts, (int) count, problem.queries);
        checkBoundaries("keyBoundaries", problem.keyRowStarts, (int) count, problem.keys);
        problem.batch = (int) count - 1;
    }

    private static void bindColumn(String name, Tensor tensor, long wanted, IntColumn column) {
        if (tensor != null) {
            TensorChecks.rank(name, tensor, 1);
            TensorChecks.type(name, tensor, ElementType.INT32);
            TensorChecks.size(name, tensor, 0, wanted);
            TensorChecks.readable(name, tensor);
            column.set(tensor);
        }
    }

    private static void checkBoundaries(String name, IntColumn boundaries, int count, int rows) {
        int before = 0;
        for (int i = 0; i < count; i++) {
            int value = boundaries.get(i);
            if (i == 0 ? value != 0 : value < before) {
                throw new IllegalArgumentException(
                        name + ": [" + i + "] is " + value + ", wanted " + (i == 0 ? "0" : "at least " + before));
            }
            before = value;
        }
        if (before != rows) {
            throw new IllegalArgumentException(
                    name + ": the last is " + before + ", wanted the number of rows, " + rows);
        }
    }

    private static int keysOf(AttentionProblem problem, int row) {
        if (problem.fromCache) {
            return problem.cached(row).length;
        }
        return problem.keyRowStarts.present()
                ? problem.keyRowStarts.get(row + 1L) - problem.keyRowStarts.get(row)
                : problem.keys;
    }

    private static void checkWithin(String name, IntColumn column, int row, int keys) {
        if (column.present() && (column.get(row) < 0 || column.get(row) > keys)) {
            throw new IllegalArgumentException(
                    name + ": [" + row + "] is " + column.get(row) + ", wanted 0 to " + keys);
        }
    }

    private static void bindPositionBias(Tensor table, AttentionProblem problem) {
        TensorChecks.rank("positionBias", table, 2);
        TensorChecks.floating("positionBias", table);
        TensorChecks.readable("positionBias", table);
        if (table.size(0) != 1) {
            TensorChecks.size("positionBias", table, 0, problem.heads);
        }
        if (table.size(1) % 2 == 0 || table.size(1) > Integer.MAX_VALUE) {
            throw new IllegalArgumentException(
                    "positionBias: axis 1 has " + table.size(1) + " elements, wanted an odd number, 2L - 1");
        }
        problem.positionBias.setTable(table);
        problem.biasCentre = (int) (table.size(1) / 2);
        for (int row = 0; row < problem.batch; row++) {
            problem.bounds.resolve(problem, row);
            checkDistances(problem, problem.bounds);
        }
    }

    private static void checkDistances(AttentionProblem problem, RowBounds bounds) {
        long nearest = bounds.offset - (bounds.keyEnd - 1L);
        long farthest = bounds.queries - 1L + bounds.offset - bounds.keyStart;
        boolean any = bounds.queries > 0 && bounds.keyEnd > bounds.keyStart;
        if (any && (nearest < -problem.biasCentre || farthest > problem.biasCentre)) {
            throw new IllegalArgumentException(
                    "positionBias: reaches distances of up to " + problem.biasCentre + ", wanted "
                            + nearest + " to " + farthest);
        }
    }
}
