package dev.lanewise;

import java.lang.foreign.Arena;
import java.util.random.RandomGenerator;

/** Rotary embedding and views. */
final class FuzzOperations {
    private static final double U = 0x1p-24;

    private FuzzOperations() {
    }

    /** Two products and a sum of float32, sine and cosine rounded: within 4·u·(|x| + |y|). */
    static void rotary(RandomGenerator random) {
        FuzzDraw draw = new FuzzDraw(random, false);
        int rotated = 2 * draw.between(1, 4);
        int depth = rotated + draw.between(0, 3);
        int rows = draw.length();
        RotaryEmbedding.Pairing pairing = draw.any(RotaryEmbedding.Pairing.class);
        RotaryEmbedding embedding = RotaryEmbedding.of(rotated, pairing, 10000, 20);
        int offset = draw.between(0, 20 - rows);
        try (Arena arena = Arena.ofConfined()) {
            Tensor in = draw.layout().normal(arena, random, 1, 1, 2, rows, depth);
            Tensor kept = Tensor.ofFloats(arena, in.toFloats(), in.shape());
            Tensor out = random.nextBoolean() ? in : draw.layout().allocate(arena, 1, 2, rows, depth);
            embedding.apply(in, offset, out);
            for (int h = 0; h < 2; h++) {
                for (int row = 0; row < rows; row++) {
                    for (int i = 0; i < rotated / 2; i++) {
                        boolean interleaved = pairing == RotaryEmbedding.Pairing.INTERLEAVED;
                        int first = interleaved ? 2 * i : i;
                        int second = interleaved ? 2 * i + 1 : i + rotated / 2;
                        double x = kept.getFloat(0, h, row, first);
                        double y = kept.getFloat(0, h, row, second);
                        double angle = (offset + row) * Math.pow(10000, -2.0 * i / rotated);
                        double bound = 4 * U * (Math.abs(x) + Math.abs(y));
                        double turned = x * Math.cos(angle) - y * Math.sin(angle);
                        double other = x * Math.sin(angle) + y * Math.cos(angle);
                        require(out.getFloat(0, h, row, first), turned, bound + ErrorBound.storage(out.type(), turned),
                                "rotated");
                        require(out.getFloat(0, h, row, second), other, bound + ErrorBound.storage(out.type(), other),
                                "rotated");
                    }
                }
            }
        }
    }

    /** Views in any order, and indices beyond their ends: an element or a documented exception, never a byte outside. */
    static void views(RandomGenerator random) {
        FuzzDraw draw = new FuzzDraw(random, false);
        try (Arena arena = Arena.ofConfined()) {
            Tensor view = Tensor.allocate(arena, draw.any(ElementType.class), draw.between(0, 4), draw.between(1, 4),
                    draw.between(1, 6));
            for (int step = draw.between(1, 6); step > 0; step--) {
                view = changed(view, random, draw);
            }
            long[] index = new long[view.rank()];
            for (int axis = 0; axis < index.length; axis++) {
                index[axis] = draw.between(-1, (int) view.size(axis));
            }
            view.setFloat(1, index);
            require(view.getFloat(index), 1, 0, "element");
            view.toFloats();
        } catch (IllegalArgumentException | IndexOutOfBoundsException refused) {
            if (refused.getMessage() == null) {
                throw new AssertionError("an exception without a message", refused);
            }
        }
    }

    private static Tensor changed(Tensor view, RandomGenerator random, FuzzDraw draw) {
        int axis = draw.between(-1, view.rank());
        return switch (random.nextInt(6)) {
            case 0 -> view.transpose(axis, draw.between(-1, view.rank()));
            case 1 -> view.slice(axis, draw.between(-1, 3), draw.between(0, 5));
            case 2 -> view.select(axis, draw.between(-1, 4));
            case 3 -> view.split(axis, draw.between(0, 4));
            case 4 -> view.unsqueeze(axis);
            default -> view.broadcast(axis, random.nextInt(9) == 0 ? random.nextLong() : draw.between(-1, 4));
        };
    }

    static void require(float actual, double wanted, double bound, String name) {
        if (!(Math.abs(actual - wanted) <= bound)) {
            throw new AssertionError(name + " is " + actual + ", wanted " + wanted + " within " + bound);
        }
    }
}
