package dev.lanewise.internal.kernel;

import dev.lanewise.internal.memory.Scratch;
import dev.lanewise.internal.memory.ScratchPool;
import dev.lanewise.internal.plan.QueryPanels;
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
     * Runs one unit of the problem with no more than so many keys, on the problem's vector kernel; changes the problem. In the interpreter a
     * whole unit takes 100 ms, and with four keys 30 ms, most of it transposition: so a narrow one has no more queries than fit one vector.
     */
    public void rehearse(Scratch<AttentionScratch> memory, long turn, int keys, boolean narrow) {
        UnitKernel kernel = vectorKernel(problem);
        long unit = turn;
        if (VectorKernel.of(problem) == VectorKernel.PANELS) {
            problem.queries = narrow ? Math.min(problem.queries, Lanes.COUNT) : problem.queries;
            unit = selectPanel(turn, keys);
        }
        kernel.rehearse(problem, parts, memory, unit, keys);
    }

    /** Limits the problem to so many of the keys that a panel sees, and tells that panel's unit; those of the first batch row and head take turns. */
    private long selectPanel(long turn, int keys) {
        RowBounds bounds = problem.bounds;
        bounds.resolve(problem, 0);
        QueryPanels cut = new QueryPanels();
        cut.cut(bounds.queries, problem.sameKeysForAll());
        if (cut.count() == 0) {
            return 0;
        }
        int unit = (int) (turn % cut.count());
        int first = bounds.first(cut.first(cut.count() - 1 - unit));
        problem.rangeStart = Math.max(problem.rangeStart, first);
        problem.rangeEnd = Math.min(problem.rangeEnd, first + (long) keys);
        return unit;
    }
}
