package dev.lanewise;

import java.lang.foreign.Arena;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;

/**
 * One drawn call of the operator: sizes, options, layouts and a seed for the numbers. Small records of plain values, so that jqwik can
 * shrink each by itself and print the case that failed.
 */
record AttentionCase(Sizes sizes, Scores scores, Hiding hiding, Layouts layouts, long seed) {
    record Sizes(int batch, int kvHeads, int group, int queries, int keys, int depth, int valueDepth) {
        int heads() {
            return kvHeads * group;
        }
    }

    /** What changes scores. Scale 0 stands for the default, softcap 0 for none. */
    record Scores(double scale, double deviation, int softcap, boolean alibi, boolean sinks, boolean positionBias) {
    }

    enum Mask {
        NONE, BOOL, ADDITIVE, ADDITIVE_WITH_INFINITIES
    }

    enum Offset {
        NONE, TOP_LEFT, BOTTOM_RIGHT, FIXED, PAST_LENGTHS
    }

    /** Mask axes are broadcast where their bit is set: batch 8, head 4, query 2, key 1. A window of −1 is unbounded. */
    record Hiding(Mask mask, int maskBroadcast, Offset offset, int offsetValue, boolean causal, int left, int right,
            boolean keyLengths, boolean keyStarts, boolean packed) {
    }

    record Layouts(Layout q, Layout k, Layout v, Layout context, ElementType mask) {
        static final Layouts PLAIN = new Layouts(Layout.PLAIN, Layout.PLAIN, Layout.PLAIN, Layout.PLAIN,
                ElementType.FLOAT32);
    }

    static final Scores PLAIN_SCORES = new Scores(0, 1, 0, false, false, false);
    static final Hiding NOTHING_HIDDEN = new Hiding(Mask.NONE, 0, Offset.NONE, 0, false, -1, -1, false, false, false);

    /** The operator, for one kernel. */
    Attention operator(Kernel kernel) {
        Attention.Builder builder = Attention.builder()
                .kernel(kernel)
                .softcap(scores.softcap)
                .window(hiding.left, hiding.right);
        if (scores.scale != 0) {
            builder.scale(scores.scale);
        }
        if (hiding.causal) {
            builder.causal(offset());
        } else if (hiding.offset != Offset.NONE) {
            builder.positionOffset(offset());
        }
        Random random = new Random(seed + 1);
        if (scores.alibi) {
            builder.alibiSlopes(perHead(random, 0.1));
        }
        if (scores.sinks) {
            builder.sinks(perHead(random, 2));
        }
        return builder.build();
    }

    private PositionOffset offset() {
        return switch (hiding.offset) {
            case NONE, TOP_LEFT -> PositionOffset.topLeft();
            case BOTTOM_RIGHT -> PositionOffset.bottomRight();
            case FIXED -> PositionOffset.of(hiding.offsetValue);
            case PAST_LENGTHS -> PositionOffset.pastLengths();
        };
    }

    private float[] perHead(Random random, double deviation) {
        float[] values = new float[sizes.heads()];
        for (int h = 0; h < values.length; h++) {
            values[h] = (float) (deviation * random.nextGaussian());
        }
        return values;
    }

