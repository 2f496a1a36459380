package dev.lanewise;

import static dev.lanewise.FuzzOperations.require;

import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.List;
import java.util.random.RandomGenerator;

/** Multiplies and softmaxes: valid ones, carried out in any way, and valid ones with one fault. */
final class FuzzMatrices {
    private static final double U = 0x1p-24;
    /** One call in so many is large enough to be ended in its middle. */
    private static final int SELDOM = 512;
    private static final int CHECKED = 40;

    private FuzzMatrices() {
    }

    static void multiply(RandomGenerator random, boolean large) {
        FuzzDraw draw = new FuzzDraw(random, large);
        if (random.nextInt(SELDOM) == 0) {
            endedMultiply(draw, random);
            return;
        }
        int m = draw.length();
        int n = draw.length();
        int k = draw.length();
        try (Arena arena = Arena.ofConfined()) {
            Product product = new Product(draw, arena, random, m, n, k);
            product.call.run(draw);
            for (int i = 0; i < m; i++) {
                for (int j = 0; j < n; j++) {
                    product.check(i, j);
                }
            }
        }
    }

    /** Long enough for two looks or more at what may end it: 65,536 elements, to which so many multiply-adds count, are gone through in between. */
    private static void endedMultiply(FuzzDraw draw, RandomGenerator random) {
        boolean oneRow = draw.rarely();
        int m = oneRow ? 1 : draw.between(250, 400);
        int n = draw.between(250, 400);
        int k = oneRow ? draw.between(300, 500) : draw.between(60, 120);
        try (Arena arena = Arena.ofConfined()) {
            Product product = new Product(draw, arena, random, m, n, k);
            product.call.runEnded(random);
            for (int checks = 0; checks < CHECKED; checks++) {
                product.check(random.nextInt(m), random.nextInt(n));
            }
        }
        multiply(random, false);
    }

    /** Operands of a multiply and what comes of it. */
    private static final class Product {
        final FuzzExecution call;
        private final Tensor a;
        private final Tensor b;
        private final Tensor bias;
        private final Tensor out;

        Product(FuzzDraw draw, Arena arena, RandomGenerator random, int m, int n, int k) {
            a = matrix(draw.layout().normal(arena, random, 1, 1, 1, m, k));
            b = matrix(draw.layout().normal(arena, random, 1, 1, 1, k, n));
            bias = draw.rarely() ? matrix(Layout.PLAIN.normal(arena, random, 1, 1, 1, 1, n)).select(0, 0) : null;
            out = matrix(draw.layout().allocate(arena, 1, 1, m, n));
            PackedMatrix packed = random.nextBoolean() ? PackedMatrix.of(arena, b) : null;
            call = packed == null
                    ? new FuzzExecution(out, () -> MatMul.multiply(a, b, bias, out),
                            execution -> MatMul.multiply(a, b, bias, out, execution))
                    : new FuzzExecution(out, () -> MatMul.multiply(a, packed, bias, out),
                            execution -> MatMul.multiply(a, packed, bias, out, execution));
        }

        /** A sum of k products and a bias is within (k + 2)·u·Σ|terms|. */
        void check(int i, int j) {
            int k = (int) a.size(1);
            double sum = bias == null ? 0 : bias.getFloat(j);
            double magnitude = Math.abs(sum);
            for (int x = 0; x < k; x++) {
                double term = (double) a.getFloat(i, x) * b.getFloat(x, j);
                sum += term;
                magnitude += Math.abs(term);
            }
            double bound = (k + 2) * U * magnitude + Float.MIN_VALUE + ErrorBound.storage(out.type(), sum);
            require(out.getFloat(i, j), sum, bound, "product");
        }
    }

    static void softmax(RandomGenerator random, boolean large) {
        FuzzDraw draw = new FuzzDraw(random, large);
        if (random.nextInt(SELDOM) == 0) {
            endedSoftmax(draw, random);
            return;
        }
        int rows = draw.between(0, 3);
        int columns = draw.length();
        double deviation = draw.rarely() ? 10 : 1;
        try (Arena arena = Arena.ofConfined()) {
            Tensor in = matrix(draw.layout().normal(arena, random, deviation, 1, 1, rows, columns));
            float[] x = in.toFloats();
            Tensor out = random.nextBoolean() ? in : matrix(draw.layout().allocate(arena, 1, 1, rows, columns));
            new FuzzExecution(out, () -> Softmax.rows(in, out), execution -> Softmax.rows(in, out, execution))
                    .run(draw);
            for (int r = 0; r < rows; r++) {
                checkRow(x, r, out, r, deviation);
            }
        }
    }

