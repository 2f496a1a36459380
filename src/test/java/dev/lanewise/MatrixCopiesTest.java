package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import dev.lanewise.internal.memory.Operand;
import dev.lanewise.internal.plan.MatrixPaths;
import java.lang.foreign.Arena;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Tag;
import net.jqwik.api.constraints.IntRange;

/** What a softmax is rehearsed with runs what the softmax does, and calls that run other loops are told apart. */
@Tag("width")
@Tag("vector")
class MatrixCopiesTest {
    @Property(tries = 200, edgeCases = EdgeCasesMode.NONE)
    void theCopyOfASoftmaxTakesTheSamePaths(@ForAll @IntRange(min = 1, max = 70) int rows,
            @ForAll @IntRange(min = 1, max = 3000) int columns, @ForAll boolean narrow, @ForAll Layout.Order order,
            @ForAll Layout.Place place) {
        ElementType type = narrow ? ElementType.BFLOAT16 : ElementType.FLOAT32;
        try (Arena arena = Arena.ofConfined()) {
            Tensor in = new Layout(order, place, type).allocate(arena, 1, 1, rows, columns).select(0, 0).select(0, 0);
            Operand from = operand(in);
            SoftmaxCopy copy = SoftmaxCopy.of(from, from, rows, columns);
            long paths = MatrixPaths.softmax(operand(copy.in()), operand(copy.out()), copy.rows(), copy.columns());
            assertEquals(Long.toBinaryString(copy.paths()), Long.toBinaryString(paths));
        }
    }

    @Example
    void shortRowsByFoursAreNoLongOnesAndNoSingleOnes() {
        assertNotEquals(paths(64, 1024), paths(64, 96));
        assertNotEquals(paths(64, 96), paths(3, 96));
        assertEquals(paths(64, 96), paths(4096, 48));
    }

    @Example
    void rowsOfEightVectorsAreOthersWithSixteenLanes() {
        int lanes = RuntimeInfo.current().lanes();
        assertEquals(lanes == 16, paths(64, 8 * lanes) != paths(64, 7 * lanes));
        assertEquals(lanes == 16, paths(64, 8 * lanes) != paths(64, 9 * lanes));
        assertEquals(paths(64, 8 * lanes), paths(4096, 8 * lanes));
    }

    private static long paths(int rows, int columns) {
        Operand rowsOf = operand(Tensor.allocate(Arena.ofAuto(), ElementType.FLOAT32, rows, columns));
        return MatrixPaths.softmax(rowsOf, rowsOf, rows, columns);
    }

    private static Operand operand(Tensor tensor) {
        Operand operand = new Operand();
        operand.set(tensor, false);
        return operand;
    }
}
