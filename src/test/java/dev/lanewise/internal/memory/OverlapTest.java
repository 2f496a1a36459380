package dev.lanewise.internal.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lanewise.ElementType;
import dev.lanewise.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Assume;
import net.jqwik.api.Combinators;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import net.jqwik.api.statistics.Statistics;

/** Shared memory, against the addresses of every byte. */
class OverlapTest {
    private static final int BYTES = 96;
    private static final int CUT = 40;

    /** A view of a part of one of three memories: native, an array, and the same array again but read-only. */
    record View(int memory, boolean lower, ElementType type, int offset, List<Axis> axes) {
        Tensor of(Memories memories) {
            MemorySegment whole = memories.all.get(memory);
            MemorySegment part = lower ? whole.asSlice(0, CUT) : whole.asSlice(CUT);
            try {
                return Tensor.of(part, type, offset, axes.stream().mapToLong(Axis::size).toArray(),
                        axes.stream().mapToLong(Axis::stride).toArray());
            } catch (IllegalArgumentException outside) {
                return null;
            }
        }

        /** Where each element starts, in the order of the indices; the two views of the array count as one memory. */
        List<Integer> starts() {
            List<Integer> starts = List.of(Math.min(memory, 1) * 2 * BYTES + (lower ? 0 : CUT) + offset);
            for (Axis axis : axes) {
                List<Integer> more = new ArrayList<>();
                for (int start : starts) {
                    for (int i = 0; i < axis.size; i++) {
                        more.add(start + i * axis.stride * type.bytes());
                    }
                }
                starts = more;
            }
            return starts;
        }

        Set<Integer> bytes() {
            Set<Integer> bytes = new HashSet<>();
            for (int start : starts()) {
                for (int i = 0; i < type.bytes(); i++) {
                    bytes.add(start + i);
                }
            }
            return bytes;
        }
    }

    record Axis(int size, int stride) {
    }

    /** What the views look at. */
    record Memories(List<MemorySegment> all) {
        static Memories in(Arena arena) {
            MemorySegment array = MemorySegment.ofArray(new byte[BYTES]);
            return new Memories(List.of(arena.allocate(BYTES), array, array.asReadOnly()));
        }
    }

    /** The two views, and whether they have a byte in common. */
    private interface Check {
        void check(Tensor a, Tensor b, boolean shared);
    }

    private static void withTensors(View a, View b, Check check) {
        try (Arena arena = Arena.ofConfined()) {
            Memories memories = Memories.in(arena);
            Tensor first = a.of(memories);
            Tensor second = b.of(memories);
            Assume.that(first != null && second != null);
            check.check(first, second, !Collections.disjoint(a.bytes(), b.bytes()));
        }
    }

    @Property(tries = 5000, edgeCases = EdgeCasesMode.NONE)
    void viewsThatShareAByteAreNeverCalledApart(@ForAll("views") View a, @ForAll("views") View b) {
        withTensors(a, b, (first, second, shared) -> {
            assertTrue(!shared || Overlap.possible(first, second), () -> first + " and " + second);
            assertTrue(!shared || Overlap.possible(second, first), () -> second + " and " + first);
            Statistics.label("share a byte")
                    .collect(shared)
                    .coverage(check -> check.check(true).percentage(p -> p > 2));
        });
    }

    @Property(tries = 2000, edgeCases = EdgeCasesMode.NONE)
    void contiguousViewsOverlapExactlyIfTheyShareAByte(@ForAll("flatViews") View a, @ForAll("flatViews") View b) {
        withTensors(a, b, (first, second, shared) -> assertEquals(shared, Overlap.possible(first, second),
                () -> first + " and " + second));
    }

    @Property(tries = 2000, edgeCases = EdgeCasesMode.NONE)
    void viewsAreTheSameExactlyIfEveryIndexShowsTheSameElement(@ForAll("views") View a, @ForAll("views") View other,
            @ForAll boolean compareWithItself, @ForAll @IntRange(min = 1, max = 9) int strideOfNoMeaning) {
        View b = compareWithItself
                ? new View(a.memory, a.lower, a.type, a.offset, a.axes.stream()
                        .map(axis -> axis.size == 1 ? new Axis(1, strideOfNoMeaning) : axis)
                        .toList())
                : other;
        Assume.that(!a.starts().isEmpty() && !b.starts().isEmpty());
        withTensors(a, b, (first, second, shared) -> {
            boolean sameSizes = a.axes.stream()
                    .map(Axis::size)
                    .toList()
                    .equals(b.axes.stream().map(Axis::size).toList());
            boolean same = sameSizes && a.type == b.type && a.starts().equals(b.starts());
            assertEquals(same, Overlap.same(first, second), () -> first + " and " + second);
        });
    }

