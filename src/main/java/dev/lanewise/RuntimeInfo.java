package dev.lanewise;

import dev.lanewise.internal.plan.KernelChoice;
import dev.lanewise.internal.plan.StartUp;

/**
 * What start-up chose on this machine, and why. The choice is made once, when the library is first used, from the vector width
 * that the JIT compiles, fused multiply-add, the size of the register file and the JIT itself. The system property
 * {@code dev.lanewise.kernel} overrides it with {@code 512}, {@code 256}, {@code 128} or {@code scalar}; a value that cannot be
 * honoured is ignored with a warning.
 *
 * @param kernel the kernel that an operator runs unless it is told otherwise
 * @param kernelName its name: operation, element type, vector width, tile
 * @param vectorBits the vector width in bits, 0 for the scalar kernel
 * @param lanes float32 lanes in a vector, 1 for the scalar kernel
 * @param fma whether the machine has a fused multiply-add
 * @param vectorRegisters how many vector registers the machine has
 * @param reason what decided, in a sentence
 * @param vm the JVM's name and version
 * @param architecture the processor's architecture
 */
public record RuntimeInfo(Kernel kernel, String kernelName, int vectorBits, int lanes, boolean fma, int vectorRegisters,
        String reason, String vm, String architecture) {

    /**
     * What was chosen in this JVM.
     *
     * @return the same value at every call
     */
    public static RuntimeInfo current() {
        return Holder.CURRENT;
    }

    private static final class Holder {
        static final RuntimeInfo CURRENT = of(StartUp.CHOICE);

        private static RuntimeInfo of(KernelChoice choice) {
            return new RuntimeInfo(choice.vector() ? Kernel.VECTOR : Kernel.SCALAR, choice.kernelName(), choice.bits(),
                    choice.lanes(), choice.facts().fma(), choice.facts().vectorRegisters(), choice.reason(),
                    choice.facts().vm(), choice.facts().architecture());
        }
    }
}
