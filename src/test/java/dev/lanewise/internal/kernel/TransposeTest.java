package dev.lanewise.internal.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Tag;
import net.jqwik.api.constraints.IntRange;

/** The transposition of whole blocks against two loops. */
@Tag("width")
@Tag("vector")
class TransposeTest {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;
    /** What no transposition writes: outside the target it has to be there still. */
    private static final float UNTOUCHED = Float.MAX_VALUE;

    @Property(tries = 300)
    void everyElementIsMovedOnceAndNothingElseIsWritten(@ForAll @IntRange(min = 0, max = 3) int rowBlocks,
            @ForAll @IntRange(min = 0, max = 3) int columnBlocks, @ForAll @IntRange(max = 9) int fromGap,
            @ForAll @IntRange(max = 9) int toGap, @ForAll @IntRange(max = 7) int misaligned) {
        int rows = rowBlocks * Lanes.COUNT;
        int columns = columnBlocks * Lanes.COUNT;
        long fromRow = 4L * (columns + fromGap);
        long toRow = 4L * (rows + toGap);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment from = arena.allocate(misaligned + rows * fromRow + 64, 64).asSlice(misaligned);
            MemorySegment to = arena.allocate(misaligned + columns * toRow + 64, 64).asSlice(misaligned);
            MemorySegment block = arena.allocate(Transpose.BLOCK_BYTES, 64);
            for (long i = 0; i < from.byteSize() / 4; i++) {
                from.set(FLOAT, i * 4, i + 1);
            }
            for (long i = 0; i < to.byteSize() / 4; i++) {
                to.set(FLOAT, i * 4, UNTOUCHED);
            }
            Transpose.run(from, 0, fromRow, rows, columns, to, 0, toRow, block, 0);
            for (int c = 0; c < columns; c++) {
                for (int r = 0; r < rows + toGap; r++) {
                    float wanted = r < rows ? from.get(FLOAT, r * fromRow + c * 4L) : UNTOUCHED;
                    float actual = to.get(FLOAT, c * toRow + r * 4L);
                    assertEquals(wanted, actual, 0f, "[" + c + ", " + r + "] of " + columns + " x " + rows);
                }
            }
            for (long i = columns * toRow; i < columns * toRow + 16; i += 4) {
                assertEquals(UNTOUCHED, to.get(FLOAT, i), "behind the target");
            }
        }
    }

    @Property
    void paddingIsTheNextMultipleOfTheLanes(@ForAll @IntRange(max = 1 << 20) int count) {
        int padded = Transpose.padded(count);
        assertEquals(0, padded % Lanes.COUNT);
        assertEquals(0, (padded - count) / Lanes.COUNT);
    }
}
