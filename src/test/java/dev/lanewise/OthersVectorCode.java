package dev.lanewise;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.util.List;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Vector code as others have it in the same JVM: on heap segments of two kinds, in every width, with the operations that the kernels use,
 * too. It loads all classes of vectors and makes methods of the JDK that the kernels share megamorphic.
 */
final class OthersVectorCode {
    private static final int FLOATS = 1024;
    private static final List<VectorSpecies<Float>> SPECIES = List.of(FloatVector.SPECIES_64, FloatVector.SPECIES_128,
            FloatVector.SPECIES_256, FloatVector.SPECIES_512);

    private OthersVectorCode() {
    }

    /** Runs for so long. */
    static void run(long nanos) {
        List<MemorySegment> segments = List.of(MemorySegment.ofArray(new float[FLOATS]),
                MemorySegment.ofArray(new byte[FLOATS * Float.BYTES]));
        long start = System.nanoTime();
        float sum = 0;
        while (System.nanoTime() - start < nanos) {
            for (MemorySegment segment : segments) {
                for (VectorSpecies<Float> species : SPECIES) {
                    sum += scale(species, segment) + select(species, segment);
                }
            }
        }
        if (sum != 0) {
            throw new AssertionError("zeros were scaled");
        }
    }

    private static float scale(VectorSpecies<Float> species, MemorySegment segment) {
        FloatVector sum = FloatVector.zero(species);
        for (long at = 0; at < segment.byteSize(); at += species.vectorByteSize()) {
            FloatVector scaled = FloatVector.fromMemorySegment(species, segment, at, ByteOrder.nativeOrder())
                    .fma(FloatVector.broadcast(species, 0.5f), FloatVector.zero(species));
            scaled.intoMemorySegment(segment, at, ByteOrder.nativeOrder());
            sum = sum.add(scaled);
        }
        return sum.lane(0);
    }

    private static float select(VectorSpecies<Float> species, MemorySegment segment) {
        FloatVector largest = FloatVector.zero(species);
        for (long at = 0; at < segment.byteSize(); at += species.vectorByteSize()) {
            FloatVector x = FloatVector.fromMemorySegment(species, segment, at, ByteOrder.nativeOrder());
            largest = largest.blend(x, x.compare(VectorOperators.GT, largest)).mul(x);
            largest.reinterpretAsInts()
                    .lanewise(VectorOperators.LSHL, 1)
                    .intoMemorySegment(segment, at, ByteOrder.nativeOrder());
        }
        return largest.reduceLanes(VectorOperators.MAX);
    }
}
