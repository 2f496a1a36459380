package dev.lanewise;

import dev.lanewise.AttentionCase.Hiding;
import dev.lanewise.AttentionCase.Layouts;
import dev.lanewise.AttentionCase.Mask;
import dev.lanewise.AttentionCase.Offset;
import dev.lanewise.AttentionCase.Scores;
import dev.lanewise.AttentionCase.Sizes;
import java.util.random.RandomGenerator;

/** Draws calls as {@link AttentionCases} does, a hundred times as fast: all of a call from one seed, nothing to shrink. */
final class FuzzDraw {
    private static final double[] SCALES = {0, 0, 1, 0.1, -0.5};
    private static final double[] DEVIATIONS = {1, 1, 0.01, 5};
    private static final ElementType[] TYPES = {ElementType.FLOAT32, ElementType.FLOAT32, ElementType.BFLOAT16,
        ElementType.FLOAT16};
    /** Past the widest panel and block, for runs with few cases. */
    private static final int LARGE = 150;

    private final RandomGenerator random;
    private final int longest;

    /** Lengths are from 0 to 9; a large draw takes one call in four from 0 to 150. */
    FuzzDraw(RandomGenerator random, boolean large) {
        this.random = random;
        this.longest = large && random.nextInt(4) == 0 ? LARGE : 9;
    }

    AttentionCase attention() {
        Sizes sizes = new Sizes(between(1, 2), between(1, 2), between(1, 3), between(0, longest), between(0, longest),
                between(1, longest == LARGE ? 70 : 9), between(1, longest == LARGE ? 70 : 9));
        Scores scores = new Scores(SCALES[random.nextInt(SCALES.length)],
                DEVIATIONS[random.nextInt(DEVIATIONS.length)], rarely() ? 2 : rarely() ? 30 : 0, rarely(), rarely(),
                rarely());
        Offset offset = any(Offset.class);
        Hiding hiding = new Hiding(any(Mask.class), random.nextInt(16), offset, between(-8, 20),
                random.nextBoolean() && offset != Offset.NONE, reach(), reach(), rarely(), rarely(), rarely());
        Layouts layouts = random.nextBoolean()
                ? Layouts.PLAIN
                : new Layouts(layout(), layout(), layout(), layout(), type());
        return new AttentionCase(sizes, scores, hiding, layouts, random.nextLong());
    }

    Layout layout() {
        return new Layout(any(Layout.Order.class), any(Layout.Place.class), type());
    }

    ElementType type() {
        return TYPES[random.nextInt(TYPES.length)];
    }

    <E extends Enum<E>> E any(Class<E> type) {
        E[] values = type.getEnumConstants();
        return values[random.nextInt(values.length)];
    }

    int length() {
        return between(0, longest);
    }

    int between(int from, int to) {
        return random.nextInt(from, to + 1);
    }

    boolean rarely() {
        return random.nextInt(4) == 0;
    }

    private int reach() {
        return random.nextBoolean() ? -1 : between(0, longest);
    }
}
