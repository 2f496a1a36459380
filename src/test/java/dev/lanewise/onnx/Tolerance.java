package dev.lanewise.onnx;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lanewise.Tensor;

/**
 * NumPy's assert_allclose, which ONNX compares by: |actual − expected| ≤ atol + rtol·|expected|; infinities and NaN
 * equal themselves.
 */
record Tolerance(double rtol, double atol) {
    boolean accepts(double expected, double actual) {
        return Double.isFinite(expected)
                ? Math.abs(actual - expected) <= atol + rtol * Math.abs(expected)
                : Double.compare(actual, expected) == 0;
    }

    void check(String name, Tensor expected, Tensor actual) {
        assertEquals(expected.type(), actual.type(), name);
        assertArrayEquals(expected.shape(), actual.shape(), name);
        float[] wanted = expected.toFloats();
        float[] got = actual.toFloats();
        for (int i = 0; i < wanted.length; i++) {
            int at = i;
            assertTrue(accepts(wanted[i], got[i]),
                    () -> name + "[" + at + "]: " + got[at] + ", wanted " + wanted[at] + " within " + this);
        }
    }
}
