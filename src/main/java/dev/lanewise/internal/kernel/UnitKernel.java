package dev.lanewise.internal.kernel;

import dev.lanewise.internal.memory.Scratch;

/**
 * A kernel whose work on a problem falls into units, which several threads may run in any order, each with a kernel of its own. Which thread
 * runs a unit does not show in the result.
 */
interface UnitKernel {
    /** Once a call, on the calling thread: tells how many units there are. Some may be empty. */
    long units(AttentionProblem problem, ChunkParts parts, int threads);

    /** How much scratch each thread needs. */
    long scratchBytes(AttentionProblem problem);

    /** Gets ready for units of a problem, which is only read. */
    void begin(AttentionProblem problem, ChunkParts parts, Scratch<?> memory);

    /** Runs one unit. */
    void run(long unit);

    /** One unit, modulo their number, from beginning to end, with no more than so many of the keys that it sees; changes the problem. */
    void rehearse(AttentionProblem problem, ChunkParts parts, Scratch<?> memory, long unit, int keys);

    /** Once a call, on the calling thread, when all units are done. */
    void finish();

    /** Drops the references to the caller's memory. */
    void end();
}
