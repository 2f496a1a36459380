package dev.lanewise;

import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.List;
import java.util.random.RandomGenerator;

/** Caches: any order of changes beside plain lists, attention over what is stored, and wrong arguments. */
final class FuzzCache {
    private static final List<ElementType> STORAGE = ChurnedCache.TYPES;
    private static final int[] PAGE_TOKENS = {0, 1, 7, 16};

    private FuzzCache() {
    }

    /** Up to 12 changes of up to 5 sequences; contents, lengths, positions and free pages are checked after each. */
    static void changes(RandomGenerator random) {
        FuzzDraw draw = new FuzzDraw(random, false);
        CacheCase shape = shape(draw);
        try (Arena arena = Arena.ofConfined()) {
            CacheModel model = new CacheModel(shape, arena);
            for (int changes = draw.between(1, 12); changes > 0; changes--) {
                int which = draw.between(0, 9);
                switch (draw.between(0, 8)) {
                    case 0 -> model.newSequence();
                    case 1 -> model.truncate(which, draw.between(0, 9));
                    case 2 -> model.fork(which);
                    case 3 -> model.evict(which, draw.rarely() ? draw.between(0, 12) : 2, draw.between(0, 12));
                    case 4 -> model.close(which);
                    default -> model.append(which, draw.rarely() ? draw.between(0, 14) : 1, random.nextLong(),
                            draw.layout());
                }
                model.check();
            }
            model.end();
        } catch (RuntimeException | AssertionError failure) {
            throw new AssertionError(shape.toString(), failure);
        }
    }

    private static CacheCase shape(FuzzDraw draw) {
        return new CacheCase(draw.between(1, 3), draw.between(2, 9), draw.between(1, 9), draw.between(1, 3),
                storage(draw), draw.between(1, 6), draw.between(1, 12), draw.rarely());
    }

    private static ElementType storage(FuzzDraw draw) {
        return STORAGE.get(draw.between(0, STORAGE.size() - 1));
    }

    static void attention(RandomGenerator random, boolean large) {
        FuzzDraw draw = new FuzzDraw(random, large);
        AttentionCase any = draw.attention();
        AttentionCase.Hiding h = any.hiding();
        AttentionCase drawn = new AttentionCase(any.sizes(), any.scores(),
                new AttentionCase.Hiding(AttentionCase.Mask.NONE, 0, h.offset(), h.offsetValue(), h.causal(), h.left(),
                        h.right(), h.keyLengths(), h.keyStarts(), false),
                any.layouts(), any.seed());
        ElementType type = storage(draw);
        int pageTokens = PAGE_TOKENS[draw.between(0, PAGE_TOKENS.length - 1)];
        try {
            CacheAgainstReference.check(drawn, type, pageTokens,
                    draw.rarely() ? Kernel.SCALAR : RuntimeInfo.current().kernel());
        } catch (RuntimeException | AssertionError failure) {
            throw new AssertionError(drawn + ", " + type + ", pages of " + pageTokens, failure);
        }
    }

    /** What a cache can be given wrongly. */
    private enum Fault {
        HEADS, DEPTH, VALUE_DEPTH, COUNTS, RANK, TYPE, LAYER, NULL, CLOSED_SEQUENCE, CLOSED_TENSOR, TRUNCATE, EVICT, EVICT_ELSEWHERE, EXHAUSTED, POSITIONS, QUERY_HEADS, QUERY_DEPTH, BATCH, MASK, WEIGHTS, TWO_CACHES, ATTEND_LAYER
    }

    private static final List<Class<? extends RuntimeException>> DOCUMENTED = List.of(IllegalArgumentException.class,
            IndexOutOfBoundsException.class, IllegalStateException.class, KvCache.ExhaustedException.class,
            NullPointerException.class);

