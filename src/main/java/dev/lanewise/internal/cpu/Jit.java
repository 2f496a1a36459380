package dev.lanewise.internal.cpu;

import java.util.function.BinaryOperator;
import java.util.function.UnaryOperator;

/** The compiler that hot code ends in, told from the JVM's properties and, on HotSpot, its options. */
final class Jit {
    /** The one compiler that is known to turn the Vector API into instructions. */
    static final String C2 = "C2";

    private static final int INTERPRETER = 0;
    private static final int TOP_TIER = 4;

    private Jit() {
    }

    /**
     * The name of the compiler, for messages.
     *
     * @param property tells a system property, or null
     * @param option tells the value of one of HotSpot's options, or else the second argument
     */
    static String name(UnaryOperator<String> property, BinaryOperator<String> option) {
        String vm = property.apply("java.vm.name");
        if (vm == null || !vm.contains("HotSpot") && !vm.contains("OpenJDK")) {
            return "a JVM that is not HotSpot (" + vm + ")";
        }
        String mode = property.apply("java.vm.info");
        if (mode != null && mode.contains("interpreted")) {
            return "the interpreter (-Xint)";
        }
        if (Boolean.parseBoolean(option.apply("UseJVMCICompiler", "false"))) {
            return "a JVMCI compiler";
        }
        int level = Integer.parseInt(option.apply("TieredStopAtLevel", "4"));
        if (level == INTERPRETER) {
            return "the interpreter (TieredStopAtLevel)";
        }
        if (level < TOP_TIER) {
            return "C1 (TieredStopAtLevel)";
        }
        if (option.apply("CompilationMode", "default").equals("quick-only")) {
            return "C1 (CompilationMode)";
        }
        return Boolean.parseBoolean(option.apply("EnableVectorSupport", "true")) ? C2 : "C2 with -EnableVectorSupport";
    }
}