    /** The operands, the same for every call with the same case. {@link Random} takes five times as long for a normal number. */
    AttentionInputs inputs(Arena arena) {
        RandomGenerator random = new SplittableRandom(seed);
        int batch = hiding.packed ? 1 : sizes.batch;
        Tensor q = layouts.q.normal(arena, random, scores.deviation, batch, sizes.heads(), sizes.queries, sizes.depth);
        Tensor k = layouts.k.normal(arena, random, scores.deviation, batch, sizes.kvHeads, sizes.keys, sizes.depth);
        Tensor v = layouts.v.normal(arena, random, 1, batch, sizes.kvHeads, sizes.keys, sizes.valueDepth);
        AttentionInputs inputs = AttentionInputs.of(q, k, v).withMask(mask(arena, random, batch));
        int rows = batch;
        int[] rowKeys = {sizes.keys, sizes.keys};
        if (hiding.packed) {
            int[] queryCuts = cuts(random, sizes.queries);
            int[] keyCuts = cuts(random, sizes.keys);
            inputs = inputs.withPackedSequences(Tensor.ofInts(arena, queryCuts), Tensor.ofInts(arena, keyCuts));
            rows = queryCuts.length - 1;
            rowKeys = new int[]{keyCuts[1], keyCuts[2] - keyCuts[1], keyCuts[3] - keyCuts[2]};
        }
        int[] lengths = new int[rows];
        int[] starts = new int[rows];
        int[] past = new int[rows];
        for (int row = 0; row < rows; row++) {
            lengths[row] = random.nextInt(rowKeys[row] + 1);
            starts[row] = random.nextInt(rowKeys[row] + 1);
            past[row] = hiding.offsetValue + random.nextInt(9);
        }
        if (hiding.keyLengths) {
            inputs = inputs.withKeyLengths(Tensor.ofInts(arena, lengths));
        }
        if (hiding.keyStarts) {
            inputs = inputs.withKeyStarts(Tensor.ofInts(arena, starts));
        }
        if (hiding.offset == Offset.PAST_LENGTHS) {
            inputs = inputs.withPastLengths(Tensor.ofInts(arena, past));
        }
        if (scores.positionBias) {
            int reach = sizes.queries + sizes.keys + 300;
            inputs = inputs.withPositionBias(Layout.PLAIN.normal(arena, random, 1, 1, 1, sizes.heads(), 2 * reach + 1L)
                    .select(0, 0)
                    .select(0, 0));
        }
        return inputs;
    }

    /** Three sequences, empty ones among them. */
    private static int[] cuts(RandomGenerator random, int rows) {
        int a = random.nextInt(rows + 1);
        int b = random.nextInt(rows + 1);
        return new int[]{0, Math.min(a, b), Math.max(a, b), rows};
    }

    private Tensor mask(Arena arena, RandomGenerator random, int batch) {
        if (hiding.mask == Mask.NONE) {
            return null;
        }
        long b = (hiding.maskBroadcast & 8) != 0 ? 1 : batch;
        long h = (hiding.maskBroadcast & 4) != 0 ? 1 : sizes.heads();
        long i = (hiding.maskBroadcast & 2) != 0 ? 1 : sizes.queries;
        long j = (hiding.maskBroadcast & 1) != 0 ? 1 : sizes.keys;
        boolean bool = hiding.mask == Mask.BOOL;
        Tensor mask = new Layout(layouts.q.order(), layouts.k.place(), bool ? ElementType.BOOL : layouts.mask).normal(
                arena, random,
                2, b, h, i, j);
        double hidden = random.nextDouble();
        boolean infinities = hiding.mask == Mask.ADDITIVE_WITH_INFINITIES;
        for (long n = 0; (bool || infinities) && n < b * h * i * j; n++) {
            boolean hides = random.nextDouble() < hidden;
            if (bool || hides) {
                mask.setFloat(bool ? hides ? 0 : 1 : Float.NEGATIVE_INFINITY, n / (h * i * j), n / (i * j) % h,
                        n / j % i, n % j);
            }
        }
        return mask;
    }

    /** The results of one kernel. */
    Results run(Arena arena, Kernel kernel) {
        return run(arena, kernel, inputs(arena), layouts.context);
    }

    /** The results of one kernel for the operands of this case, the context in a layout of its own. */
    Results run(Arena arena, Kernel kernel, AttentionInputs inputs, Layout context) {
        return run(arena, operator(kernel), inputs, context, ScoreStage.values()[(int) Math.floorMod(seed, 3L)]);
    }

    /** The outputs, all of them, in memory of their own. */
    static Results run(Arena arena, Attention operator, AttentionInputs inputs, Layout context, ScoreStage stage) {
        long b = inputs.q.size(0);
        long h = inputs.q.size(1);
        long lq = inputs.q.size(2);
        long lk = inputs.k.size(2);
        Results results = new Results(context.allocate(arena, b, h, lq, inputs.v.size(3)),
                Layout.PLAIN.allocate(arena, b, h, lq, lk),
                Layout.PLAIN.allocate(arena, b, h, lq, lk), Tensor.allocate(arena, ElementType.FLOAT64, b, h, lq, 1));
        operator.run(inputs,
                AttentionOutputs.of(results.context)
                        .withScores(results.scores, stage)
                        .withWeights(results.weights)
                        .withLogSumExp(results.logSumExp));
        return results;
    }

    record Results(Tensor context, Tensor scores, Tensor weights, Tensor logSumExp) {
    }
}
