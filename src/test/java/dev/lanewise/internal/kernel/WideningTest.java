package dev.lanewise.internal.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lanewise.internal.memory.Elements;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Vector conversions against those of one element, over all 16-bit patterns. */
@Tag("width")
@Tag("vector")
class WideningTest {
    private static final int PATTERNS = 1 << Short.SIZE;

    private interface Conversion {
        int run(MemorySegment from, long at, int count, MemorySegment to, long target);
    }

    private interface Single {
        float of(short bits);
    }

    @Test
    void everyBfloat16() {
        check(Widening::bfloat16, Elements::bfloat16ToFloat);
    }

    @Test
    void everyFloat16() {
        check(Widening::float16, Float::float16ToFloat);
    }

    private static void check(Conversion conversion, Single single) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment from = arena.allocate(2L * PATTERNS + 1).asSlice(1);
            MemorySegment to = arena.allocate(4L * PATTERNS, 4);
            for (int bits = 0; bits < PATTERNS; bits++) {
                from.set(ValueLayout.JAVA_SHORT_UNALIGNED, 2L * bits, (short) bits);
            }
            assertEquals(PATTERNS - Lanes.COUNT, conversion.run(from, 2, PATTERNS - 1, to, 0));
            assertEquals(PATTERNS, conversion.run(from, 0, PATTERNS, to, 0));
            for (int bits = 0; bits < PATTERNS; bits++) {
                assertEquals(single.of((short) bits), to.getAtIndex(ValueLayout.JAVA_FLOAT, bits),
                        Integer.toHexString(bits));
            }
        }
    }
}
