package dev.lanewise;

import dev.lanewise.internal.kernel.AttentionProblem;

/** Checks a call, then flattens it for the kernels. Nothing is written before every check has passed. */
final class AttentionBinding {
    private AttentionBinding() {
    }

    static void bind(Attention attention, AttentionInputs in, AttentionOutputs out, AttentionProblem problem) {
        problem.begin();
        if (in.sequences != null) {
            CacheBinding.bind(in, out, problem);
        } else {
            checkOperands(in);
            TensorChecks.readable("q", in.q);
            TensorChecks.readable("k", in.k);
            TensorChecks.readable("v", in.v);
            if (in.mask != null) {
                checkMask(in);
            }
            bindSizes(in, problem);
            OutputChecks.check(in, out, problem.valueDepth, problem.keys);
            bindOperands(in, problem);
        }
        bindOutputs(in, out, problem);
        bindOptions(attention, in, problem);
        BatchRowBinding.bind(attention, in, problem);
    }

    /** Other threads than the calling one may use all memory of the call. */
    static void checkShared(AttentionInputs in, AttentionOutputs out) {
        TensorChecks.shared("q", in.q);
        TensorChecks.shared("k", in.k);
        TensorChecks.shared("v", in.v);
        if (in.sequences != null) {
            TensorChecks.shared("cache", in.sequences[0].cache().segment());
        }
        TensorChecks.shared("mask", in.mask);
        TensorChecks.shared("positionBias", in.positionBias);
        TensorChecks.shared("pastLengths", in.pastLengths);
        TensorChecks.shared("keyLengths", in.keyLengths);
        TensorChecks.shared("keyStarts", in.keyStarts);
        TensorChecks.shared("queryBoundaries", in.queryBoundaries);
        TensorChecks.shared("keyBoundaries", in.keyBoundaries);
        TensorChecks.shared("context", out.context);
        TensorChecks.shared("scores", out.scores);
        TensorChecks.shared("weights", out.weights);
        TensorChecks.shared("logSumExp", out.logSumExp);
    }

    private static void checkOperands(AttentionInputs in) {
        int rank = in.q.rank();
        if (rank < 2 || rank > 4) {
            throw new IllegalArgumentException("q: rank " + rank + ", wanted 2 (L, D), 3 (B, L, D) or 4 (B, H, L, D)");
        }
        checkFloat("q", in.q, rank);
        checkFloat("k", in.k, rank);
        checkFloat("v", in.v, rank);
        TensorChecks.intSizes("q", in.q);
        TensorChecks.intSizes("k", in.k);
        TensorChecks.intSizes("v", in.v);
        if (in.q.size(rank - 1) == 0 || in.v.size(rank - 1) == 0) {
            throw new IllegalArgumentException(
                    "q and v: head dimensions " + in.q.size(rank - 1) + " and " + in.v.size(rank - 1)
                            + ", wanted at least 1");
        }
        TensorChecks.sameSize("k", in.k, rank - 1, "q", in.q, rank - 1);
        TensorChecks.sameSize("v", in.v, rank - 2, "k", in.k, rank - 2);
        if (rank >= 3) {
            TensorChecks.sameSize("k", in.k, 0, "q", in.q, 0);
            TensorChecks.sameSize("v", in.v, 0, "q", in.q, 0);
        }
        if (rank == 4) {
            TensorChecks.sameSize("v", in.v, 1, "k", in.k, 1);
            long heads = in.q.size(1);
            long kvHeads = in.k.size(1);
            if (kvHeads == 0 ? heads != 0 : heads % kvHeads != 0) {
                throw new IllegalArgumentException("k: " + kvHeads + " heads, wanted a divisor of q's " + heads);
            }
        }
    }

    private static void checkFloat(String name, Tensor tensor, int rank) {
        TensorChecks.rank(name, tensor, rank);
        TensorChecks.floating(name, tensor);
    }

    private static void checkMask(AttentionInputs in) {
        int rank = in.q.rank();
        int maskRank = in.mask.rank();
        if (maskRank < 2 || maskRank > rank) {
            throw new IllegalArgumentException("mask: rank " + maskRank + ", wanted 2 to q's " + rank);
        }
        if (in.mask.type() != ElementType.BOOL) {
            TensorChecks.floating("mask", in.mask);
        }
        for (int axis = 1; axis <= maskRank; axis++) {
            long size = in.mask.size(maskRank - axis);
            long wanted = axis == 1 ? in.k.size(rank - 2) : in.q.size(axis == 2 ? rank - 2 : rank - axis);
            if (size != 1 && size != wanted) {
                throw new IllegalArgumentException(
                        "mask: axis " + (maskRank - axis) + " has " + size + " elements, wanted 1 or " + wanted);
            }
        }
        TensorChecks.readable("mask", in.mask);
    }

    private static void bindSizes(AttentionInputs in, AttentionProblem problem) {
        int rank = in.q.rank();
        problem.batch = rank < 3 ? 1 : (int) in.q.size(0);
        problem.heads = rank < 4 ? 1 : (int) in.q.size(1);
        problem.group = rank < 4 || in.k.size(1) == 0 ? 1 : (int) Math.max(1, in.q.size(1) / in.k.size(1));
        problem.queries = (int) in.q.size(rank - 2);
        problem.keys = (int) in.k.size(rank - 2);
        problem.depth = (int) in.q.size(rank - 1);
        problem.valueDepth = (int) in.v.size(rank - 1);
    }

    private static void bindOperands(AttentionInputs in, AttentionProblem problem) {
        boolean headless = in.q.rank() == 3;
        problem.q.set(in.q, headless);
        problem.k.set(in.k, headless);
        problem.v.set(in.v, headless);
        if (in.mask != null) {
            problem.mask.set(in.mask, headless);
        }
    }

    private static void bindOutputs(AttentionInputs in, AttentionOutputs out, AttentionProblem problem) {
        boolean headless = in.q.rank() == 3;
        problem.context.set(out.context, headless);
        if (out.scores != null) {
            problem.scores.set(out.scores, headless);
            problem.scoreStage = out.scoreStage;
        }
        if (out.weights != null) {
            problem.weights.set(out.weights, headless);
        }
        if (out.logSumExp != null) {
            problem.logSumExp.set(out.logSumExp, headless);
        }
    }

    private static void bindOptions(Attention attention, AttentionInputs in, AttentionProblem problem) {
        problem.scale = Float.isNaN(attention.scale) ? (float) (1 / Math.sqrt(problem.depth)) : attention.scale;
        problem.softcap = attention.softcap;
        problem.causal = attention.causal;
        problem.windowLeft = attention.windowLeft;
        problem.windowRight = attention.windowRight;
        problem.offset = attention.offset.value;
        problem.offsetBottomRight = attention.offset.rule == PositionOffset.Rule.BOTTOM_RIGHT;
        problem.slopes = perHead("alibiSlopes", attention.slopes, problem.heads);
        problem.sinks = perHead("sinks", attention.sinks, problem.heads);
        problem.rangeStart = in.rangeStart;
        problem.rangeEnd = in.rangeEnd;
    }

    private static float[] perHead(String name, float[] values, int heads) {
        if (values != null && values.length != heads) {
            throw new IllegalArgumentException(
                    name + ": " + values.length + " values, wanted one for each of q's " + heads + " heads");
        }
        return values;
    }
}
