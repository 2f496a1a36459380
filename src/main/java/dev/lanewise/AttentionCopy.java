package dev.lanewise;

import dev.lanewise.internal.kernel.AttentionProblem;
import dev.lanewise.internal.kernel.AttentionScratch;
import dev.lanewise.internal.memory.Scratch;
import dev.lanewise.internal.plan.CompiledPaths;
import dev.lanewise.internal.plan.VectorPaths;

/** One batch row and head of an attention; with few queries, all heads of one key/value head. A part is a panel of queries, at first a vector of them, with few keys. */
record AttentionCopy(Attention attention, AttentionInputs inputs, AttentionOutputs outputs, long paths,
        long operations, int mostPart) implements CallCopy {
    private static final int FEWEST_KEYS = 4;
    /** With so many a panel meets several whole blocks of keys. */
    private static final int MOST_KEYS = 512;

    /** Of a call whose operands are bound to a problem. */
    static AttentionCopy of(Attention attention, AttentionInputs in, AttentionOutputs out, AttentionProblem problem) {
        int heads = VectorPaths.heads(problem);
        return of(attention.forHeads(heads), RehearsalOperands.copy(in, heads), RehearsalOperands.copy(out, heads),
                VectorPaths.of(problem));
    }

    /** Of operands that nobody else uses. */
    static AttentionCopy of(Attention attention, AttentionInputs inputs, AttentionOutputs outputs, long paths) {
        Scratch<AttentionScratch> scratch = AttentionScratch.POOL.acquire();
        AttentionProblem problem = scratch.state.problem;
        try {
            AttentionBinding.bind(attention, inputs, outputs, problem);
            return new AttentionCopy(attention, inputs, outputs, paths, VectorPaths.operations(problem),
                    Math.min(MOST_KEYS, problem.keys));
        } finally {
            problem.clear();
            AttentionScratch.POOL.release(scratch);
        }
    }

    @Override
    public CompiledPaths compiled() {
        return CompiledPaths.ATTENTION;
    }

    @Override
    public int leastPart() {
        return FEWEST_KEYS;
    }

    @Override
    public void part(int size, long turn) {
        Scratch<AttentionScratch> scratch = AttentionScratch.POOL.acquire();
        AttentionProblem problem = scratch.state.problem;
        try {
            AttentionBinding.bind(attention, inputs, outputs, problem);
            problem.cancellation.rehearse();
            scratch.state.rehearse(scratch, turn, size, size == FEWEST_KEYS);
        } finally {
            problem.clear();
            AttentionScratch.POOL.release(scratch);
        }
    }

    @Override
    public void whole(long turn) {
        attention.run(inputs, outputs, Execution.rehearsal(turn));
    }
}
