package dev.lanewise.internal.kernel;

import dev.lanewise.internal.memory.Scratch;
import dev.lanewise.internal.memory.ScratchPool;
import dev.lanewise.internal.plan.VectorKernel;

/** What one call keeps besides native memory: the flattened problem, and the small state of each kernel. */
public final class AttentionScratch {
    /** Every operator of this JVM draws from one pool. */
    public static final ScratchPool<AttentionScratch> POOL = new ScratchPool<>(AttentionScratch::new);

    /** The call. */
    public final AttentionProblem problem = new AttentionProblem();
    /** The fallback, with its state. */
    public final ScalarAttention scalar = new ScalarAttention(problem);
    /** What the API keeps from call to call, or null. */
    public Object attachment;
    /** What the chunks of a call leave to be merged. */
    final ChunkParts parts = new ChunkParts();
    private VectorAttention panels;
    private DecodeAttention decode;
    private FewRowsAttention rows;
    private FewKeysAttention fewKeys;

    /** The vector kernel for a problem, with its state; made on demand, for without the vector module it cannot be linked. */
    UnitKernel vectorKernel(AttentionProblem call) {
        switch (VectorKernel.of(call)) {
            case CACHED_ROWS -> {
                decode = decode == null ? new DecodeAttention() : decode;
                return decode;
            }
            case ROWS -> {
                rows = rows == null ? new FewRowsAttention() : rows;
                return rows;
            }
            case FEW_KEYS -> {
                fewKeys = fewKeys == null ? new FewKeysAttention() : fewKeys;
                return fewKeys;
            }
            default -> {
                panels = panels == null ? new VectorAttention() : panels;
                return panels;
            }
        }
    }

    /** How much scratch a thread needs for the problem on the vector kernel. */
    public long vectorBytes() {
        return vectorKernel(problem).scratchBytes(problem);
    }

    /**
     * Runs one unit of the problem with no more than so many keys, on the vector kernel; changes the problem. In the interpreter a
     * whole unit takes 100 ms, and with four keys 30 ms, most of it transposition: so a narrow one has no more queries than fit one vector.
     */
    public void rehearse(Scratch<AttentionScratch> memory, long unit, int keys, boolean narrow) {
        if (narrow && VectorKernel.of(problem) == VectorKernel.PANELS) {
            problem.queries = Math.min(problem.queries, Lanes.COUNT);
        }
        vectorKernel(problem).rehearse(problem, parts, memory, unit, keys);
    }
}
