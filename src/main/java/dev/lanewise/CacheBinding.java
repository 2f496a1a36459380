package dev.lanewise;

import dev.lanewise.internal.kernel.AttentionProblem;

/** Checks a call whose keys and values are in a cache, and tells the kernels where they lie. */
final class CacheBinding {
    private CacheBinding() {
    }

    static void bind(AttentionInputs in, AttentionOutputs out, AttentionProblem problem) {
        KvCache cache = in.sequences[0].cache();
        for (KvCache.Sequence sequence : in.sequences) {
            sequence.checkOpen("sequences");
        }
        checkQueries(in, cache);
        absent("mask", in.mask);
        absent("queryBoundaries", in.queryBoundaries);
        absent("scores", out.scores);
        absent("weights", out.weights);
        OutputChecks.check(in, out, cache.valueDimension(), 0);
        problem.batch = in.sequences.length;
        problem.heads = (int) in.q.size(1);
        problem.group = (int) Math.max(1, in.q.size(1) / cache.kvHeads());
        problem.queries = (int) in.q.size(2);
        problem.depth = cache.headDimension();
        problem.valueDepth = cache.valueDimension();
        problem.q.set(in.q, false);
        problem.keys = 0;
        problem.cacheRows(problem.batch);
        for (int row = 0; row < problem.batch; row++) {
            in.sequences[row].fill(in.layer, problem.cached(row));
            problem.keys = Math.max(problem.keys, problem.cached(row).length);
        }
    }

    private static void checkQueries(AttentionInputs in, KvCache cache) {
        TensorChecks.rank("q", in.q, 4);
        TensorChecks.floating("q", in.q);
        TensorChecks.intSizes("q", in.q);
        TensorChecks.size("q", in.q, 0, "the number of sequences", in.sequences.length);
        TensorChecks.size("q", in.q, 3, "headDimension", cache.headDimension());
        if (in.q.size(1) % cache.kvHeads() != 0) {
            throw new IllegalArgumentException(
                    "q: " + in.q.size(1) + " heads, wanted a multiple of the cache's " + cache.kvHeads());
        }
        TensorChecks.readable("q", in.q);
    }

    private static void absent(String name, Tensor tensor) {
        if (tensor != null) {
            throw new IllegalArgumentException(name + ": " + tensor + ", wanted none over a cache");
        }
    }
}
