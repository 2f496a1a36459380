package dev.lanewise.jmh;

/** One implementation of an operation, already loaded with its operands. Made, run, read and closed on one thread. */
interface Contender extends AutoCloseable {
    /** Runs the operation on one thread; the answer is in memory when this returns. */
    void run();

    /** The answer of the last run in the order that the call defines, copied out. */
    float[] result();

    @Override
    default void close() {
    }
}
