package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import dev.lanewise.MultiHeadCase.Linear;
import java.lang.foreign.Arena;
import java.util.Random;
import java.util.function.UnaryOperator;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tag;

@Tag("width")
class MultiHeadAttentionTest {
    /** How far the projected rows and the weights of {@link MiniLm} may be from ONNX Runtime's. */
    private static final double NEAR = 5e-6;

    @Provide
    Arbitrary<MultiHeadCase> cases() {
        return MultiHeadCase.any();
    }

    @Property(tries = 200, edgeCases = EdgeCasesMode.NONE)
    void isWithinTheBoundOfFloat64(@ForAll("cases") MultiHeadCase c) {
        try (Arena arena = Arena.ofConfined()) {
            Random random = new Random(c.seed());
            MultiHeadCase.Heads heads = c.heads();
            Linear query = c.linear(arena, random, c.widths().x(), heads.count() * heads.depth());
            Linear key = c.linear(arena, random, c.sourceWidth(), heads.kvHeads() * heads.depth());
            Linear value = c.linear(arena, random, c.sourceWidth(), heads.kvHeads() * heads.valueDepth());
            Linear output = c.linear(arena, random, heads.count() * heads.valueDepth(), c.widths().out());
            MultiHeadAttention layer = MultiHeadAttention.builder(heads.count(), heads.kvHeads())
                    .query(query.weight(), query.bias())
                    .key(key.weight(), key.bias())
                    .value(value.weight(), value.bias())
                    .output(output.weight(), output.bias())
                    .build(arena);
            Tensor x = c.draw(arena, random, c.rows().queries(), c.widths().x());
            Tensor source = c.self() ? x : c.draw(arena, random, c.rows().keys(), c.sourceWidth());
            Tensor mask = c.mask(arena, random);
            Tensor out = c.draw(arena, random, c.rows().queries(), c.widths().out());
            run(layer, c, x, source, mask, out);
            for (int b = 0; b < c.batch(); b++) {
                MultiHeadReference.Rows rows = MultiHeadReference.Rows.of(source.select(0, b));
                MultiHeadReference.Rows context = MultiHeadReference.attend(
                        MultiHeadReference.project(MultiHeadReference.Rows.of(x.select(0, b)), query),
                        MultiHeadReference.project(rows, key), MultiHeadReference.project(rows, value), heads,
                        mask.select(0, b).select(0, 0));
                MultiHeadReference.project(context, output).check(out.select(0, b));
            }
        }
    }

    private static void run(MultiHeadAttention layer, MultiHeadCase c, Tensor x, Tensor source, Tensor mask,
            Tensor out) {
        Tensor rows = c.flat() ? x.select(0, 0) : x;
        Tensor sourceRows = c.flat() ? source.select(0, 0) : source;
        Tensor results = c.flat() ? out.select(0, 0) : out;
        if (c.self() && !c.masked()) {
            layer.run(rows, results);
        } else {
            layer.run(rows, sourceRows, in -> c.masked() ? in.withMask(mask) : in, UnaryOperator.identity(), results);
        }
    }

    private static Tensor parameter(Arena arena, String name) {
        return MiniLm.read(arena, "minilm/layer0-" + name + ".npy");
    }

    private static MultiHeadAttention separate(Arena arena) {
        return MultiHeadAttention.builder(MiniLm.HEADS, MiniLm.HEADS)
                .query(parameter(arena, "wq"), parameter(arena, "bq"))
                .key(parameter(arena, "wk"), parameter(arena, "bk"))
                .value(parameter(arena, "wv"), parameter(arena, "bv"))
                .output(parameter(arena, "wo"), parameter(arena, "bo"))
                .build(arena);
    }

    /** The columns of wq, wk and wv side by side, and the biases one after the other. */
    private static MultiHeadAttention fused(Arena arena) {
        Tensor weight = Tensor.allocate(arena, ElementType.FLOAT32, MiniLm.WIDTH, 3 * MiniLm.WIDTH);
        Tensor bias = Tensor.allocate(arena, ElementType.FLOAT32, 3 * MiniLm.WIDTH);
        String[] names = {"q", "k", "v"};
        for (int n = 0; n < names.length; n++) {
            Tensor w = parameter(arena, "w" + names[n]);
            Tensor b = parameter(arena, "b" + names[n]);
            for (int j = 0; j < MiniLm.WIDTH; j++) {
                bias.setFloat(b.getFloat(j), n * MiniLm.WIDTH + j);
                for (int i = 0; i < MiniLm.WIDTH; i++) {
                    weight.setFloat(w.getFloat(i, j), i, n * MiniLm.WIDTH + j);
                }
            }
        }
        return MultiHeadAttention.builder(MiniLm.HEADS, MiniLm.HEADS)
                .queryKeyValue(weight, bias)
                .output(parameter(arena, "wo"), parameter(arena, "bo"))
                .build(arena);
    }

