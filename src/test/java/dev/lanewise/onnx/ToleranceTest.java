package dev.lanewise.onnx;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ToleranceTest {
    @ParameterizedTest
    @CsvSource({"2, 2.2, true", "2, 2.3, false", "-2, -1.8, true", "-2, 2, false", "0, 0.04, true", "0, 0.06, false",
        "1, NaN, false", "1, Infinity, false", "NaN, NaN, true", "NaN, 1, false", "Infinity, Infinity, true",
        "-Infinity, -Infinity, true", "-Infinity, Infinity, false", "-Infinity, -1e30, false"})
    void comparesAsNumPyDoes(double expected, double actual, boolean accepted) {
        assertEquals(accepted, new Tolerance(0.1, 0.05).accepts(expected, actual));
    }
}