    /** Of 100,000 to a million elements: many short rows or a few long ones, all alike. */
    private static void endedSoftmax(FuzzDraw draw, RandomGenerator random) {
        int columns = random.nextBoolean() ? draw.between(1, 150) : draw.between(40_000, 100_000);
        int rows = draw.between(100_000, 1_000_000) / columns;
        try (Arena arena = Arena.ofConfined()) {
            Tensor row = matrix(draw.layout().normal(arena, random, 1, 1, 1, 1, columns));
            Tensor in = row.broadcast(0, rows);
            Tensor out = matrix(draw.layout().allocate(arena, 1, 1, rows, columns));
            new FuzzExecution(out, () -> Softmax.rows(in, out), execution -> Softmax.rows(in, out, execution))
                    .runEnded(random);
            checkRow(row.toFloats(), 0, out, random.nextInt(rows), 1);
            checkRow(row.toFloats(), 0, out, rows - 1, 1);
        }
        softmax(random, false);
    }

    /** The argument of exp is rounded at |x|, at most 16 deviations; the sum of n positive terms adds n·u at most. */
    private static void checkRow(float[] x, int row, Tensor out, int outRow, double deviation) {
        int columns = (int) out.size(1);
        double max = Double.NEGATIVE_INFINITY;
        for (int c = 0; c < columns; c++) {
            max = Math.max(max, x[row * columns + c]);
        }
        double sum = 0;
        for (int c = 0; c < columns; c++) {
            sum += Math.exp(x[row * columns + c] - max);
        }
        for (int c = 0; c < columns; c++) {
            double wanted = Math.exp(x[row * columns + c] - max) / sum;
            double bound = wanted * (32 * deviation + columns + 8) * U + Float.MIN_NORMAL
                    + ErrorBound.storage(out.type(), wanted);
            require(out.getFloat(outRow, c), wanted, bound, "softmax");
        }
    }

    /** What a call can be given wrongly. */
    private enum Fault {
        COLUMNS_OF_A, ROWS_OF_B, ROWS_OF_OUT, COLUMNS_OF_OUT, RANK, TYPE, BIAS, BIAS_RANK, OVERLAP, SHIFTED, SHOWN_TWICE, READ_ONLY, CLOSED, NO_OPERAND, NO_OUTPUT, NO_EXECUTION, WORKSPACE
    }

    private static final List<Class<? extends RuntimeException>> DOCUMENTED = List.of(IllegalArgumentException.class,
            IllegalStateException.class, NullPointerException.class);

    private static final List<String> ARGUMENTS = List.of("a", "b", "in", "out", "execution");

    /** One fault in an otherwise valid call: a documented exception that has a message, and not one byte of output. */
    static void invalid(RandomGenerator random) {
        FuzzDraw draw = new FuzzDraw(random, false);
        Fault fault = draw.any(Fault.class);
        try (Arena arena = Arena.ofConfined()) {
            Tensor a = matrix(draw.layout().normal(arena, random, 1, 1, 1, draw.between(2, 9), draw.between(2, 9)));
            Tensor b = matrix(draw.layout().normal(arena, random, 1, 1, 1, a.size(1), draw.between(2, 9)));
            Tensor out = matrix(draw.layout().allocate(arena, 1, 1, a.size(0), b.size(1)));
            byte[] before = FuzzAttention.bytes(out);
            try {
                call(fault, draw, arena, a, b, out);
            } catch (RuntimeException thrown) {
                boolean named = thrown.getMessage() != null
                        && (!(thrown instanceof NullPointerException) || ARGUMENTS.contains(thrown.getMessage()));
                if (!DOCUMENTED.contains(thrown.getClass()) || !named) {
                    throw new AssertionError(fault + " ended in an exception that is not documented", thrown);
                }
                if (!Arrays.equals(before, FuzzAttention.bytes(out))) {
                    throw new AssertionError(fault + " was refused after the output had been written", thrown);
                }
                return;
            }
            throw new AssertionError(fault + " was accepted: a " + a + ", b " + b + ", out " + out);
        }
    }

