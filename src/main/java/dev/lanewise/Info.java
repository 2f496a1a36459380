package dev.lanewise;

/** The jar's only program: prints what start-up chose, and why. */
final class Info {
    private Info() {
    }

    public static void main(String[] args) {
        RuntimeInfo info = RuntimeInfo.current();
        System.out.printf("""
                kernel     %s (%s)
                reason     %s
                vectors    %d bits, %d lanes of float32
                registers  %d
                fma        %s
                machine    %s, %s
                """, info.kernelName(), info.kernel(), info.reason(), info.vectorBits(), info.lanes(),
                info.vectorRegisters(),
                info.fma() ? "yes" : "no", info.architecture(), info.vm());
    }
}
