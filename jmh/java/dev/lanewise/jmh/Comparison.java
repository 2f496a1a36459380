package dev.lanewise.jmh;

import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * A topic: one contender timed on one call, its answer checked before the first timed run, cold, and after the last, compiled.
 * Subclasses have the parameters {@code call} and {@code contender}: JMH orders forks by the parameters' names, so all contenders
 * of a call are measured one right after the other.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public abstract class Comparison {
    private Contender loaded;

    /** The call that the parameters name. */
    abstract Call call();

    /** The contender that the parameters name, with the operands of the call. */
    abstract Contender load() throws Exception;

    /** Loads, runs once and checks. */
    @Setup(Level.Trial)
    public void setUp() throws Exception {
        loaded = load();
        loaded.run();
        call().check(loaded.result());
    }

    /** One call. */
    @Benchmark
    public void run() {
        loaded.run();
    }

    /** Checks the answer of the last timed run. */
    @TearDown(Level.Trial)
    public void tearDown() {
        call().check(loaded.result());
        loaded.close();
    }
}
