package dev.lanewise;

import dev.lanewise.internal.memory.Elements;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.random.RandomGenerator;

/** How an operand (B, H, L, D) of a test lies in memory. */
record Layout(Order order, Place place, ElementType type) {
    enum Order {
        /** (B, H, L, D). */
        HEADS_OUTSIDE,
        /** (B, L, H, D). */
        HEADS_INSIDE,
        /** (B, H, D, L): a feature map, channels first. */
        CHANNEL_FIRST,
        /** (B, H, L, D) with gaps after every row and feature. */
        GAPS,
        /** (B, H, L, D), the last row first. */
        ROWS_BACKWARDS,
        /** (B, H, L, D), the last feature of the last row first. */
        BACKWARDS
    }

    enum Place {
        NATIVE,
        /** Native, one byte off every alignment. */
        UNALIGNED, HEAP
    }

    static final Layout PLAIN = new Layout(Order.HEADS_OUTSIDE, Place.NATIVE, ElementType.FLOAT32);

    /** A tensor of this layout, every byte of whose memory, gaps included, has a pattern that is a NaN in every type. */
    Tensor allocate(Arena arena, long b, long h, long l, long d) {
        long[] strides = switch (order) {
            case HEADS_OUTSIDE -> new long[]{h * l * d, l * d, d, 1};
            case HEADS_INSIDE -> new long[]{l * h * d, d, h * d, 1};
            case CHANNEL_FIRST -> new long[]{h * d * l, d * l, 1, l};
            case GAPS -> new long[]{h * l * (3 * d + 1) + 5, l * (3 * d + 1), 3 * d + 1, 3};
            case ROWS_BACKWARDS -> new long[]{h * l * d, l * d, -d, 1};
            case BACKWARDS -> new long[]{h * l * d, l * d, -d, -1};
        };
        long elements = b * strides[0] + 8;
        long offset = place == Place.UNALIGNED ? 1 : 0;
        long bytes = elements * type.bytes() + offset;
        MemorySegment segment = place == Place.HEAP
                ? MemorySegment.ofArray(new byte[Math.toIntExact(bytes)])
                : arena.allocate(bytes, 64);
        segment.fill((byte) 0xFF);
        long first = Math.max(0, Math.min(strides[2], 0) * (1 - l)) + Math.max(0, Math.min(strides[3], 0) * (1 - d));
        return Tensor.of(segment, type, offset + first * type.bytes(), new long[]{b, h, l, d}, strides);
    }

    /** The same with normal numbers, rounded to the type. */
    Tensor normal(Arena arena, RandomGenerator random, double deviation, long b, long h, long l, long d) {
        Tensor tensor = allocate(arena, b, h, l, d);
        for (long ib = 0; ib < b; ib++) {
            for (long ih = 0; ih < h; ih++) {
                for (long il = 0; il < l; il++) {
                    long row = tensor.byteOffset()
                            + (ib * tensor.stride(0) + ih * tensor.stride(1) + il * tensor.stride(2)) * type.bytes();
                    for (long id = 0; id < d; id++) {
                        Elements.set(tensor.segment(), type, row + id * tensor.stride(3) * type.bytes(),
                                (float) (deviation * random.nextGaussian()));
                    }
                }
            }
        }
        return tensor;
    }
}
