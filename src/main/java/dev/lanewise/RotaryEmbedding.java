package dev.lanewise;

import dev.lanewise.internal.memory.Elements;
import dev.lanewise.internal.memory.Overlap;
import dev.lanewise.internal.memory.RotaryTable;
import java.util.Objects;

/**
 * Rotary position embedding (Su et al., RoFormer, 2021): the features of a query or key at position p, taken in pairs, are rotated by
 * the angle p·base^(−2i/R), i counting the pairs and R the rotated features. Immutable; safe for any number of threads.
 */
public final class RotaryEmbedding {
    /** Which features make a pair. */
    public enum Pairing {
        /** Features 2i and 2i + 1 (RoFormer, GPT-J). */
        INTERLEAVED,
        /** Features i and i + R/2 (GPT-NeoX, Llama in its published checkpoints). */
        HALF_SPLIT
    }

    /** R. */
    final int rotated;
    /** Positions from 0 to before this one can be embedded. */
    final int positions;
    /** Cosine and sine of each pair, position by position. */
    final RotaryTable table;

    private RotaryEmbedding(int rotated, Pairing pairing, double base, int positions) {
        this.rotated = rotated;
        this.positions = positions;
        table = new RotaryTable(rotated, pairing == Pairing.INTERLEAVED, base, positions);
    }

    /**
     * Makes an embedding, with its table of 4·R bytes a position.
     *
     * @param rotated R, how many of the first features are rotated: even, at least 2; the others are copied
     * @param pairing which features make a pair
     * @param base of the angles, above 0, and so large that they are finite; 10000 in the paper
     * @param positions positions from 0 to before this one can be embedded
     * @return the embedding
     * @throws IllegalArgumentException if a value is out of range
     */
    public static RotaryEmbedding of(int rotated, Pairing pairing, double base, int positions) {
        if (rotated < 2 || rotated % 2 != 0) {
            throw new IllegalArgumentException(
                    "rotated: " + rotated + ", wanted an even number of features, at least 2");
        }
        if (!(base > 0) || Double.isInfinite(base)) {
            throw new IllegalArgumentException("base: " + base + ", wanted a finite number above 0");
        }
        if (positions < 1 || (long) positions * rotated / 2 > Integer.MAX_VALUE - 8) {
            throw new IllegalArgumentException(
                    "positions: " + positions + ", wanted at least 1 and at most 2^31 / (rotated / 2)");
        }
        double largest = (positions - 1) * Math.pow(base, 2.0 / rotated - 1);
        if (!Double.isFinite(largest)) {
            throw new IllegalArgumentException("base: " + base + ", wanted one whose angles are finite, up to position "
                    + (positions - 1));
        }
        return new RotaryEmbedding(rotated, Objects.requireNonNull(pairing, "pairing"), base, positions);
    }

    /**
     * Rotates rows; row l of every batch row and head stands at the position offset + l.
     *
     * @param in queries or keys, (…, L, D) with D ≥ R, of any floating-point type
     * @param offset the position of row 0
     * @param out of the same shape: the very view that {@code in} is (in place), or memory that does not overlap it, such as the rows of a
     *        cache
     * @throws IllegalArgumentException if shapes, types, memory or positions do not fit; nothing has been written
     * @throws IllegalStateException if an arena is closed
     * @throws WrongThreadException if a tensor belongs to another thread
     */
    public void apply(Tensor in, long offset, Tensor out) {
        Objects.requireNonNull(in, "in");
        int rank = in.rank();
        if (rank < 2) {
            throw new IllegalArgumentException("in: rank " + rank + ", wanted at least 2");
        }
        TensorChecks.floating("in", in);
        TensorChecks.readable("in", in);
        if (in.size(rank - 1) < rotated) {
            throw new IllegalArgumentException(
                    "in: axis " + (rank - 1) + " has " + in.size(rank - 1) + " features, wanted at least " + rotated);
        }
        if (offset < 0 || offset > positions - in.size(rank - 2)) {
            throw new IllegalArgumentException(
                    "offset: " + offset + " with " + in.size(rank - 2) + " rows, wanted positions from 0 to "
                            + (positions - 1));
        }
        TensorChecks.rank("out", out, rank);
        TensorChecks.floating("out", out);
        for (int axis = 0; axis < rank; axis++) {
            TensorChecks.sameSize("out", out, axis, "in", in, axis);
        }
        TensorChecks.writable("out", out);
        if (!Overlap.same(in, out)) {
            TensorChecks.apart("out", out, "in", in);
        }
        rotateAxis(in, out, 0, in.byteOffset(), out.byteOffset(), (int) offset);
    }

    private void rotateAxis(Tensor in, Tensor out, int axis, long from, long to, int position) {
        boolean rows = axis == in.rank() - 2;
        long inStep = in.stride(axis) * in.type().bytes();
        long outStep = out.stride(axis) * out.type().bytes();
        for (long i = 0; i < in.size(axis); i++) {
            if (rows) {
                rotateRow(in, out, from + i * inStep, to + i * outStep, position + (int) i);
            } else {
                rotateAxis(in, out, axis + 1, from + i * inStep, to + i * outStep, position);
            }
        }
    }

    private void rotateRow(Tensor in, Tensor out, long from, long to, int position) {
        int last = in.rank() - 1;
        long inStep = in.stride(last) * in.type().bytes();
        long outStep = out.stride(last) * out.type().bytes();
        for (int i = 0; i < rotated / 2; i++) {
            int first = table.first(i);
            int second = table.second(i);
            float x = Elements.get(in.segment(), in.type(), from + first * inStep);
            float y = Elements.get(in.segment(), in.type(), from + second * inStep);
            float cosine = table.cosine(position, i);
            float sine = table.sine(position, i);
            Elements.set(out.segment(), out.type(), to + first * outStep, x * cosine - y * sine);
            Elements.set(out.segment(), out.type(), to + second * outStep, x * sine + y * cosine);
        }
        for (long d = rotated; d < in.size(last); d++) {
            Elements.set(out.segment(), out.type(), to + d * outStep,
                    Elements.get(in.segment(), in.type(), from + d * inStep));
        }
    }
}
