package dev.lanewise;

import dev.lanewise.internal.memory.Scratch;
import dev.lanewise.internal.memory.ScratchPool;
import java.lang.foreign.MemorySegment;

/**
 * The projections and the joined contexts of one {@link MultiHeadAttention} call, side by side in scratch, and the views of them. The
 * views are made when the scratch grows; from call to call only the numbers in their arrays change, so that a call allocates nothing.
 */
final class MultiHeadRoom {
    static final ScratchPool<MultiHeadRoom> POOL = new ScratchPool<>(MultiHeadRoom::new);

    /** One projection: as rows (B, L, H·D), and as heads (B, H, L, D). */
    static final class Part {
        private long capacity;
        private final long[] rowShape = new long[3];
        private final long[] rowStrides = new long[3];
        private final long[] headShape = new long[4];
        private final long[] headStrides = new long[4];
        Tensor rows;
        Tensor heads;

        private void shape(long batch, long length, long headCount, long depth) {
            long columns = headCount * depth;
            set(rowShape, batch, length, columns);
            set(rowStrides, length * columns, columns, 1);
            set(headShape, batch, headCount, length);
            headShape[3] = depth;
            set(headStrides, length * columns, depth, columns);
            headStrides[3] = 1;
        }

        private static void set(long[] to, long first, long second, long third) {
            to[0] = first;
            to[1] = second;
            to[2] = third;
        }

        private long place(MemorySegment memory, long at) {
            rows = Tensor.over(memory, at, capacity, rowShape, rowStrides);
            heads = Tensor.over(memory, at, capacity, headShape, headStrides);
            return at + capacity;
        }
    }

    final Part q = new Part();
    final Part k = new Part();
    final Part v = new Part();
    final Part context = new Part();
    private MemorySegment memory;
    final OperandCopies copies = new OperandCopies();
    /** The operands of the attention, once they are placed. */
    final AttentionInputs inputs = new AttentionInputs(copies);
    /** Its output. */
    final AttentionOutputs outputs = new AttentionOutputs(copies);

    /** Sets the shapes, and finds room for them. */
    void fit(Scratch<?> scratch, long batch, long queries, long keys, int heads, int kvHeads, long depth,
            long valueDepth) {
        boolean fits = reserve(q, batch, queries, heads, depth) & reserve(k, batch, keys, kvHeads, depth)
                & reserve(v, batch, keys, kvHeads, valueDepth) & reserve(context, batch, queries, heads, valueDepth);
        if (!fits || memory == null) {
            memory = null;
            MemorySegment found = scratch.memory(q.capacity + k.capacity + v.capacity + context.capacity);
            context.place(found, v.place(found, k.place(found, q.place(found, 0))));
            inputs.set(q.heads, k.heads, v.heads);
            outputs.set(context.heads);
            memory = found;
        }
    }

    private static boolean reserve(Part part, long batch, long length, long heads, long depth) {
        part.shape(batch, length, heads, depth);
        long bytes = Math.multiplyExact(Math.multiplyExact(batch, length),
                Math.multiplyExact(heads * depth, (long) Float.BYTES));
        boolean fits = bytes <= part.capacity;
        part.capacity = fits ? part.capacity : (Math.max(bytes, part.capacity / 2 * 3) + 63) / 64 * 64;
        return fits;
    }
}
