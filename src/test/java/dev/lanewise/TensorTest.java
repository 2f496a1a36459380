package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.UnaryOperator;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** Views against a model: a shape and the values in C order, rearranged element by element. */
class TensorTest {
    private static final MemorySegment HUNDRED_BYTES = MemorySegment.ofArray(new byte[100]).asReadOnly();

    /** The values that a view has to show. */
    private record Model(long[] shape, float[] values) {
        static int count(long[] shape) {
            return (int) Arrays.stream(shape).reduce(1, Math::multiplyExact);
        }

        static long[] index(long[] shape, int ordinal) {
            long[] index = new long[shape.length];
            int rest = ordinal;
            for (int axis = shape.length - 1; axis >= 0; axis--) {
                index[axis] = rest % shape[axis];
                rest /= (int) shape[axis];
            }
            return index;
        }

        float at(long[] index) {
            int ordinal = 0;
            for (int axis = 0; axis < shape.length; axis++) {
                ordinal = ordinal * (int) shape[axis] + (int) index[axis];
            }
            return values[ordinal];
        }

        /** What is shown by another shape, from the index there to the index here. */
        Model view(long[] newShape, UnaryOperator<long[]> back) {
            float[] shown = new float[count(newShape)];
            for (int i = 0; i < shown.length; i++) {
                shown[i] = at(back.apply(index(newShape, i)));
            }
            return new Model(newShape, shown);
        }
    }

    /** A view and what it has to show. */
    private record Pair(Tensor tensor, Model model) {
        void check() {
            assertArrayEquals(model.shape, tensor.shape(), tensor::toString);
            assertEquals(model.shape.length, tensor.rank());
            assertEquals(model.values.length, tensor.elementCount());
            assertArrayEquals(model.values, tensor.toFloats(), tensor::toString);
            for (int i = 0; i < model.values.length; i++) {
                assertEquals(model.values[i], tensor.getFloat(Model.index(model.shape, i)), tensor::toString);
            }
        }
    }

    private static long[] with(long[] values, int at, long value) {
        long[] changed = values.clone();
        changed[at] = value;
        return changed;
    }

    private static long[] inserted(long[] values, int at, long value) {
        long[] longer = Arrays.copyOf(values, values.length + 1);
        System.arraycopy(values, at, longer, at + 1, values.length - at);
        longer[at] = value;
        return longer;
    }

    private static long[] removed(long[] values, int at) {
        long[] shorter = Arrays.copyOf(values, values.length - 1);
        System.arraycopy(values, at + 1, shorter, at, shorter.length - at);
        return shorter;
    }

    private static long[] swapped(long[] values, int a, int b) {
        return with(with(values, a, values[b]), b, values[a]);
    }

    /** The ways to make a view of a view; two numbers of any size choose axis, range or size. */
    private enum Step {
        TRANSPOSE {
            @Override
            Pair apply(Pair from, int axis, int x, int y) {
                int other = x % from.tensor.rank();
                return new Pair(from.tensor.transpose(axis, other),
                        from.model.view(swapped(from.model.shape, axis, other), to -> swapped(to, axis, other)));
            }
        },
        SLICE {
            @Override
            Pair apply(Pair from, int axis, int x, int y) {
                long size = from.tensor.size(axis);
                long first = x % (size + 1);
                long end = first + y % (size - first + 1);
                return new Pair(from.tensor.slice(axis, first, end),
                        from.model.view(with(from.model.shape, axis, end - first),
                                to -> with(to, axis, to[axis] + first)));
            }
        },
        SELECT {
            @Override
            Pair apply(Pair from, int axis, int x, int y) {
                long size = from.tensor.size(axis);
                if (size == 0) {
                    return from;
                }
                return new Pair(from.tensor.select(axis, x % size),
                        from.model.view(removed(from.model.shape, axis), to -> inserted(to, axis, x % size)));
            }
        },
        SPLIT {
            @Override
            Pair apply(Pair from, int axis, int x, int y) {
                long size = from.tensor.size(axis);
                long outer = 1 + x % 4;
                if (size % outer != 0) {
                    return from;
                }
                long inner = size / outer;
                return new Pair(from.tensor.split(axis, outer),
                        from.model.view(inserted(with(from.model.shape, axis, inner), axis, outer),
                                to -> with(removed(to, axis), axis, to[axis] * inner + to[axis + 1])));
            }
        },
        BROADCAST {
            @Override
            Pair apply(Pair from, int axis, int x, int y) {
                if (from.tensor.size(axis) != 1) {
                    return from;
                }
                return new Pair(from.tensor.broadcast(axis, x % 4),
                        from.model.view(with(from.model.shape, axis, x % 4), to -> with(to, axis, 0)));
            }
        },
        UNSQUEEZE {
            @Override
            Pair apply(Pair from, int axis, int x, int y) {
                int at = x % (from.tensor.rank() + 1);
                return new Pair(from.tensor.unsqueeze(at),
                        from.model.view(inserted(from.model.shape, at, 1), to -> removed(to, at)));
            }
        };