    /** A documented exception that has a message; length, positions, free pages and context are as before. */
    static void invalid(RandomGenerator random) {
        FuzzDraw draw = new FuzzDraw(random, false);
        Fault fault = draw.any(Fault.class);
        int depth = draw.between(2, 9);
        int tokens = draw.between(3, 9);
        try (Arena arena = Arena.ofConfined()) {
            RotaryEmbedding embedding = RotaryEmbedding.of(2, RotaryEmbedding.Pairing.HALF_SPLIT, 100, tokens + 1);
            KvCache cache = KvCache.builder(2, depth)
                    .storage(storage(draw))
                    .pageTokens(draw.between(1, 3))
                    .capacity(18)
                    .rotary(fault == Fault.POSITIONS ? embedding : null)
                    .allocate(arena);
            KvCache.Sequence sequence = cache.newSequence();
            sequence.append(0, rows(draw, arena, 2, tokens, depth), rows(draw, arena, 2, tokens, depth));
            if (fault == Fault.EVICT_ELSEWHERE) {
                sequence.evict(0, 1);
            }
            Tensor context = Tensor.allocate(arena, ElementType.FLOAT32, 1, 4, 2, depth);
            float[] before = context.toFloats();
            int length = sequence.length();
            int free = cache.freePages();
            try {
                call(fault, draw, arena, cache, sequence, context);
            } catch (RuntimeException thrown) {
                if (!DOCUMENTED.contains(thrown.getClass()) || thrown.getMessage() == null) {
                    throw new AssertionError(fault + " ended in an exception that is not documented", thrown);
                }
                if (sequence.length() != length || cache.freePages() != free
                        || !Arrays.equals(before, context.toFloats())) {
                    throw new AssertionError(fault + " was refused after something had been changed", thrown);
                }
                return;
            }
            throw new AssertionError(fault + " was accepted");
        }
    }

    private static Tensor rows(FuzzDraw draw, Arena arena, int heads, int tokens, int depth) {
        return draw.layout().allocate(arena, 1, heads, tokens, depth).select(0, 0);
    }

    private static void call(Fault fault, FuzzDraw draw, Arena arena, KvCache cache, KvCache.Sequence sequence,
            Tensor context) {
        int depth = cache.headDimension();
        int length = sequence.length();
        Tensor k = rows(draw, arena, 2, 2, depth);
        Tensor v = rows(draw, arena, 2, 2, depth);
        Tensor q = draw.layout().allocate(arena, 1, 4, 2, depth);
        AttentionOutputs outputs = AttentionOutputs.of(context);
        switch (fault) {
            case HEADS -> sequence.append(0, k.slice(0, 0, 1), v);
            case DEPTH -> sequence.append(0, k.slice(2, 1, depth), v);
            case VALUE_DEPTH -> sequence.append(0, k, v.slice(2, 1, depth));
            case COUNTS -> sequence.append(0, k, v.slice(1, 0, 1));
            case RANK -> sequence.append(0, k.select(0, 0), v);
            case TYPE -> sequence.append(0, Tensor.allocate(arena, ElementType.INT8, k.shape()), v);
            case LAYER -> sequence.append(draw.rarely() ? -1 : 1, k, v);
            case NULL -> sequence.append(0, k, null);
            case CLOSED_SEQUENCE -> {
                KvCache.Sequence closed = sequence.fork();
                closed.close();
                closed.append(0, k, v);
            }
            case CLOSED_TENSOR -> {
                Tensor gone;
                try (Arena closed = Arena.ofConfined()) {
                    gone = Tensor.allocate(closed, ElementType.FLOAT32, k.shape());
                }
                sequence.append(0, k, gone);
            }
            case TRUNCATE -> sequence.truncate(draw.rarely() ? -1 : length + draw.between(1, 9));
            case EVICT -> sequence.evict(draw.between(0, length), length + 1);
            case EVICT_ELSEWHERE -> sequence.evict(1, 1);
            case EXHAUSTED -> sequence.append(0, rows(draw, arena, 2, 19 - length, depth),
                    rows(draw, arena, 2, 19 - length, depth));
            case POSITIONS -> sequence.append(0, k, v);
            case QUERY_HEADS -> attend(AttentionInputs.ofCache(q.slice(1, 0, 3), 0, sequence), outputs);
            case QUERY_DEPTH -> attend(AttentionInputs.ofCache(q.slice(3, 1, depth), 0, sequence), outputs);
            case BATCH -> attend(AttentionInputs.ofCache(q, 0, sequence, sequence), outputs);
            case MASK -> attend(AttentionInputs.ofCache(q, 0, sequence)
                    .withMask(Tensor.allocate(arena, ElementType.BOOL, 2, length)), outputs);
            case WEIGHTS -> attend(AttentionInputs.ofCache(q, 0, sequence),
                    outputs.withWeights(Tensor.allocate(arena, ElementType.FLOAT32, 1, 4, 2, length)));
            case TWO_CACHES -> {
                KvCache other = KvCache.builder(2, depth).capacity(3).allocate(arena);
                attend(AttentionInputs.ofCache(q.broadcast(0, 2), 0, sequence, other.newSequence()), outputs);
            }
            case ATTEND_LAYER -> attend(AttentionInputs.ofCache(q, draw.rarely() ? -1 : 1, sequence), outputs);
        }
    }

    private static void attend(AttentionInputs inputs, AttentionOutputs outputs) {
        Attention.builder().kernel(RuntimeInfo.current().kernel()).build().run(inputs, outputs);
    }
}
