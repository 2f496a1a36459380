package dev.lanewise.examples;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lanewise.Tensor;
import dev.lanewise.examples.DoubleLoops.Bias;
import dev.lanewise.examples.DoubleLoops.Sizes;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class FileRunTest {
    private static final double HIDDEN = Double.NEGATIVE_INFINITY;
    private static final Bias NONE = (_, _, _, _) -> 0;

    @TempDir
    private Path folder;

    /** How the heads lie in the files. */
    private enum Layout {
        RANK_2, RANK_3, RANK_4, RANK_2_PACKED, RANK_3_PACKED;

        boolean packed() {
            return this == RANK_2_PACKED || this == RANK_3_PACKED;
        }

        /** The shape of q, k, v or the context. */
        long[] shape(int batch, int heads, int length, int depth) {
            return switch (this) {
                case RANK_2 -> new long[]{length, depth};
                case RANK_3 -> new long[]{batch, length, depth};
                case RANK_4 -> new long[]{batch, heads, length, depth};
                case RANK_2_PACKED -> new long[]{length, (long) heads * depth};
                case RANK_3_PACKED -> new long[]{batch, length, (long) heads * depth};
            };
        }

        long[] scoresShape(Sizes sizes) {
            return switch (this) {
                case RANK_2 -> new long[]{sizes.queries(), sizes.keys()};
                case RANK_3 -> new long[]{sizes.batch(), sizes.queries(), sizes.keys()};
                case RANK_2_PACKED -> new long[]{sizes.heads(), sizes.queries(), sizes.keys()};
                case RANK_4, RANK_3_PACKED ->
                    new long[]{sizes.batch(), sizes.heads(), sizes.queries(), sizes.keys()};
            };
        }
    }

    private record Case(Layout layout, Sizes sizes, double scale, Bias bias, List<String> options) {
        static Named<Case> of(String name, Layout layout, Sizes sizes, Bias bias, String... options) {
            return Named.of(name, new Case(layout, sizes, 1 / Math.sqrt(sizes.depth()), bias, List.of(options)));
        }
    }

    private static Bias causal(int offset) {
        return (_, _, i, j) -> j <= i + offset ? 0 : HIDDEN;
    }

    static Stream<Named<Case>> cases() {
        Sizes one = new Sizes(1, 1, 1, 5, 7, 6, 3);
        Sizes batched = new Sizes(3, 1, 1, 4, 6, 5, 5);
        Sizes multi = new Sizes(2, 3, 3, 5, 4, 8, 7);
        Sizes grouped = new Sizes(2, 4, 2, 3, 9, 4, 6);
        Sizes flat = new Sizes(1, 4, 2, 6, 5, 3, 2);
        return Stream.of(
                Case.of("rank 2", Layout.RANK_2, one, NONE),
                Case.of("rank 3", Layout.RANK_3, batched, NONE),
                Case.of("rank 4", Layout.RANK_4, multi, NONE),
                Case.of("rank 4, grouped", Layout.RANK_4, grouped, NONE),
                Case.of("packed rank 3", Layout.RANK_3_PACKED, multi, NONE, "--heads=3"),
                Case.of("packed rank 3, grouped", Layout.RANK_3_PACKED, grouped, NONE, "--heads=4", "--kv-heads=2"),
                Case.of("packed rank 2, grouped", Layout.RANK_2_PACKED, flat, NONE, "--heads=4", "--kv-heads=2"),
                Case.of("causal", Layout.RANK_2, one, causal(0), "--causal"),
                Case.of("causal, top left", Layout.RANK_4, multi, causal(0), "--causal=top-left"),
                Case.of("causal, bottom right", Layout.RANK_3, batched, causal(2), "--causal=bottom-right"),
                Case.of("causal, packed", Layout.RANK_3_PACKED, multi, causal(1), "--heads=3", "--causal=1"),
                Case.of("causal, first rows see nothing", Layout.RANK_4, multi, causal(-2), "--causal=-2"),
                Named.of("scale 0.25", new Case(Layout.RANK_4, multi, 0.25, NONE, List.of("--scale=0.25"))),
                Named.of("scale -1", new Case(Layout.RANK_3, batched, -1, NONE, List.of("--scale=-1"))));
    }

    @ParameterizedTest
    @MethodSource("cases")
    void agreesWithDoubleLoops(Case given) throws IOException {
        check(given);
    }

    @Test
    void boolMaskForEveryPair() throws IOException {
        boolean[] mayAttend = {true, false, true, true, false, false, true, true, true, true, false, true};
        mask(mayAttend, 3, 4);
        check(new Case(Layout.RANK_2, new Sizes(1, 1, 1, 3, 4, 8, 8), 1 / Math.sqrt(8),
                (_, _, i, j) -> mayAttend[i * 4 + j] ? 0 : HIDDEN, maskOption()));
    }

    @Test
    void boolMaskOfPaddingWithCausal() throws IOException {
        boolean[] token = {true, true, false, true, true, true};
        mask(token, 2, 1, 1, 3);
        check(new Case(Layout.RANK_3_PACKED, new Sizes(2, 2, 2, 3, 3, 4, 4), 0.5,
                (b, _, i, j) -> token[b * 3 + j] && j <= i ? 0 : HIDDEN,
                List.of(maskOption().getFirst(), "--heads=2", "--causal")));
    }

    @Test
    void floatMaskIsAdded() throws IOException {
        float[] added = {0, 1.5f, -2, Float.NEGATIVE_INFINITY, 0.25f, -1e30f};
        try (Arena arena = Arena.ofConfined()) {
            write("mask.npy", Tensor.ofFloats(arena, added, 2, 1, 3));
        }
        check(new Case(Layout.RANK_4, new Sizes(2, 2, 1, 2, 3, 4, 4), 0.5, (_, h, _, j) -> added[h * 3 + j],
                maskOption()));
    }

    private List<String> maskOption() {
        return List.of("--mask=" + folder.resolve("mask.npy"));
    }

    private void mask(boolean[] values, long... shape) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            write("mask.npy", Tensor.ofBooleans(arena, values, shape));
        }
    }

    private void check(Case given) throws IOException {
        Sizes sizes = given.sizes;
        Random random = new Random(11);
        float[] q = operand("q.npy", random, given.layout, sizes.batch(), sizes.heads(), sizes.queries(),
                sizes.depth());
        float[] k = operand("k.npy", random, given.layout, sizes.batch(), sizes.kvHeads(), sizes.keys(),
                sizes.depth());
        float[] v = operand("v.npy", random, given.layout, sizes.batch(), sizes.kvHeads(), sizes.keys(),
                sizes.valueDepth());
        DoubleLoops expected = new DoubleLoops(sizes, q, k, v, given.scale, given.bias);

        List<String> args = new ArrayList<>(given.options);
        for (String option : List.of("q", "k", "v", "out", "scores", "weights")) {
            args.add("--" + option + "=" + folder.resolve(option + ".npy"));
        }
        AttendResult result = AttendResult.of(args.toArray());
        assertEquals(0, result.exitCode(), result.err());
        assertEquals("", result.err());

        float[] context = output("out.npy",
                given.layout.shape(sizes.batch(), sizes.heads(), sizes.queries(), sizes.valueDepth()));
        compare(expected.context, given.layout.packed()
                ? exchanged(context, sizes.batch(), sizes.queries(), sizes.heads(), sizes.valueDepth())
                : context);
        compare(expected.scores, output("scores.npy", given.layout.scoresShape(sizes)));
        compare(expected.weights, output("weights.npy", given.layout.scoresShape(sizes)));
        try (Stream<Path> files = Files.list(folder)) {
            assertEquals(List.of(), files.filter(file -> !file.toString().endsWith(".npy")).toList());
        }
    }

    /** Writes random numbers in the layout, and returns them as (B, H, L, D). */
    private float[] operand(String name, Random random, Layout layout, int batch, int heads, int length, int depth)
            throws IOException {
        float[] values = new float[batch * heads * length * depth];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        try (Arena arena = Arena.ofConfined()) {
            write(name, Tensor.ofFloats(arena, layout.packed()
                    ? exchanged(values, batch, heads, length, depth)
                    : values, layout.shape(batch, heads, length, depth)));
        }
        return values;
    }

    /** (a, b, c, d) as (a, c, b, d). */
    private static float[] exchanged(float[] values, int a, int b, int c, int d) {
        float[] result = new float[values.length];
        for (int i = 0; i < a; i++) {
            for (int j = 0; j < b; j++) {
                for (int k = 0; k < c; k++) {
                    System.arraycopy(values, ((i * b + j) * c + k) * d, result, ((i * c + k) * b + j) * d, d);
                }
            }
        }
        return result;
    }

    private void write(String name, Tensor tensor) throws IOException {
        Files.write(folder.resolve(name), NpyBytes.write(tensor));
    }

    private float[] output(String name, long[] shape) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            Tensor tensor = NpyFile.read(folder.resolve(name), arena);
            assertArrayEquals(shape, tensor.shape(), name);
            return tensor.toFloats();
        }
    }

    private static void compare(double[] expected, float[] actual) {
        assertEquals(expected.length, actual.length);
        for (int i = 0; i < actual.length; i++) {
            assertEquals(expected[i], actual[i], 2e-6, "element " + i);
        }
    }
}
