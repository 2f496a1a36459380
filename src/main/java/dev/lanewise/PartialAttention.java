package dev.lanewise;

import dev.lanewise.internal.memory.Elements;
import dev.lanewise.internal.memory.Overlap;
import java.util.Objects;

/**
 * A context together with the log-sum-exp of its softmax: the result of attending to some of the keys, from which, with the
 * results for the other keys, the result for all of them follows. That lets one sequence be split over threads or machines (Dao et
 * al., "Flash-Decoding", 2023). Make one by {@link AttentionInputs#withKeyRange} and {@link AttentionOutputs#withLogSumExp}.
 *
 * <p>Merging is commutative and, to rounding, associative; a part that saw no key (context 0, log-sum-exp −∞) is neutral, bit for bit.
 * A log-sum-exp in float32 has an error of half an ulp, and so have the weights of the parts: 5e-4 relative at scores of 1e4,
 * 4.8e-7 at a log-sum-exp of 8. One in {@link ElementType#FLOAT64} has not.
 *
 * @param context (…, Dv), of any rank from 1
 * @param logSumExp (…, 1), of the context's rank
 */
public record PartialAttention(Tensor context, Tensor logSumExp) {
    /**
     * Pairs the two; shapes and types are checked here, memory when it is used.
     *
     * @throws IllegalArgumentException if shapes or types do not fit
     */
    public PartialAttention {
        Objects.requireNonNull(context, "context");
        Objects.requireNonNull(logSumExp, "logSumExp");
        if (context.rank() == 0) {
            throw new IllegalArgumentException("context: rank 0, wanted at least 1");
        }
        TensorChecks.floating("context", context);
        TensorChecks.floatingOr64("logSumExp", logSumExp);
        TensorChecks.rank("logSumExp", logSumExp, context.rank());
        for (int axis = 0; axis < context.rank() - 1; axis++) {
            TensorChecks.sameSize("logSumExp", logSumExp, axis, "context", context, axis);
        }
        TensorChecks.size("logSumExp", logSumExp, context.rank() - 1, 1);
    }

    /**
     * Writes the result of attending to the keys of both parts, which must have none in common.
     *
     * @param other the other part, of the same shape
     * @param out where the result goes, of the same shape: this part or the other one itself (the same views), or memory that
     *        overlaps neither
     * @throws IllegalArgumentException if shapes or memory do not fit; nothing has been written
     * @throws IllegalStateException if an arena is closed
     * @throws WrongThreadException if a tensor belongs to another thread
     */
    public void merge(PartialAttention other, PartialAttention out) {
        Objects.requireNonNull(other, "other");
        Objects.requireNonNull(out, "out");
        check("this.context", "this.logSumExp", this, out);
        check("other.context", "other.logSumExp", other, out);
        TensorChecks.writable("out.context", out.context);
        TensorChecks.writable("out.logSumExp", out.logSumExp);
        TensorChecks.apart("out.logSumExp", out.logSumExp, "out.context", out.context);
        mergeRows(other, out, 0, context.byteOffset(), logSumExp.byteOffset(), other.context.byteOffset(),
                other.logSumExp.byteOffset(), out.context.byteOffset(), out.logSumExp.byteOffset());
    }

    private static void check(String contextName, String sumName, PartialAttention part, PartialAttention out) {
        TensorChecks.readable(contextName, part.context);
        TensorChecks.readable(sumName, part.logSumExp);
        TensorChecks.rank("out.context", out.context, part.context.rank());
        for (int axis = 0; axis < part.context.rank(); axis++) {
            TensorChecks.sameSize("out.context", out.context, axis, contextName, part.context, axis);
        }
        if (!Overlap.same(part.context, out.context)) {
            TensorChecks.apart("out.context", out.context, contextName, part.context);
        }
        if (!Overlap.same(part.logSumExp, out.logSumExp)) {
            TensorChecks.apart("out.logSumExp", out.logSumExp, sumName, part.logSumExp);
        }
        TensorChecks.apart("out.context", out.context, sumName, part.logSumExp);
        TensorChecks.apart("out.logSumExp", out.logSumExp, contextName, part.context);
    }

    /** Walks the outer axes; the positions are those of the first element at hand, in bytes. */
    private void mergeRows(PartialAttention other, PartialAttention out, int axis, long ac, long al, long bc, long bl,
            long oc,
            long ol) {
        if (axis == context.rank() - 1) {
            mergeRow(other, out, ac, al, bc, bl, oc, ol);
            return;
        }
        for (long i = 0; i < context.size(axis); i++) {
            mergeRows(other, out, axis + 1, ac + i * step(context, axis), al + i * step(logSumExp, axis),
                    bc + i * step(other.context, axis), bl + i * step(other.logSumExp, axis),
                    oc + i * step(out.context, axis),
                    ol + i * step(out.logSumExp, axis));
        }
    }

    private static long step(Tensor tensor, int axis) {
        return tensor.stride(axis) * tensor.type().bytes();
    }

    /** Weights the two contexts by their share of the sum of exponentials; a share of 0 is not read, and one of 1 copies. */
    private void mergeRow(PartialAttention other, PartialAttention out, long ac, long al, long bc, long bl, long oc,
            long ol) {
        double a = Elements.getDouble(logSumExp.segment(), logSumExp.type(), al);
        double b = Elements.getDouble(other.logSumExp.segment(), other.logSumExp.type(), bl);
        double max = a > b || b != b ? a : b;
        double shift = max == Double.NEGATIVE_INFINITY ? 0 : max;
        double ea = Math.exp(a - shift);
        double eb = Math.exp(b - shift);
        double shareA = eb == 0 ? 1 : ea / (ea + eb);
        double shareB = eb == 0 ? 0 : eb / (ea + eb);
        int last = context.rank() - 1;
        for (long d = 0; d < context.size(last); d++) {
            float ca = Elements.get(context.segment(), context.type(), ac + d * step(context, last));
            float cb = Elements.get(other.context.segment(), other.context.type(), bc + d * step(other.context, last));
            float merged = shareB == 0 ? ca : shareA == 0 ? cb : (float) (shareA * ca + shareB * cb);
            Elements.set(out.context.segment(), out.context.type(), oc + d * step(out.context, last), merged);
        }
        double sum = ea + eb;
        double merged = eb == 0 ? a : ea == 0 ? b : shift + Math.log(sum);
        Elements.setDouble(out.logSumExp.segment(), out.logSumExp.type(), ol, merged);
    }
}
