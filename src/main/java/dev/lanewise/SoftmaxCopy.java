package dev.lanewise;

import dev.lanewise.internal.kernel.MatMulProblem;
import dev.lanewise.internal.kernel.VectorSoftmax;
import dev.lanewise.internal.memory.Operand;
import dev.lanewise.internal.memory.Scratch;
import dev.lanewise.internal.plan.CompiledPaths;
import dev.lanewise.internal.plan.MatrixPaths;
import dev.lanewise.internal.plan.StartUp;

/** A softmax of a few rows of zeros in the layouts of a call. A part is one of short rows. */
record SoftmaxCopy(Tensor in, Tensor out, int rows, int columns, long paths, long operations) implements CallCopy {
    /** A multiple of the rows that are taken together. Rows in registers are fewer: no part of such a row runs what it does. */
    private static final int ROWS = 4 * VectorSoftmax.QUAD_ROWS;
    private static final int COLUMNS = 1024;
    /** Of a vector. */
    private static final int OPERATIONS = 24;
    /** Vector operations that take as long as to convert an element by itself. */
    private static final int CONVERSION = 5;

    /** Of a call whose operands are bound. */
    static SoftmaxCopy of(Operand in, Operand out, int rows, int columns) {
        int lanes = StartUp.CHOICE.lanes();
        int fewer = columns < 2 * COLUMNS ? columns : COLUMNS + columns % COLUMNS;
        long paths = MatrixPaths.softmax(in, out, rows, columns);
        int least = MatrixPaths.inRegisters(paths) ? VectorSoftmax.QUAD_ROWS : ROWS;
        int some = rows < least ? rows : least + rows % VectorSoftmax.QUAD_ROWS;
        long converted = (in.direct ? 0 : CONVERSION) + (out.direct ? 0 : CONVERSION);
        long operations = some * ((long) OPERATIONS * ((fewer + lanes - 1) / lanes) + converted * fewer);
        return new SoftmaxCopy(RehearsalOperands.zeros(in, some, fewer), RehearsalOperands.zeros(out, some, fewer),
                some,
                fewer, paths, operations);
    }

    @Override
    public CompiledPaths compiled() {
        return CompiledPaths.MATRICES;
    }

    @Override
    public int leastPart() {
        return MatrixPaths.inRegisters(paths) ? columns : Math.min(columns, 2 * StartUp.CHOICE.lanes());
    }

    @Override
    public int mostPart() {
        return columns;
    }

    @Override
    public void part(int size, long turn) {
        run(MatrixPaths.partRows(rows, columns), size);
    }

    @Override
    public void whole(long turn) {
        run(rows, columns);
    }

    private void run(int count, int size) {
        Scratch<MatMulProblem> scratch = MatMulProblem.POOL.acquire();
        MatMulProblem problem = scratch.state;
        try {
            problem.begin();
            problem.a.set(in, false);
            problem.out.set(out, false);
            problem.m = count;
            problem.n = size;
            problem.cancellation.rehearse();
            Softmax.compute(scratch, ColdCalls.WARM, 0);
        } finally {
            MatMul.end(scratch);
        }
    }
}
