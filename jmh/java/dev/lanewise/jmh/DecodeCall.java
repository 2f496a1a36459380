package dev.lanewise.jmh;

import dev.lanewise.ElementType;
import dev.lanewise.Execution;
import java.util.Locale;

/**
 * A decoding step as one contender sees it, which reads or writes so many tokens of a cache. Work is the bytes of their keys and values in float32, so that
 * rates compare as tokens a second do.
 */
record DecodeCall(AttentionCall attention, String contender, int tokens) implements Call {
    private static final double BOUND = 1e-5;
    /** Of normal values and some hundred keys or more: src/site/markdown/cache.md has 7e-4 and 3e-3 at most, of 1,024 keys. */
    private static final double NARROW_BOUND = 2e-3;
    private static final double INT8_BOUND = 1e-2;

    /** A step that reads all of them. */
    DecodeCall(AttentionCall attention, String contender) {
        this(attention, contender, attention.keys());
    }

    @Override
    public double work() {
        return 2.0 * attention.heads() * tokens * attention.depth() * Float.BYTES;
    }

    @Override
    public Contender contender(String name) throws Exception {
        return name.startsWith("lanewise-") ? LanewiseDecode.of(this, Execution.here()) : attention.contender(name);
    }

    ElementType storage() {
        return switch (contender) {
            case "lanewise-bfloat16" -> ElementType.BFLOAT16;
            case "lanewise-float16" -> ElementType.FLOAT16;
            case "lanewise-int8" -> ElementType.INT8;
            default -> ElementType.FLOAT32;
        };
    }

    /** Key/value heads: the first ones of as many as there are query heads, and no more than those. */
    int kvHeads() {
        return contender.endsWith("kv")
                ? Math.min(attention.heads(), Integer.parseInt(contender.replaceAll("\\D", "")))
                : attention.heads();
    }

    boolean paged() {
        return contender.toLowerCase(Locale.ROOT).contains("paged");
    }

    int threads() {
        return contender.equals("lanewise-2threads") ? 2 : 1;
    }

    @Override
    public void check(float[] answer) {
        int depth = attention.depth();
        Operands.requireCount(answer, attention.heads() * attention.queries() * depth);
        float[] q = attention.q();
        float[] k = attention.k();
        float[] v = attention.v();
        double bound = switch (storage()) {
            case INT8 -> INT8_BOUND;
            case BFLOAT16, FLOAT16 -> NARROW_BOUND;
            default -> BOUND;
        };
        int rows = attention.heads() * attention.queries();
        int step = Operands.rowStep(attention.work() / 2);
        double[] wanted = new double[depth];
        for (int row = Operands.firstRow(rows, step); row < rows; row += step) {
            int kvHead = row / attention.queries() / (attention.heads() / kvHeads());
            attention.attend(q, k, v, row, kvHead, wanted);
            for (int d = 0; d < depth; d++) {
                Operands.requireClose(row * depth + d, answer[row * depth + d], wanted[d], bound);
            }
        }
    }
}
