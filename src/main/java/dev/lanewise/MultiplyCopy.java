package dev.lanewise;

import dev.lanewise.internal.kernel.MatMulProblem;
import dev.lanewise.internal.kernel.VectorMatMul;
import dev.lanewise.internal.memory.Scratch;
import dev.lanewise.internal.plan.CompiledPaths;
import dev.lanewise.internal.plan.MatrixPaths;
import dev.lanewise.internal.plan.StartUp;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** A multiply of zeros in the layouts of a call, and as small as goes through the same loops. A part is one of few rows and a short sum. */
record MultiplyCopy(Tensor a, Tensor b, MemorySegment packed, Tensor bias, Tensor out, int m, int n, int k, long paths,
        long operations) implements CallCopy {
    private static final int FEWEST_TERMS = 4;
    /**
     * Terms of a sum in a part. Of longer ones a tile's back edges reach the threshold of C2 before its calls do, and C2 compiles the loop on the stack
     * first: of a tile of 24 sums for 0.6 to 0.9 s, where the whole method takes 0.04 to 0.13.
     */
    private static final int SHORT_SUM = 16;
    /** In larger parts sums are as long as in the call: they are for what is done between two parts of a sum. */
    private static final int SHORT_SUMS = 256;
    /** All tiles that rows are cut into, whatever is left. */
    private static final int ROWS = 12;
    /** Vector operations that take as long as to convert an element by itself. */
    private static final int CONVERSION = 5;

    /** Of a call that is bound to a problem. */
    static MultiplyCopy of(MatMulProblem p) {
        int m = MatrixPaths.fewerRows(p);
        int n = MatrixPaths.fewerColumns(p);
        int k = MatrixPaths.fewerTerms(p);
        int lanes = StartUp.CHOICE.lanes();
        long operations = (long) m * ((n + lanes - 1) / lanes) * k;
        operations += p.a.direct ? 0 : (long) CONVERSION * m * k;
        operations += p.packed != null || p.b.direct ? 0 : (long) CONVERSION * k * n;
        operations += p.out.direct ? 0 : (long) CONVERSION * m * n;
        boolean isPacked = p.packed != null;
        return new MultiplyCopy(RehearsalOperands.zeros(p.a, m, k),
                isPacked ? null : RehearsalOperands.zeros(p.b, k, n),
                isPacked ? Arena.ofAuto().allocate(VectorMatMul.packedBytes(k, n), 64) : null,
                p.bias.present() ? RehearsalOperands.zeros(p.bias, 1, n).select(0, 0) : null,
                RehearsalOperands.zeros(p.out, m, n), m, n, k, MatrixPaths.multiply(p), operations);
    }

    /** Of a projection of rows of a layer. */
    static MultiplyCopy of(Tensor x, PackedMatrix b, Tensor bias, Tensor y) {
        Scratch<MatMulProblem> scratch = MatMulProblem.POOL.acquire();
        try {
            scratch.state.begin();
            MatMul.bindRows(scratch.state, x, b, bias, y);
            return of(scratch.state);
        } finally {
            MatMul.end(scratch);
        }
    }

    @Override
    public CompiledPaths compiled() {
        return CompiledPaths.MATRICES;
    }

    @Override
    public int leastPart() {
        return FEWEST_TERMS;
    }

    @Override
    public int mostPart() {
        return k;
    }

    @Override
    public void part(int size, long turn) {
        int terms = size > SHORT_SUMS ? size : Math.min(size, SHORT_SUM);
        for (int done = 0; done < size; done += terms) {
            run(Math.min(m, 2 * ROWS), terms);
        }
    }

    @Override
    public void whole(long turn) {
        run(m, k);
    }

    private void run(int rows, int terms) {
        Scratch<MatMulProblem> scratch = MatMulProblem.POOL.acquire();
        MatMulProblem problem = scratch.state;
        try {
            problem.begin();
            MatMul.bind(problem, a, b, packed, bias, out);
            problem.m = rows;
            problem.n = n;
            problem.k = terms;
            problem.cancellation.rehearse();
            MatMul.compute(scratch, ColdCalls.WARM, 0);
        } finally {
            MatMul.end(scratch);
        }
    }
}