        abstract Pair apply(Pair from, int axis, int x, int y);
    }

    private record Move(Step step, int axis, int x, int y) {
        Pair apply(Pair from) {
            boolean possible = from.tensor.rank() > 0 || step == Step.UNSQUEEZE;
            return possible ? step.apply(from, axis % Math.max(1, from.tensor.rank()), x, y) : from;
        }
    }

    private static float[] ascending(int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = i + 1;
        }
        return values;
    }

    @Property
    void viewsOfViewsShowWhatTheirModelsShow(@ForAll @Size(min = 1, max = 4) List<@IntRange(max = 4) Integer> sizes,
            @ForAll("moves") List<Move> moves) {
        long[] shape = sizes.stream().mapToLong(Integer::longValue).toArray();
        float[] values = ascending(Model.count(shape));
        try (Arena arena = Arena.ofConfined()) {
            Pair pair = new Pair(Tensor.ofFloats(arena, values, shape), new Model(shape, values));
            pair.check();
            for (Move move : moves) {
                pair = move.apply(pair);
                pair.check();
            }
        }
    }

    @Property
    void explicitStridesAddressOffsetPlusIndexTimesStride(@ForAll ElementType type,
            @ForAll @Size(max = 3) List<@IntRange(max = 4) Integer> sizes,
            @ForAll @Size(value = 3) List<@IntRange(min = -9, max = 9) Integer> steps,
            @ForAll @IntRange(max = 7) int misaligned) {
        long[] shape = sizes.stream().mapToLong(Integer::longValue).toArray();
        long[] strides = steps.stream().limit(shape.length).mapToLong(Integer::longValue).toArray();
        long before = 0;
        long after = 0;
        for (int axis = 0; axis < shape.length; axis++) {
            long reach = Math.max(0, shape[axis] - 1) * strides[axis];
            before -= Math.min(0, reach);
            after += Math.max(0, reach);
        }
        long start = misaligned + before * type.bytes();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(start + (after + 1) * type.bytes());
            Tensor tensor = Tensor.of(memory, type, start, shape, strides);
            assertSame(memory, tensor.segment());
            assertEquals(start, tensor.byteOffset());
            float[] seen = tensor.toFloats();
            assertArrayEquals(new float[Model.count(shape)], seen);
            for (int i = 0; i < seen.length; i++) {
                long[] index = Model.index(shape, i);
                long at = start;
                for (int axis = 0; axis < shape.length; axis++) {
                    assertEquals(strides[axis], tensor.stride(axis));
                    at += index[axis] * strides[axis] * type.bytes();
                }
                tensor.setFloat(1, index);
                assertEquals(1, tensor.getFloat(index));
                MemorySegment element = memory.asSlice(at, type.bytes());
                assertEquals(-1, element.mismatch(MemorySegment.ofArray(one(type))), "element " + i);
                element.fill((byte) 0);
            }
            assertEquals(-1, memory.mismatch(arena.allocate(memory.byteSize())), "a byte beside the elements");
        }
    }

    /** The bytes of 1: 0x3F800000 is 1 as a float32, 0x3F80 as a bfloat16, 0x3C00 as a float16. */
    private static byte[] one(ElementType type) {
        ByteBuffer bytes = ByteBuffer.allocate(type.bytes()).order(ByteOrder.nativeOrder());
        return switch (type) {
            case FLOAT32 -> bytes.putInt(0x3F800000).array();
            case FLOAT64 -> bytes.putDouble(1).array();
            case BFLOAT16 -> bytes.putShort((short) 0x3F80).array();
            case FLOAT16 -> bytes.putShort((short) 0x3C00).array();
            case INT32 -> bytes.putInt(1).array();
            case INT8, BOOL -> bytes.put((byte) 1).array();
        };
    }

    @Property
    void aViewIsMadeExactlyIfAllItsElementsLieInTheSegment(@ForAll ElementType type,
            @ForAll @IntRange(min = -40, max = 140) int offset,
            @ForAll @Size(max = 3) List<@IntRange(max = 5) Integer> sizes,
            @ForAll @Size(value = 3) List<@IntRange(min = -12, max = 12) Integer> steps) {
        long[] shape = sizes.stream().mapToLong(Integer::longValue).toArray();
        long[] strides = steps.stream().limit(shape.length).mapToLong(Integer::longValue).toArray();
        boolean inside = true;
        for (int i = 0; i < Model.count(shape); i++) {
            long[] index = Model.index(shape, i);
            long at = offset;
            for (int axis = 0; axis < shape.length; axis++) {
                at += index[axis] * strides[axis] * type.bytes();
            }
            inside &= at >= 0 && at + type.bytes() <= HUNDRED_BYTES.byteSize();
        }
        if (inside) {
            Tensor.of(HUNDRED_BYTES, type, offset, shape, strides);
        } else {
            assertRefused(() -> Tensor.of(HUNDRED_BYTES, type, offset, shape, strides), Arrays.toString(shape),
                    Arrays.toString(strides), "byte " + offset, "0 to 100");
        }
    }

    private static void assertRefused(Executable call, String... parts) {
        String message = assertThrows(IllegalArgumentException.class, call).getMessage();
        for (String part : parts) {
            assertTrue(message.contains(part), () -> "'" + message + "' lacks '" + part + "'");
        }
    }

    @Test
    void negativeSizesAreRefused() {
        try (Arena arena = Arena.ofConfined()) {
            assertRefused(() -> Tensor.allocate(arena, ElementType.BOOL, 2, -1), "shape", "axis 1", "-1", "at least 0");
            assertRefused(() -> Tensor.of(HUNDRED_BYTES, ElementType.BOOL, -7), "shape", "axis 0", "-7", "at least 0");
            assertRefused(() -> Tensor.of(HUNDRED_BYTES, ElementType.BOOL, 0, new long[]{-3}, new long[]{1}),
                    "shape", "axis 0", "-3", "at least 0");
        }
    }

    /** 2⁶² float32, or 2³² twice, or as much behind an axis of size 0, which would make the strides overflow. */
    @Test
    void shapesBeyondALongAreRefused() {
        for (long[] shape : new long[][]{{1L << 62}, {1L << 32, 1L << 32}, {0, 1L << 32, 1L << 32},
            {Long.MAX_VALUE, 0}}) {
            assertRefused(() -> Tensor.of(HUNDRED_BYTES, ElementType.FLOAT32, shape), "shape", Arrays.toString(shape),
                    "FLOAT32");
            assertRefused(() -> Tensor.of(HUNDRED_BYTES, ElementType.FLOAT32, 0, shape, new long[shape.length]),
                    "shape", Arrays.toString(shape), "FLOAT32");
        }
    }

    @Property
    void stridesAndOffsetsBeyondALongAreRefused(@ForAll("extremes") long stride, @ForAll("extremes") long offset) {
        assertRefused(
                () -> Tensor.of(HUNDRED_BYTES, ElementType.FLOAT32, offset, new long[]{3, 2},
                        new long[]{stride, stride}),
                "[3, 2]", "[" + stride + ", " + stride + "]");
    }

    @Test
    void argumentsThatDoNotFitEachOtherAreRefused() {
        try (Arena arena = Arena.ofConfined()) {
            Tensor tensor = Tensor.allocate(arena, ElementType.FLOAT32, 2, 6);
            assertRefused(() -> Tensor.of(HUNDRED_BYTES, ElementType.BOOL, 0, new long[2], new long[3]), "strides",
                    "3 values", "2 axes");
            assertRefused(() -> Tensor.ofFloats(arena, new float[5], 2, 3), "values", "5 values", "wanted 6", "[2, 3]");
            assertRefused(() -> Tensor.ofBooleans(arena, new boolean[7], 6), "values", "7 values", "wanted 6", "[6]");
            assertRefused(() -> tensor.split(1, 4), "outer", "4", "axis 1", "6 elements");
            assertRefused(() -> tensor.split(1, 0), "outer", "0", "axis 1", "6 elements");
            assertRefused(() -> tensor.split(1, -2), "outer", "-2", "axis 1", "6 elements");
            assertRefused(() -> tensor.broadcast(1, 3), "axis 1", "size 6", "to 3", "size 1");
            assertRefused(() -> tensor.unsqueeze(0).broadcast(0, -1), "axis 0", "to -1", "at least 0");
            assertRefused(() -> tensor.unsqueeze(0).broadcast(0, 1L << 60), "[" + (1L << 60) + ", 2, 6]", "FLOAT32");
            assertRefused(() -> tensor.getFloat(1), "index", "1 values", "wanted 2");
            assertRefused(() -> tensor.setFloat(0, 1, 2, 3), "index", "3 values", "wanted 2");
        }
    }

    @Test
    void indicesOutsideTheirAxesAreRefused() {
        try (Arena arena = Arena.ofConfined()) {
            Tensor tensor = Tensor.allocate(arena, ElementType.FLOAT32, 2, 6);
            for (Executable call : List.<Executable>of(() -> tensor.size(2), () -> tensor.stride(-1),
                    () -> tensor.transpose(0, 2), () -> tensor.slice(1, 4, 7), () -> tensor.slice(1, 4, 3),
                    () -> tensor.slice(1, -1, 3), () -> tensor.slice(2, 0, 0), () -> tensor.select(0, 2),
                    () -> tensor.select(0, -1), () -> tensor.select(2, 0), () -> tensor.split(2, 1),
                    () -> tensor.broadcast(2, 1), () -> tensor.unsqueeze(3), () -> tensor.unsqueeze(-1),
                    () -> tensor.getFloat(0, 6), () -> tensor.getFloat(-1, 0), () -> tensor.setFloat(0, 2, 0))) {
                assertThrows(IndexOutOfBoundsException.class, call);
            }
        }
    }

    @Test
    void aBroadcastViewTooLargeForAnArrayIsNotCopiedOut() {
        Tensor tensor = Tensor.of(HUNDRED_BYTES, ElementType.BOOL, 0, new long[]{1L << 40}, new long[]{0});
        assertEquals(1L << 40, tensor.elementCount());
        assertRefused(tensor::toFloats, "elements", String.valueOf(1L << 40), String.valueOf(Integer.MAX_VALUE - 8));
    }

    @Test
    void whatIsAllocatedIsZeroAndAlignedToACacheLine() {
        try (Arena arena = Arena.ofConfined()) {
            for (ElementType type : ElementType.values()) {
                Tensor tensor = Tensor.allocate(arena, type, 3, 5, 7);
                assertEquals(0, tensor.segment().address() % 64);
                assertArrayEquals(new float[105], tensor.toFloats());
                assertArrayEquals(new long[]{35, 7, 1},
                        new long[]{tensor.stride(0), tensor.stride(1), tensor.stride(2)});
            }
            assertEquals(0, Tensor.allocate(arena, ElementType.FLOAT32, 4, 0).toFloats().length);
            assertArrayEquals(new float[1], Tensor.allocate(arena, ElementType.FLOAT32).toFloats());
        }
    }

    @Test
    void valuesAreCopiedInCOrder() {
        try (Arena arena = Arena.ofConfined()) {
            Tensor ints = Tensor.ofInts(arena, 7, -8, 9);
            assertArrayEquals(new float[]{7, -8, 9}, ints.toFloats());
            assertEquals(ElementType.INT32, ints.type());
            Tensor booleans = Tensor.ofBooleans(arena, new boolean[]{true, false, false, true, true, false}, 2, 3);
            assertArrayEquals(new float[]{1, 0, 0, 1, 1, 0}, booleans.toFloats());
            assertEquals(ElementType.BOOL, booleans.type());
            assertEquals(1, booleans.getFloat(1, 0));
            assertEquals("BOOL[2, 3] strides [3, 1] at byte 0", booleans.toString());
        }
    }

    @Test
    void aViewDoesNotFollowTheArraysItWasMadeFrom() {
        long[] shape = {2, 3};
        long[] strides = {3, 1};
        Tensor tensor = Tensor.of(HUNDRED_BYTES, ElementType.FLOAT32, 0, shape, strides);
        shape[0] = 99;
        strides[0] = 99;
        tensor.shape()[1] = 99;
        assertEquals("FLOAT32[2, 3] strides [3, 1] at byte 0", tensor.toString());
    }

    @Property
    void everyKindOfSegmentIsReadAndWritten(@ForAll ElementType type, @ForAll @IntRange(max = 3) int offset) {
        byte[] array = new byte[64];
        try (Arena arena = Arena.ofConfined()) {
            for (MemorySegment memory : List.of(arena.allocate(64), MemorySegment.ofArray(array),
                    MemorySegment.ofArray(new long[8]), MemorySegment.ofBuffer(ByteBuffer.allocate(64)))) {
                Tensor tensor = Tensor.of(memory, type, offset, new long[]{2}, new long[]{5});
                tensor.setFloat(1, 1);
                assertArrayEquals(new float[]{0, 1}, tensor.toFloats());
                Tensor readOnly = Tensor.of(memory.asReadOnly(), type, offset, new long[]{2}, new long[]{5});
                assertArrayEquals(new float[]{0, 1}, readOnly.toFloats());
                assertThrows(IllegalArgumentException.class, () -> readOnly.setFloat(0, 1));
                assertArrayEquals(new float[]{0, 1}, tensor.toFloats());
            }
        }
    }

    @Test
    void aClosedArenaEndsAllViews() {
        Tensor tensor;
        try (Arena arena = Arena.ofConfined()) {
            tensor = Tensor.allocate(arena, ElementType.FLOAT32, 2).slice(0, 1, 2);
        }
        assertThrows(IllegalStateException.class, () -> tensor.getFloat(0));
        assertThrows(IllegalStateException.class, () -> tensor.setFloat(1, 0));
        assertThrows(IllegalStateException.class, tensor::toFloats);
    }

    /** 5 GiB of which the file system stores a few blocks: positions beyond an int in bytes, and beyond 2³² too. */
    @Test
    void positionsBeyondTwoGibibytesAreReached(@TempDir Path folder) throws IOException {
        Path sparse = folder.resolve("sparse");
        long bytes = 5L << 30;
        try (RandomAccessFile file = new RandomAccessFile(sparse.toFile(), "rw")) {
            file.setLength(bytes);
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment memory = file.getChannel().map(MapMode.READ_WRITE, 0, bytes, arena);
                for (ElementType type : ElementType.values()) {
                    long row = (1L << 30) / type.bytes();
                    long last = bytes - type.bytes();
                    Tensor tensor = Tensor.of(memory, type, bytes / row / type.bytes(), row);
                    Tensor column = tensor.slice(1, row - 1, row);
                    column.setFloat(1, 4, 0);
                    assertEquals(1, tensor.getFloat(4, row - 1));
                    assertArrayEquals(new float[]{0, 0, 0, 0, 1}, column.toFloats());
                    assertEquals(-1, memory.asSlice(last).mismatch(MemorySegment.ofArray(one(type))));
                    Tensor backward = Tensor.of(memory, type, last, new long[]{2}, new long[]{-4 * row});
                    backward.setFloat(1, 1);
                    assertArrayEquals(new float[]{1, 1}, backward.toFloats());
                    assertArrayEquals(new float[]{1, 0, 0, 0, 1}, column.toFloats());
                    backward.setFloat(0, 0);
                    backward.setFloat(0, 1);
                }
            }
        } finally {
            Files.delete(sparse);
        }
    }

    @Provide
    Arbitrary<List<Move>> moves() {
        Arbitrary<Integer> numbers = Arbitraries.integers().between(0, 59);
        return Combinators.combine(Arbitraries.of(Step.class), numbers, numbers, numbers)
                .as(Move::new)
                .list()
                .ofMaxSize(6);
    }

    @Provide
    Arbitrary<Long> extremes() {
        return Arbitraries.longs()
                .between(Long.MAX_VALUE / 12, Long.MAX_VALUE)
                .flatMap(magnitude -> Arbitraries.of(magnitude, -magnitude));
    }
}
