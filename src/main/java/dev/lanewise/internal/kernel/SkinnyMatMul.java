package dev.lanewise.internal.kernel;

import static dev.lanewise.internal.kernel.Lanes.BYTES;
import static dev.lanewise.internal.kernel.Lanes.COUNT;
import static dev.lanewise.internal.kernel.Lanes.F;
import static dev.lanewise.internal.kernel.Lanes.FLOAT;
import static dev.lanewise.internal.kernel.Lanes.ORDER;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/**
 * The multiply of a few rows with a matrix that is read once, where it lies: what takes the time is memory, which likes long runs along
 * the rows of b. Eight of these at a time are added to a run of the output, which stays in the first-level cache. The terms of a sum come
 * in order, as in {@link VectorMatMul} where k fits one block.
 */
final class SkinnyMatMul {
    private static final int DEPTH = 8;
    /** Vectors of output in a run: with so many of each of eight rows of b, half of 32 KiB. */
    private static final int RUN = 2048 / BYTES;

    private SkinnyMatMul() {
    }

    /** Computes the product. */
    static void run(MatMulProblem p) {
        int vectors = p.n / COUNT;
        for (int v = 0; v < vectors; v += RUN) {
            columns(p, (long) v * BYTES, Math.min(RUN, vectors - v));
        }
        if (p.n % COUNT != 0) {
            columns(p, (long) (p.n - COUNT) * Float.BYTES, 1);
        }
    }

    private static void columns(MatMulProblem p, long column, int vectors) {
        p.cancellation.pass((long) vectors * COUNT);
        for (int i = 0; i < p.m; i++) {
            Context.fill(p.out.segment, p.out.at(0, 0, i) + column, vectors, 0);
        }
        for (int x = 0; x < p.k; x += DEPTH) {
            int depth = Math.min(DEPTH, p.k - x);
            p.cancellation.pass((long) depth * vectors * COUNT);
            long b = p.b.at(0, 0, x) + column;
            for (int i = 0; i < p.m; i++) {
                long a = p.a.at(0, 0, i) + x * p.a.columnStride;
                long out = p.out.at(0, 0, i) + column;
                if (depth == DEPTH) {
                    addEight(p.a.segment, a, p.a.columnStride, p.b.segment, b, p.b.rowStride, p.out.segment, out,
                            vectors);
                } else {
                    for (int d = 0; d < depth; d++) {
                        addOne(p.a.segment, a + d * p.a.columnStride, p.b.segment, b + d * p.b.rowStride, p.out.segment,
                                out, vectors);
                    }
                }
            }
        }
        if (p.bias.present()) {
            VectorMatMul.add(p.scratch, p.biasAt + column, 0, p.out, p.out.base + column, p.m, vectors);
        }
    }

    private static void addEight(MemorySegment a, long a0, long step, MemorySegment b, long b0, long row,
            MemorySegment c, long out, int vectors) {
        a = Lanes.requireNative(a);
        b = Lanes.requireNative(b);
        c = Lanes.requireNative(c);
        FloatVector x0 = FloatVector.broadcast(F, a.get(FLOAT, a0));
        FloatVector x1 = FloatVector.broadcast(F, a.get(FLOAT, a0 + step));
        FloatVector x2 = FloatVector.broadcast(F, a.get(FLOAT, a0 + 2 * step));
        FloatVector x3 = FloatVector.broadcast(F, a.get(FLOAT, a0 + 3 * step));
        FloatVector x4 = FloatVector.broadcast(F, a.get(FLOAT, a0 + 4 * step));
        FloatVector x5 = FloatVector.broadcast(F, a.get(FLOAT, a0 + 5 * step));
        FloatVector x6 = FloatVector.broadcast(F, a.get(FLOAT, a0 + 6 * step));
        FloatVector x7 = FloatVector.broadcast(F, a.get(FLOAT, a0 + 7 * step));
        long b4 = b0 + 4 * row;
        for (int v = 0; v < vectors; v++) {
            long lane = (long) v * BYTES;
            FloatVector sum = FloatVector.fromMemorySegment(F, c, out + lane, ORDER);
            sum = x0.fma(FloatVector.fromMemorySegment(F, b, b0 + lane, ORDER), sum);
            sum = x1.fma(FloatVector.fromMemorySegment(F, b, b0 + row + lane, ORDER), sum);
            sum = x2.fma(FloatVector.fromMemorySegment(F, b, b0 + 2 * row + lane, ORDER), sum);
            sum = x3.fma(FloatVector.fromMemorySegment(F, b, b0 + 3 * row + lane, ORDER), sum);
            sum = x4.fma(FloatVector.fromMemorySegment(F, b, b4 + lane, ORDER), sum);
            sum = x5.fma(FloatVector.fromMemorySegment(F, b, b4 + row + lane, ORDER), sum);
            sum = x6.fma(FloatVector.fromMemorySegment(F, b, b4 + 2 * row + lane, ORDER), sum);
            sum = x7.fma(FloatVector.fromMemorySegment(F, b, b4 + 3 * row + lane, ORDER), sum);
            sum.intoMemorySegment(c, out + lane, ORDER);
        }
    }

    private static void addOne(MemorySegment a, long a0, MemorySegment b, long b0, MemorySegment c, long out,
            int vectors) {
        b = Lanes.requireNative(b);
        c = Lanes.requireNative(c);
        FloatVector x = FloatVector.broadcast(F, Lanes.requireNative(a).get(FLOAT, a0));
        for (int v = 0; v < vectors; v++) {
            long lane = (long) v * BYTES;
            x.fma(FloatVector.fromMemorySegment(F, b, b0 + lane, ORDER),
                    FloatVector.fromMemorySegment(F, c, out + lane, ORDER))
                    .intoMemorySegment(c, out + lane, ORDER);
        }
    }
}
