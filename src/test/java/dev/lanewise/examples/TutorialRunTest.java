package dev.lanewise.examples;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Random;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TutorialRunTest {
    /** Printed with four decimals. */
    private static final double ROUNDING = 0.5e-4 + 2e-6;

    @ParameterizedTest
    @ValueSource(longs = {0, 7})
    void printsRawWeightsThenWeightsThenOutput(long seed) {
        AttendResult result = AttendResult.of("--tutorial", "--seed=" + seed);
        assertEquals(0, result.exitCode(), result.err());
        assertEquals("", result.err());

        Random random = new Random(seed);
        float[] x1 = gaussian(random, 2 * 3 * 4);
        float[] x2 = gaussian(random, 2 * 5 * 4);
        DoubleLoops expected = new DoubleLoops(new DoubleLoops.Sizes(2, 1, 1, 3, 5, 4, 4), x1, x2, x2, 1,
                (_, _, _, _) -> 0);

        String[] blocks = result.out().split("\\R\\R");
        assertEquals(5, blocks.length);
        check(blocks[0], "x1, shape (2, 3, 4)", doubles(x1));
        check(blocks[1], "x2, shape (2, 5, 4)", doubles(x2));
        check(blocks[2], "raw weights = x1 x2^T, shape (2, 3, 5)", expected.scores);
        check(blocks[3], "weights = softmax(raw weights), each row sums to 1, shape (2, 3, 5)", expected.weights);
        check(blocks[4], "output = weights x2, shape (2, 3, 4)", expected.context);
    }

    @Test
    void seedIsZeroUnlessGiven() {
        String plain = AttendResult.of("--tutorial").out();
        assertEquals(plain, AttendResult.of("--tutorial", "--seed=0").out());
        assertNotEquals(plain, AttendResult.of("--tutorial", "--seed=1").out());
    }

    private static void check(String block, String heading, double[] expected) {
        assertTrue(block.startsWith(heading), block);
        double[] printed = Pattern.compile("-?\\d+\\.\\d{4}")
                .matcher(block)
                .results()
                .map(MatchResult::group)
                .mapToDouble(Double::parseDouble)
                .toArray();
        assertArrayEquals(expected, printed, ROUNDING, Arrays.toString(printed));
    }

    private static float[] gaussian(Random random, int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }

    private static double[] doubles(float[] values) {
        double[] wide = new double[values.length];
        for (int i = 0; i < wide.length; i++) {
            wide[i] = values[i];
        }
        return wide;
    }
}
