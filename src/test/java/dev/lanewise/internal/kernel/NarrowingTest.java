package dev.lanewise.internal.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lanewise.ElementType;
import dev.lanewise.internal.memory.Elements;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Vector roundings against those of one element: all that a 16-bit float can be, the points half-way between, and their neighbours. */
@Tag("width")
@Tag("vector")
class NarrowingTest {
    /** Every upper half of a float32, with each of these below it: what lies at, beside and half-way to a narrower number. */
    private static final int[] LOWER = {0, 0x0FFF, 0x1000, 0x1001, 0x7FFF, 0x8000, 0x8001};
    private static final int ROW = 128;
    private static final int COUNT = LOWER.length << Short.SIZE;

    private static MemorySegment patterns(Arena arena) {
        MemorySegment from = arena.allocate(4L * COUNT + 1).asSlice(1);
        for (int i = 0; i < COUNT; i++) {
            from.set(ValueLayout.JAVA_INT_UNALIGNED, 4L * i, i / LOWER.length << Short.SIZE | LOWER[i % LOWER.length]);
        }
        return from;
    }

    @ParameterizedTest
    @EnumSource(names = {"BFLOAT16", "FLOAT16"})
    void roundsAsOneElementDoes(ElementType type) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment from = patterns(arena);
            MemorySegment to = arena.allocate(2L * COUNT);
            int rest = Lanes.COUNT - 1;
            // Row by row, so that the loop is compiled early.
            for (int at = 0; at < COUNT; at += ROW) {
                int count = Math.min(ROW + rest, COUNT - at);
                int done = type == ElementType.BFLOAT16
                        ? Narrowing.bfloat16(from, 4L * at, count, to, 2L * at)
                        : Narrowing.float16(from, 4L * at, count, to, 2L * at);
                assertEquals(ROW, done);
            }
            MemorySegment one = arena.allocate(2);
            for (int i = 0; i < COUNT; i++) {
                float x = from.get(ValueLayout.JAVA_FLOAT_UNALIGNED, 4L * i);
                Elements.set(one, type, 0, x);
                assertEquals(one.get(ValueLayout.JAVA_SHORT, 0), to.getAtIndex(ValueLayout.JAVA_SHORT, i),
                        () -> Integer.toHexString(Float.floatToRawIntBits(x)));
            }
        }
    }

    @Test
    void largestIsThatOfTheMagnitudesAndNaNIsAboveAll() {
        try (Arena arena = Arena.ofConfined()) {
            int count = 3 * Lanes.COUNT;
            MemorySegment from = arena.allocate(4L * count);
            Random random = new Random(1);
            float[] outliers = {0, -2, Float.MIN_VALUE, -Float.MAX_VALUE, Float.NEGATIVE_INFINITY, Float.NaN};
            for (float outlier : outliers) {
                for (int place = 0; place < count; place++) {
                    float wanted = Math.abs(outlier);
                    for (int i = 0; i < count; i++) {
                        float x = i == place ? outlier : random.nextFloat(-1, 1);
                        from.setAtIndex(ValueLayout.JAVA_FLOAT, i, x);
                        wanted = i == place ? wanted : Math.max(wanted, Math.abs(x));
                    }
                    assertEquals(wanted, Float.intBitsToFloat(Narrowing.largest(from, 0, count)));
                }
            }
        }
    }

    @Test
    void bytesAreTheNearestIntegersAndTiesAreEven() {
        try (Arena arena = Arena.ofConfined()) {
            int count = 4 * 254 + 1 + Lanes.COUNT;
            MemorySegment from = arena.allocate(4L * count);
            MemorySegment to = arena.allocate(count);
            for (int i = 0; i < count; i++) {
                from.setAtIndex(ValueLayout.JAVA_FLOAT, i, Math.min(127, (i - 4 * 127) / 4f) / 2);
            }
            int done = Narrowing.int8(from, 0, count, 2, to, 0);
            assertEquals(count - count % Lanes.COUNT, done);
            for (int i = 0; i < done; i++) {
                assertEquals((byte) Math.rint(2 * from.getAtIndex(ValueLayout.JAVA_FLOAT, i)),
                        to.get(ValueLayout.JAVA_BYTE, i));
            }
        }
    }
}
