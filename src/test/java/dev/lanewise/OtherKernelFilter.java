package dev.lanewise;

import java.io.IOException;
import org.junit.platform.engine.FilterResult;
import org.junit.platform.engine.TestDescriptor;
import org.junit.platform.launcher.PostDiscoveryFilter;

/**
 * With {@code -Ddev.lanewise.test.otherKernel=true} tests run only where this JVM has another kernel than one without options. With vectors of 256
 * bits at most, {@code -XX:MaxVectorSize=32} changes nothing, and the same tests have run on the same code already.
 */
public final class OtherKernelFilter implements PostDiscoveryFilter {
    private static final boolean SAME = Boolean.getBoolean("dev.lanewise.test.otherKernel")
            && Program.kernel().equals(kernelWithoutOptions());

    static {
        if (SAME) {
            System.out.println("No test: without options, too, a JVM has " + Program.kernel());
        }
    }

    /** For the launcher of the tests, to which it is a service. */
    public OtherKernelFilter() {
    }

    @Override
    public FilterResult apply(TestDescriptor test) {
        return FilterResult.includedIf(!SAME);
    }

    private static String kernelWithoutOptions() {
        try {
            FreshJvm.Result result = FreshJvm.onClassPath(FreshJvm.VECTOR, Program.class);
            if (result.exit() != 0) {
                throw new AssertionError(result);
            }
            return result.out();
        } catch (IOException | InterruptedException failure) {
            throw new AssertionError(failure);
        }
    }

    /** Tells its JVM's kernel. */
    static final class Program {
        private Program() {
        }

        public static void main(String[] args) {
            System.out.print(kernel());
        }

        /** What decides which code of the kernels runs. */
        static String kernel() {
            RuntimeInfo info = RuntimeInfo.current();
            return info.kernelName() + " on " + info.vectorRegisters() + " registers";
        }
    }
}
