package dev.lanewise;

import java.lang.foreign.Arena;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicInteger;

/** A cache whose tokens are made from their numbers, so that what a sequence should hold is known from a list of numbers. */
final class ChurnedCache {
    static final List<ElementType> TYPES = List.of(ElementType.FLOAT32, ElementType.BFLOAT16, ElementType.FLOAT16,
            ElementType.INT8);
    static final int HEADS = 2;
    static final int DEPTH = 24;

    final KvCache cache;
    private final CacheCase shape;
    private final AtomicInteger nextNumber = new AtomicInteger();

    ChurnedCache(Arena arena, ElementType type, int pageTokens, int pages) {
        shape = new CacheCase(HEADS, DEPTH, DEPTH, 1, type, pageTokens, pages, false);
        cache = shape.allocate(arena);
    }

    ChurnedSequence newSequence() {
        return new ChurnedSequence(this, cache.newSequence());
    }

    /** Of tokens that nobody has had. */
    int numbers(int count) {
        return nextNumber.getAndAdd(count);
    }

    /** The key rows of a token, head after head; its value rows with {@code values}. */
    static float[] row(int number, int head, boolean values) {
        SplittableRandom random = new SplittableRandom(4L * number + 2L * head + (values ? 1 : 0));
        float[] row = new float[DEPTH];
        for (int d = 0; d < DEPTH; d++) {
            row[d] = random.nextFloat(-2, 2);
        }
        return row;
    }

    /** The same as it is read back. */
    float[] stored(int number, int head, boolean values) {
        return shape.stored(row(number, head, values));
    }

    /** That there are as many as at first, and that they are all different: one sequence takes them all and is what it should be. */
    void requireEveryPageFree() {
        if (cache.freePages() != cache.pages()) {
            throw new AssertionError(cache.pages() - cache.freePages() + " pages of " + cache.pages() + " are lost");
        }
        ChurnedSequence all = newSequence();
        all.append((int) cache.capacity());
        all.check(new SplittableRandom(1), Execution.here());
        all.close();
    }
}
