package dev.lanewise.jmh;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.util.concurrent.TimeUnit;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Threads;

/**
 * What the machine can do at most, measured in the same run as everything else: multiply-adds from registers, reads from memory by one
 * core and by two.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class MachineLimits {
    /** 12 accumulators: more than the 4 cycles · 2 units that a multiply-add keeps busy, fewer than 16 registers. */
    private static final int ACCUMULATORS = 12;
    /** Multiply-adds of one accumulator in a run, all lanes; at most 2²⁰ a lane, so that counting by ones is exact in float32. */
    private static final int STEPS = 1 << 22;
    /** Operations of one run of {@link #multiplyAdd}. */
    static final double FLOPS = 2.0 * ACCUMULATORS * STEPS;
    /** Read by one run of {@link #readMemory}; larger than any cache that a core can use alone. */
    static final long BYTES = 512L << 20;
    /** Threads that read at once in {@link #readTogether}. */
    static final int READERS = 2;

    private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
    private static final int BLOCK = 1 << 20;

    /** Not constants, so that the loop is not folded. */
    private float start = 0;
    private float factor = 1;
    private float term = 1;
    private Arena arena;
    private MemorySegment memory;

    /** Fills the memory with ones and checks both sums. */
    @Setup(Level.Trial)
    public void setUp() {
        arena = Arena.ofConfined();
        memory = arena.allocate(BYTES, 64);
        for (long at = 0; at < BYTES; at += BLOCK) {
            FloatVector ones = FloatVector.broadcast(SPECIES, 1);
            for (int i = 0; i < BLOCK; i += SPECIES.vectorByteSize()) {
                ones.intoMemorySegment(memory, at + i, ByteOrder.nativeOrder());
            }
        }
        Operands.requireClose(0, readMemory(), BYTES / Float.BYTES, 0);
        Operands.requireClose(0, multiplyAdd(), (double) ACCUMULATORS * STEPS, 0);
    }

    /** Frees the memory. */
    @TearDown(Level.Trial)
    public void tearDown() {
        arena.close();
    }

    /**
     * Independent chains of sum + factor·term. C2 has the form of the instruction that overwrites the addend only: a sum that was a factor was copied
     * each time and, with 16 registers, kept in the stack, 88 GFLOP/s where these are 103 (Zen 3).
     */
    @Benchmark
    public float multiplyAdd() {
        FloatVector x = FloatVector.broadcast(SPECIES, factor);
        FloatVector y = FloatVector.broadcast(SPECIES, term);
        FloatVector a0 = FloatVector.broadcast(SPECIES, start);
        FloatVector a1 = a0;
        FloatVector a2 = a0;
        FloatVector a3 = a0;
        FloatVector a4 = a0;
        FloatVector a5 = a0;
        FloatVector a6 = a0;
        FloatVector a7 = a0;
        FloatVector a8 = a0;
        FloatVector a9 = a0;
        FloatVector a10 = a0;
        FloatVector a11 = a0;
        for (int i = 0; i < STEPS; i += SPECIES.length()) {
            a0 = x.fma(y, a0);
            a1 = x.fma(y, a1);
            a2 = x.fma(y, a2);
            a3 = x.fma(y, a3);
            a4 = x.fma(y, a4);
            a5 = x.fma(y, a5);
            a6 = x.fma(y, a6);
            a7 = x.fma(y, a7);
            a8 = x.fma(y, a8);
            a9 = x.fma(y, a9);
            a10 = x.fma(y, a10);
            a11 = x.fma(y, a11);
        }
        return a0.add(a1)
                .add(a2.add(a3))
                .add(a4.add(a5).add(a6.add(a7)))
                .add(a8.add(a9).add(a10.add(a11)))
                .reduceLanes(VectorOperators.ADD);
    }

    /** A stream through memory that no cache holds. */
    @Benchmark
    public float readMemory() {
        float sum = 0;
        for (long at = 0; at < BYTES; at += BLOCK) {
            sum += readBlock(at);
        }
        return sum;
    }

    /** Two such streams at once, each through memory of its own. */
    @Benchmark
    @Threads(READERS)
    public float readTogether() {
        return readMemory();
    }

    private float readBlock(long at) {
        int width = SPECIES.vectorByteSize();
        FloatVector a = FloatVector.zero(SPECIES);
        FloatVector b = a;
        FloatVector c = a;
        FloatVector d = a;
        for (int i = 0; i < BLOCK; i += 4 * width) {
            a = a.add(FloatVector.fromMemorySegment(SPECIES, memory, at + i, ByteOrder.nativeOrder()));
            b = b.add(FloatVector.fromMemorySegment(SPECIES, memory, at + i + width, ByteOrder.nativeOrder()));
            c = c.add(FloatVector.fromMemorySegment(SPECIES, memory, at + i + 2 * width, ByteOrder.nativeOrder()));
            d = d.add(FloatVector.fromMemorySegment(SPECIES, memory, at + i + 3 * width, ByteOrder.nativeOrder()));
        }
        return a.add(b).add(c.add(d)).reduceLanes(VectorOperators.ADD);
    }
}
