package dev.lanewise.internal.cpu;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * What this machine and this JVM can do, read once. A plain value, so that tests can make up machines.
 *
 * @param architecture {@code os.arch}
 * @param vm name and version of the JVM
 * @param topTier whether C2, the compiler that knows the Vector API, compiles here
 * @param compiler the compiler, in words, for the reason of a choice
 * @param vectorModule whether {@code jdk.incubator.vector} is resolved
 * @param preferredBits the widest vector that C2 compiles to registers, in bits; 0 without the module
 * @param fma whether a fused multiply-add is one instruction
 * @param vectorRegisters how many vector registers an instruction can name
 * @param l1Bytes the size of one core's first-level data cache
 * @param l2Bytes the size of one core's second-level cache
 */
public record CpuFacts(String architecture, String vm, boolean topTier, String compiler, boolean vectorModule,
        int preferredBits, boolean fma, int vectorRegisters, int l1Bytes, int l2Bytes) {

    private static final String VECTOR_MODULE = "jdk.incubator.vector";

    /** Tells the preferred vector width; called only when the vector module is there. */
    public interface WidthProbe {
        /** The width in bits. */
        int bits();
    }

    /** Reads the facts of the running JVM. */
    public static CpuFacts read(WidthProbe probe) {
        String architecture = System.getProperty("os.arch", "unknown");
        boolean module = vectorModulePresent();
        String compiler = Jit.name(System::getProperty, HotSpotFlags::get);
        return new CpuFacts(architecture,
                System.getProperty("java.vm.name") + " " + System.getProperty("java.vm.version"),
                compiler.equals(Jit.C2), compiler, module, module ? probe.bits() : 0, fma(architecture),
                vectorRegisters(architecture), cacheBytes("index0", 32 << 10), cacheBytes("index2", 1 << 20));
    }

    private static boolean vectorModulePresent() {
        ModuleLayer layer = CpuFacts.class.getModule().getLayer();
        return (layer == null ? ModuleLayer.boot() : layer).findModule(VECTOR_MODULE).isPresent();
    }

    private static boolean fma(String architecture) {
        return switch (architecture) {
            case "amd64", "x86_64", "aarch64", "riscv64" -> Boolean.parseBoolean(HotSpotFlags.get("UseFMA", "false"));
            default -> false;
        };
    }

    /** AVX-512 names 32 registers at every width, its predecessors 16; NEON, SVE and RVV name 32. */
    private static int vectorRegisters(String architecture) {
        return switch (architecture) {
            case "amd64", "x86_64" -> Integer.parseInt(HotSpotFlags.get("UseAVX", "0")) >= 3 ? 32 : 16;
            default -> 32;
        };
    }

    /** Linux tells the sizes of the caches as, for instance, {@code 32K}; elsewhere common values stand in. */
    private static int cacheBytes(String index, int otherwise) {
        try {
            String size = Files.readString(Path.of("/sys/devices/system/cpu/cpu0/cache", index, "size")).strip();
            int digits = Integer.parseInt(size.substring(0, size.length() - 1));
            return size.endsWith("K") ? digits << 10 : size.endsWith("M") ? digits << 20 : otherwise;
        } catch (IOException | RuntimeException unknown) {
            return otherwise;
        }
    }
}
