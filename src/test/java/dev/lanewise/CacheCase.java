package dev.lanewise;

import dev.lanewise.internal.memory.Elements;
import java.lang.foreign.Arena;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;

/** The dimensions of a drawn cache, and what its storage makes of a row, computed one element at a time. */
record CacheCase(int heads, int depth, int valueDepth, int layers, ElementType type, int pageTokens, int pages,
        boolean rotary) {
    private static final int POSITIONS = 4096;

    /** Small ones, whose pools are soon exhausted. */
    static Arbitrary<CacheCase> any() {
        Arbitrary<Integer> depths = Arbitraries.oneOf(Arbitraries.integers().between(2, 9), Arbitraries.of(16, 17, 33));
        return Combinators
                .combine(Arbitraries.integers().between(1, 3), depths, depths, Arbitraries.integers().between(1, 3),
                        types(), Arbitraries.integers().between(1, 6), Arbitraries.integers().between(1, 12),
                        Arbitraries.of(true, false))
                .as(CacheCase::new);
    }

    static Arbitrary<ElementType> types() {
        return Arbitraries.of(ElementType.FLOAT32, ElementType.BFLOAT16, ElementType.FLOAT16, ElementType.INT8);
    }

    KvCache allocate(Arena arena) {
        KvCache.Builder builder = KvCache.builder(heads, depth)
                .valueDimension(valueDepth)
                .layers(layers)
                .storage(type)
                .capacity((long) pageTokens * pages)
                .rotary(rotary ? embedding() : null);
        return (pages == 1 ? builder : builder.pageTokens(pageTokens)).allocate(arena);
    }

    RotaryEmbedding embedding() {
        return RotaryEmbedding.of(depth / 2 * 2, RotaryEmbedding.Pairing.HALF_SPLIT, 100, POSITIONS);
    }

    /** What is read back of a row: rounded, or the nearest multiples of a scale. */
    float[] stored(float[] row) {
        float[] stored = new float[row.length];
        float largest = 0;
        for (float x : row) {
            largest = Math.max(largest, Math.abs(x));
        }
        for (int d = 0; d < row.length; d++) {
            stored[d] = switch (type) {
                case BFLOAT16 -> Elements.bfloat16ToFloat(Elements.floatToBfloat16(row[d]));
                case FLOAT16 -> Float.float16ToFloat(Float.floatToFloat16(row[d]));
                case INT8 -> largest == 0 ? 0 : (int) Math.rint(row[d] * (127 / largest)) * (largest / 127);
                default -> row[d];
            };
        }
        return stored;
    }
}
