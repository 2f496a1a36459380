package dev.lanewise.onnx;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.abort;
import static org.junit.jupiter.api.DynamicContainer.dynamicContainer;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicNode;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestFactory;

/** The Attention cases of ONNX's own node tests (ONNX project, Apache-2.0), which are not part of this repository. */
@Tag("width")
class OnnxConformanceTest {
    private static final int CASES = 60;
    private static final String SKIPPED = "ONNX conformance was NOT tested: the system property lanewise.shared is not "
            + "set; with -Dlanewise.shared=DIR the cases in DIR/data/onnx-attention are";

    @TestFactory
    Stream<DynamicNode> allCasesOfTheSuite() throws IOException {
        String shared = System.getProperty("lanewise.shared");
        if (shared == null) {
            // Skipped from within a test: Surefire does not report a factory that skips.
            return Stream.of(dynamicTest("ONNX conformance", () -> abort(SKIPPED)));
        }
        Path suite = Path.of(shared, "data", "onnx-attention");
        List<ConformanceCase> cases = ConformanceCase.readAll(suite);
        assertEquals(CASES, cases.stream().map(ConformanceCase::name).distinct().count());
        assertEquals(CASES, cases.size());
        return TestKernels.all()
                .map(kernel -> dynamicContainer(kernel.name(),
                        cases.stream().map(c -> dynamicTest(c.name(), () -> c.check(suite, kernel)))));
    }
}