    private static void call(Fault fault, FuzzDraw draw, Arena arena, Tensor a, Tensor b, Tensor out) {
        Execution execution = Execution.here().uninterruptible();
        Tensor wide = Tensor.allocate(arena, ElementType.FLOAT32, a.size(0), b.size(1) + 1);
        switch (fault) {
            case COLUMNS_OF_A -> multiply(draw, arena, a.slice(1, 1, a.size(1)), b, null, out, execution);
            case ROWS_OF_B -> multiply(draw, arena, a, b.slice(0, 1, b.size(0)), null, out, execution);
            case ROWS_OF_OUT -> either(draw, arena, a, b, out.slice(0, 1, out.size(0)), execution);
            case COLUMNS_OF_OUT -> either(draw, arena, a, b, out.slice(1, 1, out.size(1)), execution);
            case RANK -> either(draw, arena, a, b, draw.rarely() ? out.select(0, 0) : out.unsqueeze(1), execution);
            case TYPE -> either(draw, arena, a, b,
                    Tensor.allocate(arena, draw.rarely() ? ElementType.FLOAT64 : ElementType.INT8, out.shape()),
                    execution);
            case BIAS -> multiply(draw, arena, a, b, wide.select(0, 0), out, execution);
            case BIAS_RANK -> multiply(draw, arena, a, b, wide.slice(0, 0, 1).slice(1, 1, wide.size(1)), out,
                    execution);
            case OVERLAP -> multiply(draw, arena, a, b, wide.select(0, 0).slice(0, 1, wide.size(1)),
                    wide.slice(1, 0, out.size(1)), execution);
            case SHIFTED -> Softmax.rows(wide.slice(1, 0, out.size(1)), wide.slice(1, 1, wide.size(1)), execution);
            case SHOWN_TWICE -> either(draw, arena, a, b, out.slice(0, 0, 1).broadcast(0, (int) out.size(0)),
                    execution);
            case READ_ONLY -> either(draw, arena, a, b, Tensor.of(out.segment().asReadOnly(), out.type(),
                    out.byteOffset(), out.shape(), FuzzAttention.strides(out)), execution);
            case CLOSED -> {
                Tensor gone;
                try (Arena closed = Arena.ofConfined()) {
                    gone = Tensor.allocate(closed, ElementType.FLOAT32, out.shape());
                }
                either(draw, arena, a, b, gone, execution);
            }
            case NO_OPERAND -> {
                switch (draw.between(0, 3)) {
                    case 0 -> Softmax.rows(null, out, execution);
                    case 1 -> MatMul.multiply(a, (Tensor) null, null, out, execution);
                    case 2 -> MatMul.multiply(a, (PackedMatrix) null, null, out, execution);
                    default -> multiply(draw, arena, null, b, null, out, execution);
                }
            }
            case NO_OUTPUT -> either(draw, arena, a, b, null, execution);
            case NO_EXECUTION -> either(draw, arena, a, b, out, null);
            case WORKSPACE -> either(draw, arena, a, b, out,
                    execution.withWorkspace(Workspace.allocate(arena, 64, 1)));
        }
    }

    /** A multiply, or a softmax of what is as large as its result. */
    private static void either(FuzzDraw draw, Arena arena, Tensor a, Tensor b, Tensor out, Execution execution) {
        if (draw.rarely()) {
            Softmax.rows(Tensor.allocate(arena, ElementType.FLOAT32, a.size(0), b.size(1)), out, execution);
        } else {
            multiply(draw, arena, a, b, null, out, execution);
        }
    }

    private static void multiply(FuzzDraw draw, Arena arena, Tensor a, Tensor b, Tensor bias, Tensor out,
            Execution execution) {
        if (draw.rarely()) {
            MatMul.multiply(a, PackedMatrix.of(arena, b), bias, out, execution);
        } else {
            MatMul.multiply(a, b, bias, out, execution);
        }
    }

    private static Tensor matrix(Tensor tensor) {
        return tensor.select(0, 0).select(0, 0);
    }
}
