package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.time.Duration;
import java.util.Arrays;
import java.util.Random;
import java.util.concurrent.CancellationException;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Multiplies and softmaxes that are ended early. */
@Tag("width")
class CancelledMatricesTest {
    private static final int ROUNDS = 12;
    /** Less than the calls take on any machine. */
    private static final long WITHIN_NANOS = 500_000;
    /** 2·768³ operations take 3 ms where a core does 300 GFLOP/s; and 768 rows are more than b is read in place for. */
    private static final int SIDE = 768;
    private static final long GRANULARITY_MICROS = 1000;
    private static final long PATIENCE_NANOS = 20_000_000_000L;

    /** Calls of a millisecond or more, one for each loop that looks. */
    enum Case {
        MULTIPLY, MULTIPLY_PACKED_IN_SCRATCH, MULTIPLY_STAGED, MULTIPLY_TRANSPOSED, MULTIPLY_ONE_ROW, SOFTMAX_SHORT_ROWS, SOFTMAX_LONG_ROWS, SOFTMAX_LONG_NARROW_ROWS
    }

    private static Arena arena;
    private static Tensor square;
    private static Tensor narrow;
    private static PackedMatrix packed;
    private static Tensor product;
    private static Tensor gapped;
    private static Tensor row;
    private static Tensor many;
    private static Tensor rowProduct;
    private static Tensor shortScores;
    private static Tensor shortWeights;
    private static Tensor longScores;
    private static Tensor longWeights;
    private static Tensor narrowWeights;
    private static Tensor small;

    @BeforeAll
    static void makeOperands() {
        arena = Arena.ofConfined();
        Random random = new Random(1);
        square = normal(random, ElementType.FLOAT32, SIDE, SIDE);
        narrow = normal(random, ElementType.BFLOAT16, SIDE, SIDE);
        packed = PackedMatrix.of(arena, square);
        product = Tensor.allocate(arena, ElementType.FLOAT32, SIDE, SIDE);
        gapped = new Layout(Layout.Order.GAPS, Layout.Place.NATIVE, ElementType.FLOAT32)
                .allocate(arena, 1, 1, SIDE, SIDE)
                .select(0, 0)
                .select(0, 0);
        row = normal(random, ElementType.FLOAT32, 1, 65_536);
        many = normal(random, ElementType.FLOAT32, 1, 4_100).broadcast(0, 65_536);
        rowProduct = Tensor.allocate(arena, ElementType.FLOAT32, 1, 4_100);
        shortScores = normal(random, ElementType.FLOAT32, 1, 100).broadcast(0, 100_000);
        shortWeights = Tensor.allocate(arena, ElementType.FLOAT32, 100_000, 100);
        longScores = normal(random, ElementType.FLOAT32, 1, 1_000_003).broadcast(0, 12);
        longWeights = Tensor.allocate(arena, ElementType.FLOAT32, 12, 1_000_003);
        narrowWeights = Tensor.allocate(arena, ElementType.BFLOAT16, 12, 1_000_003);
        small = normal(random, ElementType.FLOAT32, 70, 70);
    }

    private static Tensor normal(Random random, ElementType type, int rows, int columns) {
        return new Layout(Layout.Order.HEADS_OUTSIDE, Layout.Place.NATIVE, type)
                .normal(arena, random, 1, 1, 1, rows, columns)
                .select(0, 0)
                .select(0, 0);
    }

    @AfterAll
    static void close() {
        arena.close();
    }

    @AfterEach
    void clearInterrupt() {
        Thread.interrupted();
    }

    private static void run(Case call, Execution execution) {
        switch (call) {
            case MULTIPLY -> MatMul.multiply(square, square, null, product, execution);
            case MULTIPLY_PACKED_IN_SCRATCH -> MatMul.multiply(square, packed, null, gapped, execution);
            case MULTIPLY_STAGED -> MatMul.multiply(narrow, narrow, null, product, execution);
            case MULTIPLY_TRANSPOSED -> MatMul.multiply(square.transpose(0, 1), square.transpose(0, 1), null, product,
                    execution);
            case MULTIPLY_ONE_ROW -> MatMul.multiply(row, many, null, rowProduct, execution);
            case SOFTMAX_SHORT_ROWS -> Softmax.rows(shortScores, shortWeights, execution);
            case SOFTMAX_LONG_ROWS -> Softmax.rows(longScores, longWeights, execution);
            case SOFTMAX_LONG_NARROW_ROWS -> Softmax.rows(longScores, narrowWeights, execution);
        }
    }

    private static Tensor output(Case call) {
        return switch (call) {
            case MULTIPLY, MULTIPLY_STAGED, MULTIPLY_TRANSPOSED -> product;
            case MULTIPLY_PACKED_IN_SCRATCH -> gapped;
            case MULTIPLY_ONE_ROW -> rowProduct;
            case SOFTMAX_SHORT_ROWS -> shortWeights;
            case SOFTMAX_LONG_ROWS -> longWeights;
            case SOFTMAX_LONG_NARROW_ROWS -> narrowWeights;
        };
    }

