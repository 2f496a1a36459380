package dev.lanewise;

import dev.lanewise.AttentionCase.Layouts;
import dev.lanewise.AttentionCase.Sizes;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;

/** A sequence and the numbers of the tokens that it should hold. One thread at a time uses it. */
final class ChurnedSequence {
    private static final int HEADS = ChurnedCache.HEADS;
    private static final int DEPTH = ChurnedCache.DEPTH;
    private static final int GROUP = 2;
    private static final int MOST_APPENDED = 40;
    private static final int KEPT = 2;

    private final ChurnedCache owner;
    private final KvCache.Sequence sequence;
    private final List<Integer> tokens = new ArrayList<>();

    ChurnedSequence(ChurnedCache owner, KvCache.Sequence sequence) {
        this.owner = owner;
        this.sequence = sequence;
    }

    /** False if the pool is exhausted; then the sequence has to be as before. */
    boolean append(RandomGenerator random) {
        return append(random.nextInt(4) == 0 ? random.nextInt(MOST_APPENDED) : 1);
    }

    boolean append(int count) {
        int first = owner.numbers(count);
        try (Arena arena = Arena.ofConfined()) {
            Tensor k = Tensor.allocate(arena, ElementType.FLOAT32, HEADS, count, DEPTH);
            Tensor v = Tensor.allocate(arena, ElementType.FLOAT32, HEADS, count, DEPTH);
            for (int t = 0; t < count; t++) {
                for (int head = 0; head < HEADS; head++) {
                    set(k.select(0, head).select(0, t), ChurnedCache.row(first + t, head, false));
                    set(v.select(0, head).select(0, t), ChurnedCache.row(first + t, head, true));
                }
            }
            sequence.append(0, k, v);
        } catch (KvCache.ExhaustedException full) {
            return false;
        }
        for (int t = 0; t < count; t++) {
            tokens.add(first + t);
        }
        return true;
    }

    private static void set(Tensor to, float[] row) {
        for (int d = 0; d < row.length; d++) {
            to.setFloat(row[d], d);
        }
    }

    void truncate(RandomGenerator random) {
        int left = random.nextInt(tokens.size() + 1);
        sequence.truncate(left);
        tokens.subList(left, tokens.size()).clear();
    }

    /** After the first two tokens, where all evictions of a sequence have to be. */
    void evict(RandomGenerator random) {
        if (tokens.size() > KEPT) {
            int count = random.nextInt(tokens.size() - KEPT);
            sequence.evict(KEPT, count);
            tokens.subList(KEPT, KEPT + count).clear();
        }
    }

    ChurnedSequence fork() {
        ChurnedSequence fork = new ChurnedSequence(owner, sequence.fork());
        fork.tokens.addAll(tokens);
        return fork;
    }

    void close() {
        sequence.close();
    }

    void attend(RandomGenerator random, Execution execution) {
        try (Arena arena = Arena.ofShared()) {
            run(arena, queries(arena, random), execution);
        }
    }

    private static Tensor queries(Arena arena, RandomGenerator random) {
        return Layout.PLAIN.normal(arena, random, 1, 1, HEADS * GROUP, random.nextInt(1, 9), DEPTH);
    }

    private Tensor run(Arena arena, Tensor q, Execution execution) {
        Tensor context = Tensor.allocate(arena, ElementType.FLOAT32, q.shape());
        Attention.builder()
                .kernel(RuntimeInfo.current().kernel())
                .build()
                .run(AttentionInputs.ofCache(q, 0, sequence), AttentionOutputs.of(context), execution);
        return context;
    }

    /** Against float64 over the rows of the tokens that should be there. */
    void check(RandomGenerator random, Execution execution) {
        if (sequence.length() != tokens.size()) {
            throw new AssertionError(sequence.length() + " tokens, wanted " + tokens.size());
        }
        try (Arena arena = Arena.ofShared()) {
            Tensor q = queries(arena, random);
            Tensor actual = run(arena, q, execution);
            AttentionInputs plain = AttentionInputs.of(q, rows(arena, false), rows(arena, true));
            AttentionCase drawn = new AttentionCase(
                    new Sizes(1, HEADS, GROUP, (int) q.size(2), tokens.size(), DEPTH, DEPTH),
                    AttentionCase.PLAIN_SCORES, AttentionCase.NOTHING_HIDDEN, Layouts.PLAIN, 0);
            Tensor expected = Tensor.allocate(arena, ElementType.FLOAT32, q.shape());
            drawn.operator(Kernel.REFERENCE).run(plain, AttentionOutputs.of(expected));
            AgainstReference.compare("context over " + owner.cache.storage(), actual, expected,
                    new ErrorBound(drawn, plain).context, 0);
        }
    }

    private Tensor rows(Arena arena, boolean values) {
        Tensor rows = Tensor.allocate(arena, ElementType.FLOAT32, 1, HEADS, tokens.size(), DEPTH);
        for (int head = 0; head < HEADS; head++) {
            for (int t = 0; t < tokens.size(); t++) {
                set(rows.select(0, 0).select(0, head).select(0, t), owner.stored(tokens.get(t), head, values));
            }
        }
        return rows;
    }
}