    @Example
    void layerOfAnEncoderIsOnnxRuntimesWithSeparateWeights() {
        try (Arena arena = Arena.ofConfined()) {
            MiniLm.assertWithin(NEAR, parameter(arena, "projected"), encode(arena, separate(arena)));
        }
    }

    @Example
    void layerOfAnEncoderIsOnnxRuntimesWithOneFusedWeight() {
        try (Arena arena = Arena.ofConfined()) {
            MiniLm.assertWithin(NEAR, parameter(arena, "projected"), encode(arena, fused(arena)));
        }
    }

    private static Tensor encode(Arena arena, MultiHeadAttention layer) {
        Tensor x = parameter(arena, "x");
        Tensor out = Tensor.allocate(arena, ElementType.FLOAT32, 2, MiniLm.TOKENS, MiniLm.WIDTH);
        layer.run(x, x, in -> in.withMask(MiniLm.mask(arena)), UnaryOperator.identity(), out);
        return out;
    }

    @Example
    void layerOfAnEncoderIsOnnxRuntimesForOneSentenceOfRankTwo() {
        try (Arena arena = Arena.ofConfined()) {
            MultiHeadAttention layer = separate(arena);
            for (int b = 0; b < 2; b++) {
                Tensor x = parameter(arena, "x").select(0, b);
                Tensor mask = MiniLm.mask(arena).select(0, b);
                Tensor out = Tensor.allocate(arena, ElementType.FLOAT32, MiniLm.TOKENS, MiniLm.WIDTH);
                layer.run(x, x, in -> in.withMask(mask), UnaryOperator.identity(), out);
                MiniLm.assertWithin(NEAR, parameter(arena, "projected").select(0, b), out);
            }
        }
    }

    /** Two query heads over one key/value head, of 3 columns each. */
    @Example
    void fusedWeightIsThatOfQueriesThenKeysThenValues() {
        try (Arena arena = Arena.ofConfined()) {
            Random random = new Random(4);
            Tensor weight = Layout.PLAIN.normal(arena, random, 1, 1, 1, 5, 12).select(0, 0).select(0, 0);
            Tensor bias = Layout.PLAIN.normal(arena, random, 1, 1, 1, 1, 12).select(0, 0).select(0, 0).select(0, 0);
            Tensor last = Layout.PLAIN.normal(arena, random, 1, 1, 1, 6, 4).select(0, 0).select(0, 0);
            Tensor x = Layout.PLAIN.normal(arena, random, 1, 1, 1, 7, 5).select(0, 0).select(0, 0);
            Tensor fused = Tensor.allocate(arena, ElementType.FLOAT32, 7, 4);
            Tensor separate = Tensor.allocate(arena, ElementType.FLOAT32, 7, 4);
            MultiHeadAttention.builder(2, 1).queryKeyValue(weight, bias).output(last, null).build(arena).run(x, fused);
            MultiHeadAttention.builder(2, 1)
                    .query(weight.slice(1, 0, 6), bias.slice(0, 0, 6))
                    .key(weight.slice(1, 6, 9), bias.slice(0, 6, 9))
                    .value(weight.slice(1, 9, 12), bias.slice(0, 9, 12))
                    .output(last, null)
                    .build(arena)
                    .run(x, separate);
            assertArrayEquals(separate.toFloats(), fused.toFloats());
        }
    }

    /** What the attention between the projections can give is the caller's too. */
    @Example
    void furtherOutputsAreThoseOfTheAttentionInside() {
        try (Arena arena = Arena.ofConfined()) {
            Tensor x = parameter(arena, "x");
            Tensor out = Tensor.allocate(arena, ElementType.FLOAT32, 2, MiniLm.TOKENS, MiniLm.WIDTH);
            Tensor weights = Tensor.allocate(arena, ElementType.FLOAT32, 2, MiniLm.HEADS, MiniLm.TOKENS,
                    MiniLm.TOKENS);
            separate(arena).run(x, x, in -> in.withMask(MiniLm.mask(arena)), o -> o.withWeights(weights), out);
            MiniLm.assertWithin(NEAR, parameter(arena, "weights"), weights);
        }
    }
}
