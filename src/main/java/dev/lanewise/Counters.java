package dev.lanewise;

import dev.lanewise.internal.memory.ScratchPool;
import dev.lanewise.internal.observe.Tally;

/**
 * What the library has done in this JVM so far, for metrics: the first four only grow. Counted are the calls of {@link Attention},
 * {@link MatMul} and {@link Softmax} whose arguments were right, those inside a {@link MultiHeadAttention} among them. Calls that run
 * while the snapshot is taken may be missing.
 *
 * @param calls operator calls
 * @param rows rows of results: B·H·Lq of an attention
 * @param bytes bytes of operands, read or written, each element once
 * @param coldCalls calls that ran on a stand-in while their kernel was not compiled yet
 * @param scratchInUse native bytes of the library's pool that calls at work hold
 * @param scratchFree native bytes of the library's pool that wait for the next call
 */
public record Counters(long calls, long rows, long bytes, long coldCalls, long scratchInUse, long scratchFree) {
    /**
     * Takes a snapshot: some hundred reads, no lock; a call never waits for it.
     *
     * @return the numbers of this moment
     */
    public static Counters snapshot() {
        Tally.Sum sum = new Tally.Sum();
        ScratchPool.sum(sum);
        return new Counters(sum.calls, sum.rows, sum.bytes, sum.coldCalls, ScratchPool.bytes(true),
                ScratchPool.bytes(false));
    }
}