    /** Of calls that share scratch with those that were ended. */
    private static float[][] answers() {
        Tensor multiplied = Tensor.allocate(arena, ElementType.FLOAT32, 70, 70);
        MatMul.multiply(small, small, null, multiplied, Execution.here().uninterruptible());
        Tensor weights = Tensor.allocate(arena, ElementType.FLOAT16, 70, 70);
        Softmax.rows(small, weights, Execution.here().uninterruptible());
        return new float[][]{multiplied.toFloats(), weights.toFloats()};
    }

    private static void assertAnswers(float[][] expected) {
        float[][] now = answers();
        for (int i = 0; i < now.length; i++) {
            assertArrayEquals(expected[i], now[i], 0);
        }
    }

    @ParameterizedTest
    @EnumSource
    void anInterruptedThreadsCallWritesNothing(Case call) {
        float[][] expected = answers();
        output(call).setFloat(7, 0, 0);
        Thread.currentThread().interrupt();
        assertEquals("cancelled: the calling thread was interrupted; the outputs are partly written",
                assertThrows(CancellationException.class, () -> run(call, Execution.here())).getMessage());
        assertTrue(Thread.currentThread().isInterrupted(), "the status stays");
        assertEquals(7, output(call).getFloat(0, 0));
        assertAnswers(expected);
    }

    /** By an interrupt, a limit or a deadline; if the call is over before it is one like any other. */
    @ParameterizedTest
    @EnumSource
    void aCallEndsAtAnyMoment(Case call) {
        float[][] expected = answers();
        run(call, Execution.here());
        float first = output(call).getFloat(0, 0);
        Random random = new Random(call.ordinal());
        int cancelled = 0;
        for (int round = 0; round < ROUNDS; round++) {
            boolean ended = EndedCalls.cancelled(random, WITHIN_NANOS, Execution.here(),
                    execution -> run(call, execution));
            cancelled += ended ? 1 : 0;
            assertAnswers(expected);
        }
        assertTrue(cancelled > 0, "no call of " + ROUNDS + " ended early");
        run(call, Execution.here());
        assertEquals(first, output(call).getFloat(0, 0));
    }

    /** Of a call that is compiled, which takes the compilers a while; and of most calls, for others use the machine, too. */
    @ParameterizedTest
    @EnumSource
    void theDeadlineIsSeenWithinAMillisecond(Case call) {
        long start = System.nanoTime();
        long[] late = microsLate(call);
        while (late[ROUNDS / 2] >= GRANULARITY_MICROS && System.nanoTime() - start < PATIENCE_NANOS) {
            late = microsLate(call);
        }
        assertTrue(late[ROUNDS / 2] < GRANULARITY_MICROS, "µs late: " + Arrays.toString(late));
    }

    private static long[] microsLate(Case call) {
        long[] late = new long[ROUNDS];
        for (int round = 0; round < ROUNDS; round++) {
            Execution limited = Execution.here()
                    .uninterruptible()
                    .withTimeLimit(Duration.ofNanos(WITHIN_NANOS * round / ROUNDS));
            String message = assertThrows(CancellationException.class, () -> run(call, limited)).getMessage();
            assertTrue(message.matches("cancelled: the deadline passed \\d+ µs ago; the outputs are partly written"),
                    message);
            late[round] = Long.parseLong(message.replaceAll("\\D", ""));
        }
        Arrays.sort(late);
        return late;
    }

    @Test
    void aPlainCallIsEndedByAnInterruptAndAnUninterruptibleOneIsNot() {
        float[][] expected = answers();
        Tensor out = Tensor.allocate(arena, ElementType.FLOAT32, 70, 70);
        Thread.currentThread().interrupt();
        assertThrows(CancellationException.class, () -> MatMul.multiply(small, small, out));
        assertThrows(CancellationException.class,
                () -> MatMul.multiply(small, PackedMatrix.of(arena, small), null, out));
        assertThrows(CancellationException.class, () -> Softmax.rows(small, out));
        assertArrayEquals(new float[70 * 70], out.toFloats());
        assertAnswers(expected);
        assertTrue(Thread.interrupted());
        MatMul.multiply(small, small, out);
        assertArrayEquals(expected[0], out.toFloats());
    }

    @Test
    void aWorkspaceIsRefused() {
        Tensor out = Tensor.allocate(arena, ElementType.FLOAT32, 70, 70);
        Execution owned = Execution.here().withWorkspace(Workspace.allocate(arena, 64, 1));
        Consumer<Execution> multiply = execution -> MatMul.multiply(small, small, null, out, execution);
        Consumer<Execution> softmax = execution -> Softmax.rows(small, out, execution);
        assertEquals("execution: has a workspace, wanted none for a multiply",
                assertThrows(IllegalArgumentException.class, () -> multiply.accept(owned)).getMessage());
        assertEquals("execution: has a workspace, wanted none for a softmax",
                assertThrows(IllegalArgumentException.class, () -> softmax.accept(owned)).getMessage());
        assertEquals("execution", assertThrows(NullPointerException.class, () -> multiply.accept(null)).getMessage());
        assertEquals("execution", assertThrows(NullPointerException.class, () -> softmax.accept(null)).getMessage());
    }
}
