package dev.lanewise.onnx;

import dev.lanewise.Kernel;
import dev.lanewise.RuntimeInfo;
import java.util.stream.Stream;

/** The kernels that can run here. */
final class TestKernels {
    private TestKernels() {
    }

    static Stream<Kernel> all() {
        return Stream.of(Kernel.values())
                .filter(kernel -> kernel != Kernel.VECTOR || RuntimeInfo.current().kernel() == Kernel.VECTOR);
    }
}
