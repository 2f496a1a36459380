package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

/**
 * How much slower the kernels get where vector code of others has run in the same JVM, on heap segments and of other widths: it makes methods of
 * the JDK bimorphic that the kernels use, too. JVMs with and without such code take turns, as many of each as
 * {@code -Ddev.lanewise.test.pollution} says; without it the figure is not taken.
 */
class PollutionTest {
    private static final double LIMIT = 1.05;

    /** Prints the median time of a call, in nanoseconds, after others' vector code has run or not. */
    static final class Program {
        private static final long POLLUTION_NANOS = 1_000_000_000L;
        private static final long WARM_UP_NANOS = 3_000_000_000L;
        private static final int CALLS = 400;
        private static final int FLOATS = 1024;

        private Program() {
        }

        public static void main(String[] args) {
            if (args[0].equals("polluted")) {
                pollute();
            }
            try (Arena arena = Arena.ofConfined()) {
                Tensor q = Tensor.allocate(arena, ElementType.FLOAT32, 1, 12, 128, 64);
                Tensor context = Tensor.allocate(arena, ElementType.FLOAT32, 1, 12, 128, 64);
                Attention attention = Attention.builder().bitStable().build();
                AttentionInputs inputs = AttentionInputs.of(q, q, q);
                AttentionOutputs outputs = AttentionOutputs.of(context);
                long start = System.nanoTime();
                while (System.nanoTime() - start < WARM_UP_NANOS) {
                    attention.run(inputs, outputs);
                }
                long[] nanos = new long[CALLS];
                for (int i = 0; i < CALLS; i++) {
                    long before = System.nanoTime();
                    attention.run(inputs, outputs);
                    nanos[i] = System.nanoTime() - before;
                }
                Arrays.sort(nanos);
                System.out.println(nanos[CALLS / 2]);
            }
        }

        private static void pollute() {
            MemorySegment heap = MemorySegment.ofArray(new float[FLOATS]);
            MemorySegment bytes = MemorySegment.ofArray(new byte[FLOATS * Float.BYTES]);
            long start = System.nanoTime();
            float sum = 0;
            while (System.nanoTime() - start < POLLUTION_NANOS) {
                for (MemorySegment segment : List.of(heap, bytes)) {
                    sum += scale(FloatVector.SPECIES_64, segment) + scale(FloatVector.SPECIES_128, segment)
                            + scale(FloatVector.SPECIES_256, segment);
                }
            }
            if (Float.isNaN(sum)) {
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
    }

    @Test
    void vectorCodeOfOthersCostsNextToNothing() throws IOException, InterruptedException {
        Assumptions.assumeTrue(RuntimeInfo.current().kernel() == Kernel.VECTOR, RuntimeInfo.current().reason());
        int pairs = Integer.getInteger("dev.lanewise.test.pollution", 0);
        Assumptions.assumeTrue(pairs > 0, "no -Ddev.lanewise.test.pollution");
        double[] clean = new double[pairs];
        double[] polluted = new double[pairs];
        for (int i = 0; i < pairs; i++) {
            clean[i] = nanos("clean");
            polluted[i] = nanos("polluted");
        }
        Arrays.sort(clean);
        Arrays.sort(polluted);
        String measured = "polluted " + Arrays.toString(polluted) + " ns a call, clean " + Arrays.toString(clean)
                + ", medians' ratio " + polluted[pairs / 2] / clean[pairs / 2];
        System.out.println(measured);
        assertTrue(polluted[pairs / 2] <= LIMIT * clean[pairs / 2], measured);
    }

    private static double nanos(String how) throws IOException, InterruptedException {
        FreshJvm.Result result = FreshJvm.onClassPath(FreshJvm.VECTOR, Program.class, how);
        assertEquals(0, result.exit(), result::err);
        return Double.parseDouble(result.out().strip());
    }
}