    @Property(tries = 5000, edgeCases = EdgeCasesMode.NONE)
    void aViewThatShowsAByteTwiceIsNeverCalledFreeOfOverlap(@ForAll("views") View view) {
        withTensors(view, view, (tensor, again, shared) -> {
            int elements = view.starts().size();
            boolean twice = view.bytes().size() < elements * view.type.bytes();
            assertTrue(!twice || Overlap.withinItself(tensor), tensor::toString);
            Statistics.label("shows a byte twice")
                    .collect(twice)
                    .coverage(check -> check.check(true).percentage(p -> p > 2));
        });
    }

    @Property
    void axesThatNestInAnyOrderAndDirectionAreFreeOfOverlap(
            @ForAll @Size(max = 4) List<@IntRange(min = 1, max = 3) Integer> sizes,
            @ForAll boolean backward, @ForAll @IntRange(max = 2) int gap, @ForAll @IntRange(max = 3) int rotation) {
        List<Axis> axes = new ArrayList<>();
        int stride = 1;
        for (int size : sizes) {
            axes.add(new Axis(size, backward ? -stride : stride));
            stride = stride * size + gap;
        }
        Collections.rotate(axes, rotation);
        int reach = axes.stream().mapToInt(axis -> (axis.size - 1) * Math.abs(axis.stride)).sum();
        MemorySegment memory = MemorySegment.ofArray(new byte[reach + 1]);
        Tensor tensor = Tensor.of(memory, ElementType.BOOL, backward ? reach : 0,
                axes.stream().mapToLong(Axis::size).toArray(), axes.stream().mapToLong(Axis::stride).toArray());
        assertFalse(Overlap.withinItself(tensor), tensor::toString);
    }

    @Property
    void headsOfPackedQueriesKeysAndValuesAreApart(@ForAll @IntRange(min = 1, max = 3) int batch,
            @ForAll @IntRange(min = 1, max = 4) int rows, @ForAll @IntRange(min = 1, max = 3) int heads,
            @ForAll @IntRange(min = 1, max = 5) int depth, @ForAll boolean perHead) {
        try (Arena arena = Arena.ofConfined()) {
            Tensor packed = Tensor.allocate(arena, ElementType.FLOAT32, batch, rows, 3L * heads * depth);
            List<Tensor> parts = new ArrayList<>();
            for (int part = 0; part < 3; part++) {
                parts.add(perHead
                        ? packed.split(2, heads).split(3, 3).select(3, part).transpose(1, 2)
                        : packed.split(2, 3).select(2, part).split(2, heads).transpose(1, 2));
            }
            for (Tensor a : parts) {
                for (Tensor b : parts) {
                    assertEquals(a == b, Overlap.possible(a, b), () -> a + " and " + b);
                }
                assertFalse(Overlap.withinItself(a), a::toString);
            }
        }
    }

    @Provide
    Arbitrary<View> views() {
        Arbitrary<Axis> axes = Combinators
                .combine(Arbitraries.of(1, 2, 2, 3, 3, 4, 0), Arbitraries.integers().between(-8, 8))
                .as(Axis::new);
        return views(axes.list().ofMaxSize(3));
    }

    @Provide
    Arbitrary<View> flatViews() {
        return views(Arbitraries.integers().between(0, 12).map(size -> List.of(new Axis(size, 1))));
    }

    /** The parts' sizes are 40 and 56: half of the offsets leave room for negative strides. */
    private static Arbitrary<View> views(Arbitrary<List<Axis>> axes) {
        return Combinators.combine(Arbitraries.of(0, 0, 1, 2), Arbitraries.of(true, false),
                Arbitraries.of(ElementType.class), Arbitraries.integers().between(0, BYTES - CUT), axes)
                .as(View::new);
    }
}
