package dev.lanewise;

/** Checks where the results of a call shall go: shapes, types, and memory that overlaps no operand and no other result. */
final class OutputChecks {
    private OutputChecks() {
    }

    /** Checks them for values of {@code valueDepth} features and for scores of {@code keys} columns. */
    static void check(AttentionInputs in, AttentionOutputs out, long valueDepth, long keys) {
        check("context", out.context, in, valueDepth);
        if (out.scores != null) {
            check("scores", out.scores, in, keys);
        }
        if (out.weights != null) {
            check("weights", out.weights, in, keys);
        }
        if (out.logSumExp != null) {
            check("logSumExp", out.logSumExp, in, 1);
        }
        TensorChecks.apart("weights", out.weights, "context", out.context);
        TensorChecks.apart("scores", out.scores, "context", out.context);
        TensorChecks.apart("scores", out.scores, "weights", out.weights);
        TensorChecks.apart("logSumExp", out.logSumExp, "context", out.context);
        TensorChecks.apart("logSumExp", out.logSumExp, "weights", out.weights);
        TensorChecks.apart("logSumExp", out.logSumExp, "scores", out.scores);
    }

    private static void check(String name, Tensor output, AttentionInputs in, long columns) {
        int rank = in.q.rank();
        TensorChecks.rank(name, output, rank);
        if (name.equals("logSumExp")) {
            TensorChecks.floatingOr64(name, output);
        } else {
            TensorChecks.floating(name, output);
        }
        for (int axis = 0; axis < rank - 1; axis++) {
            TensorChecks.sameSize(name, output, axis, "q", in.q, axis);
        }
        TensorChecks.size(name, output, rank - 1, columns);
        TensorChecks.writable(name, output);
        if (!name.equals("context") || !TensorChecks.same(output, in.q)) {
            TensorChecks.apart(name, output, "q", in.q);
        }
        TensorChecks.apart(name, output, "k", in.k);
        TensorChecks.apart(name, output, "v", in.v);
        TensorChecks.apart(name, output, "mask", in.mask);
        TensorChecks.apart(name, output, "positionBias", in.positionBias);
        TensorChecks.apart(name, output, "pastLengths", in.pastLengths);
        TensorChecks.apart(name, output, "keyLengths", in.keyLengths);
        TensorChecks.apart(name, output, "keyStarts", in.keyStarts);
        TensorChecks.apart(name, output, "queryBoundaries", in.queryBoundaries);
        TensorChecks.apart(name, output, "keyBoundaries", in.keyBoundaries);
    }
}
