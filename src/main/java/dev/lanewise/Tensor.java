package dev.lanewise;

import dev.lanewise.internal.memory.Elements;
import dev.lanewise.internal.memory.Overlap;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Objects;

/**
 * A typed, strided view of a {@link MemorySegment}: where the element with given indices lies, and nothing else.
 *
 * <p>A view is immutable; what it shows is not. It owns no memory: the segment's arena decides how long it may be used and
 * from which threads, and every view of a closed arena fails with {@link IllegalStateException}. Views of one segment
 * alias each other freely. Strides are counted in elements, may be 0 (a broadcast axis) or negative, and every element that
 * the shape can address lies inside the segment: that is checked once, here.
 *
 * <p>Native segments ({@link Arena#allocate(long, long) allocated} off-heap) are read in place by the vector kernels. Heap
 * and mapped segments are accepted everywhere and are copied block by block.
 */
public final class Tensor {
    /** The alignment of {@link #allocate}: one cache line, and the widest vector register. */
    private static final long ALIGNMENT = 64;

    private final MemorySegment segment;
    private final ElementType type;
    private final long offset;
    private final long[] shape;
    private final long[] strides;
    /** The address of the first byte of any element, and of the one past the last; the whole range where the memory is on the heap. */
    private final long firstAddress;
    private final long endAddress;
    /** Whether an element is shown twice, once that has been asked: it takes longer than the rest of a call's checks. */
    private Boolean repeats;

    private Tensor(MemorySegment segment, ElementType type, long offset, long[] shape, long[] strides) {
        this.segment = segment;
        this.type = type;
        this.offset = offset;
        this.shape = shape;
        this.strides = strides;
        long low = Long.MIN_VALUE;
        long high = Long.MAX_VALUE;
        if (segment.isNative()) {
            low = segment.address() + offset;
            high = low + type.bytes();
            for (int axis = 0; axis < shape.length; axis++) {
                long reach = Math.max(0, shape[axis] - 1) * strides[axis] * type.bytes();
                low += Math.min(0, reach);
                high += Math.max(0, reach);
            }
        }
        firstAddress = low;
        endAddress = high;
    }

    /** Over arrays that will change, within so many bytes from the offset on. */
    private Tensor(MemorySegment segment, long offset, long bytes, long[] shape, long[] strides) {
        this.segment = segment;
        this.type = ElementType.FLOAT32;
        this.offset = offset;
        this.shape = shape;
        this.strides = strides;
        firstAddress = segment.address() + offset;
        endAddress = firstAddress + bytes;
        repeats = false;
    }

    /**
     * Allocates a tensor of zeros in C order (the last axis contiguous), aligned to 64 bytes.
     *
     * @param arena owns the memory
     * @param type the type of the elements
     * @param shape the size of each axis, at least 0; no axis at all makes a tensor of one element
     * @return a view of the new memory
     * @throws IllegalArgumentException if a size is negative, or the product does not fit a {@code long}
     */
    public static Tensor allocate(Arena arena, ElementType type, long... shape) {
        Objects.requireNonNull(arena, "arena");
        long[] sizes = checkedShape(shape);
        long bytes = byteCount(type, sizes);
        boolean empty = Arrays.stream(sizes).anyMatch(size -> size == 0);
        return new Tensor(arena.allocate(empty ? 1 : bytes, ALIGNMENT), type, 0, sizes, contiguous(sizes));
    }

    /**
     * Allocates a {@link ElementType#FLOAT32} tensor in C order and copies values into it.
     *
     * @param arena owns the memory
     * @param values the elements, the last axis fastest; as many as the shape has
     * @param shape the size of each axis
     * @return a view of the new memory
     * @throws IllegalArgumentException if the number of values is not the product of the shape
     */
    public static Tensor ofFloats(Arena arena, float[] values, long... shape) {
        Tensor tensor = allocate(arena, ElementType.FLOAT32, shape);
        requireCount("values", values.length, tensor);
        MemorySegment.copy(MemorySegment.ofArray(values), 0, tensor.segment, 0, 4L * values.length);
        return tensor;
    }

    /**
     * Allocates an {@link ElementType#INT32} tensor of rank 1 and copies values into it: lengths, offsets.
     *
     * @param arena owns the memory
     * @param values the elements
     * @return a view of the new memory
     */
    public static Tensor ofInts(Arena arena, int... values) {
        Tensor tensor = allocate(arena, ElementType.INT32, values.length);
        MemorySegment.copy(MemorySegment.ofArray(values), 0, tensor.segment, 0, 4L * values.length);
        return tensor;
    }

    /**
     * Allocates a {@link ElementType#BOOL} tensor in C order and copies values into it.
     *
     * @param arena owns the memory
     * @param values the elements, the last axis fastest; as many as the shape has
     * @param shape the size of each axis
     * @return a view of the new memory
     * @throws IllegalArgumentException if the number of values is not the product of the shape
     */
    public static Tensor ofBooleans(Arena arena, boolean[] values, long... shape) {
        Tensor tensor = allocate(arena, ElementType.BOOL, shape);
        requireCount("values", values.length, tensor);
        for (int i = 0; i < values.length; i++) {
            Elements.setByte(tensor.segment, i, (byte) (values[i] ? 1 : 0));
        }
        return tensor;
    }

    /**
     * A view of a whole segment in C order.
     *
     * @param segment the memory, of any kind; read-only segments can be inputs
     * @param type the type of the elements
     * @param shape the size of each axis
     * @return the view
     * @throws IllegalArgumentException if the shape needs more bytes than the segment has
     */
    public static Tensor of(MemorySegment segment, ElementType type, long... shape) {
        long[] sizes = checkedShape(shape);
        byteCount(type, sizes);
        return checkedView(segment, type, 0, sizes, contiguous(sizes));
    }

    /**
     * A view with explicit strides.
     *
     * @param segment the memory, of any kind; read-only segments can be inputs
     * @param type the type of the elements
     * @param byteOffset where the element with all indices 0 lies, in bytes; need not be aligned
     * @param shape the size of each axis
     * @param strides the distance between neighbours along each axis, in elements; 0 and negative values are allowed
     * @return the view
     * @throws IllegalArgumentException if shape and strides differ in length, or an element lies outside the segment
     */
    public static Tensor of(MemorySegment segment, ElementType type, long byteOffset, long[] shape, long[] strides) {
        long[] sizes = checkedShape(shape);
        Objects.requireNonNull(strides, "strides");
        if (strides.length != sizes.length) {
            throw new IllegalArgumentException(
                    "strides: " + strides.length + " values, wanted one for each of the shape's " + sizes.length
                            + " axes");
        }
        return checkedView(segment, type, byteOffset, sizes, strides.clone());
    }

    /**
     * A view of float32 that shares its arrays, for native scratch whose views are used again with other numbers; nothing is checked. It
     * shows no element twice, and none beyond so many bytes.
     */
    static Tensor over(MemorySegment segment, long offset, long bytes, long[] shape, long[] strides) {
        return new Tensor(segment, offset, bytes, shape, strides);
    }

    /** Whether the bytes from the first to the last element of both have any in common, as far as addresses tell. */
    boolean meets(Tensor other) {
        return firstAddress < other.endAddress && other.firstAddress < endAddress;
    }

    /** Whether an element may be shown twice. */
    boolean repeats() {
        Boolean known = repeats;
        if (known == null) {
            known = Overlap.withinItself(this);
            repeats = known;
        }
        return known;
    }

    private static Tensor checkedView(MemorySegment segment, ElementType type, long offset, long[] shape,
            long[] strides) {
        Objects.requireNonNull(segment, "segment");
        byteCount(type, shape);
        long low = offset;
        long high = offset;
        boolean empty = false;
        try {
            for (int axis = 0; axis < shape.length; axis++) {
                empty |= shape[axis] == 0;
                long reach = Math.multiplyExact(Math.multiplyExact(Math.max(0, shape[axis] - 1), strides[axis]),
                        type.bytes());
                low = Math.addExact(low, Math.min(0, reach));
                high = Math.addExact(high, Math.max(0, reach));
            }
            high = Math.addExact(high, type.bytes());
        } catch (ArithmeticException overflow) {
            throw new IllegalArgumentException(
                    "shape " + Arrays.toString(shape) + " with strides " + Arrays.toString(strides)
                            + " of " + type + " reaches beyond the range of a long",
                    overflow);
        }
        if (!empty && (low < 0 || high > segment.byteSize())) {
            throw new IllegalArgumentException(
                    "shape " + Arrays.toString(shape) + " with strides " + Arrays.toString(strides)
                            + " of " + type + " from byte " + offset + " addresses bytes " + low + " to " + high
                            + ", but the segment has bytes 0 to " + segment.byteSize());
        }
        return new Tensor(segment, type, offset, shape, strides);
    }

    private static long[] checkedShape(long[] shape) {
        Objects.requireNonNull(shape, "shape");
        for (int axis = 0; axis < shape.length; axis++) {
            if (shape[axis] < 0) {
                throw new IllegalArgumentException(
                        "shape: axis " + axis + " is " + shape[axis] + ", wanted at least 0");
            }
        }
        return shape.clone();
    }

    private static long byteCount(ElementType type, long[] shape) {
        Objects.requireNonNull(type, "type");
        long bytes = type.bytes();
        try {
            for (long size : shape) {
                bytes = Math.multiplyExact(bytes, Math.max(1, size));
            }
        } catch (ArithmeticException overflow) {
            throw new IllegalArgumentException(
                    "shape: " + Arrays.toString(shape) + " of " + type + " has more bytes than a long can count",
                    overflow);
        }
        return bytes;
    }

    private static long[] contiguous(long[] shape) {
        long[] strides = new long[shape.length];
        long stride = 1;
        for (int axis = shape.length - 1; axis >= 0; axis--) {
            strides[axis] = stride;
            stride *= Math.max(1, shape[axis]);
        }
        return strides;
    }

    private static void requireCount(String name, long count, Tensor tensor) {
        if (count != tensor.elementCount()) {
            throw new IllegalArgumentException(
                    name + ": " + count + " values, wanted " + tensor.elementCount() + " for shape "
                            + Arrays.toString(tensor.shape));
        }
    }

    /**
     * The memory that is viewed.
     *
     * @return the segment given at creation
     */
    public MemorySegment segment() {
        return segment;
    }

    /**
     * The type of the elements.
     *
     * @return the type
     */
    public ElementType type() {
        return type;
    }

    /**
     * Where the element with all indices 0 lies in the segment.
     *
     * @return the offset in bytes
     */
    public long byteOffset() {
        return offset;
    }

    /**
     * The number of axes.
     *
     * @return the rank
     */
    public int rank() {
        return shape.length;
    }

    /**
     * The size of one axis.
     *
     * @param axis from 0 (outermost) to rank − 1
     * @return its number of elements
     */
    public long size(int axis) {
        return shape[Objects.checkIndex(axis, shape.length)];
    }

    /**
     * The stride of one axis.
     *
     * @param axis from 0 (outermost) to rank − 1
     * @return the distance between neighbours, in elements
     */
    public long stride(int axis) {
        return strides[Objects.checkIndex(axis, shape.length)];
    }

    /**
     * The sizes of all axes.
     *
     * @return a copy
     */
    public long[] shape() {
        return shape.clone();
    }

    /**
     * The number of elements: the product of the sizes.
     *
     * @return the count
     */
    public long elementCount() {
        long count = 1;
        for (long size : shape) {
            count = Math.multiplyExact(count, size);
        }
        return count;
    }

    /**
     * The same elements with two axes exchanged, for instance (B, L, H, D) seen as (B, H, L, D).
     *
     * @param a one axis
     * @param b the other
     * @return a view of the same memory
     * @throws IndexOutOfBoundsException unless 0 ≤ a, b &lt; rank
     */
    public Tensor transpose(int a, int b) {
        Objects.checkIndex(a, shape.length);
        Objects.checkIndex(b, shape.length);
        long[] newShape = shape.clone();
        long[] newStrides = strides.clone();
        newShape[a] = size(b);
        newShape[b] = size(a);
        newStrides[a] = stride(b);
        newStrides[b] = stride(a);
        return new Tensor(segment, type, offset, newShape, newStrides);
    }

    /**
     * The elements whose index on one axis lies in a range.
     *
     * @param axis the axis to cut
     * @param from the first index
     * @param to one past the last index
     * @return a view of the same memory, of the same rank
     * @throws IndexOutOfBoundsException unless 0 ≤ from ≤ to ≤ size(axis)
     */
    public Tensor slice(int axis, long from, long to) {
        Objects.checkFromToIndex(from, to, size(axis));
        long[] newShape = shape.clone();
        newShape[axis] = to - from;
        return new Tensor(segment, type, shifted(axis, to == from ? 0 : from), newShape, strides);
    }

    /**
     * The elements with one index on one axis.
     *
     * @param axis the axis to drop
     * @param index the index on it
     * @return a view of the same memory, one rank lower
     * @throws IndexOutOfBoundsException unless 0 ≤ index &lt; size(axis)
     */
    public Tensor select(int axis, long index) {
        Objects.checkIndex(index, size(axis));
        return new Tensor(segment, type, shifted(axis, index), without(shape, axis), without(strides, axis));
    }

    /**
     * One axis seen as two, for instance (B, L, H·D) as (B, L, H, D).
     *
     * @param axis the axis to split
     * @param outer the size of the new outer axis; must divide size(axis)
     * @return a view of the same memory, one rank higher
     * @throws IllegalArgumentException if the size of the axis is not a multiple of outer
     * @throws IndexOutOfBoundsException unless 0 ≤ axis &lt; rank
     */
    public Tensor split(int axis, long outer) {
        long size = size(axis);
        if (outer < 1 || size % outer != 0) {
            throw new IllegalArgumentException(
                    "outer: " + outer + ", wanted a divisor of axis " + axis + ", which has " + size + " elements");
        }
        long inner = size / outer;
        long[] newShape = widened(shape, axis);
        long[] newStrides = widened(strides, axis);
        newShape[axis] = outer;
        newShape[axis + 1] = inner;
        newStrides[axis] = inner * strides[axis];
        newStrides[axis + 1] = strides[axis];
        return new Tensor(segment, type, offset, newShape, newStrides);
    }

    /**
     * An axis of size 1 seen as one of another size, every index showing the same elements (stride 0).
     *
     * @param axis the axis to broadcast
     * @param size its new size
     * @return a view of the same memory; an output may not have such an axis
     * @throws IllegalArgumentException if the axis has not size 1, or the new size is negative
     * @throws IndexOutOfBoundsException unless 0 ≤ axis &lt; rank
     */
    public Tensor broadcast(int axis, long size) {
        if (size(axis) != 1 || size < 0) {
            throw new IllegalArgumentException(
                    "axis " + axis + " of size " + size(axis) + " to " + size
                            + ": wanted size 1 and a target of at least 0");
        }
        long[] newShape = shape.clone();
        long[] newStrides = strides.clone();
        newShape[axis] = size;
        newStrides[axis] = 0;
        byteCount(type, newShape);
        return new Tensor(segment, type, offset, newShape, newStrides);
    }

    /**
     * The same elements with a new axis of size 1.
     *
     * @param axis where the new axis stands, from 0 to rank
     * @return a view of the same memory, one rank higher
     * @throws IndexOutOfBoundsException unless 0 ≤ axis ≤ rank
     */
    public Tensor unsqueeze(int axis) {
        Objects.checkIndex(axis, shape.length + 1);
        long[] newShape = widened(shape, axis);
        long[] newStrides = widened(strides, axis);
        newShape[axis] = 1;
        newStrides[axis] = 0;
        return new Tensor(segment, type, offset, newShape, newStrides);
    }

    private long shifted(int axis, long index) {
        return offset + index * strides[axis] * type.bytes();
    }

    private static long[] without(long[] values, int axis) {
        long[] rest = new long[values.length - 1];
        System.arraycopy(values, 0, rest, 0, axis);
        System.arraycopy(values, axis + 1, rest, axis, rest.length - axis);
        return rest;
    }

    /** The values with a gap of one, of no meaning yet, at the given place. */
    private static long[] widened(long[] values, int at) {
        long[] longer = new long[values.length + 1];
        System.arraycopy(values, 0, longer, 0, at);
        System.arraycopy(values, at, longer, at + 1, values.length - at);
        return longer;
    }

    /**
     * Reads one element, widened exactly to float32 (rounded, if it is of {@link ElementType#FLOAT64}); true is 1 and false is 0. For tests and small tools: not a fast path.
     *
     * @param index one index an axis
     * @return the value
     * @throws IndexOutOfBoundsException if an index is outside its axis
     * @throws IllegalArgumentException if there are not as many indices as axes
     */
    public float getFloat(long... index) {
        return Elements.get(segment, type, position(index));
    }

    /**
     * Writes one element, rounded to nearest even to the type; a {@link ElementType#BOOL} becomes value ≠ 0, an
     * {@link ElementType#INT32} is truncated. For tests and small tools: not a fast path.
     *
     * @param value the value
     * @param index one index an axis
     * @throws IndexOutOfBoundsException if an index is outside its axis
     * @throws IllegalArgumentException if there are not as many indices as axes, or the segment is read-only
     */
    public void setFloat(float value, long... index) {
        Elements.set(segment, type, position(index), value);
    }

    private long position(long[] index) {
        if (index.length != shape.length) {
            throw new IllegalArgumentException("index: " + index.length + " values, wanted " + shape.length);
        }
        long position = offset;
        for (int axis = 0; axis < index.length; axis++) {
            position += Objects.checkIndex(index[axis], shape[axis]) * strides[axis] * type.bytes();
        }
        return position;
    }

    /**
     * Copies all elements out, the last axis fastest, whatever the strides.
     *
     * @return a new array, widened to float32 as by {@link #getFloat}
     * @throws IllegalArgumentException if there are more elements than an array can hold
     */
    public float[] toFloats() {
        long count = elementCount();
        if (count > Integer.MAX_VALUE - 8) {
            throw new IllegalArgumentException("elements: " + count + ", wanted at most " + (Integer.MAX_VALUE - 8));
        }
        float[] values = new float[(int) count];
        int last = shape.length - 1;
        long columns = last < 0 ? 1 : shape[last];
        long step = last < 0 ? 0 : strides[last] * type.bytes();
        long[] index = new long[shape.length];
        for (int row = 0; row < values.length; row += (int) columns) {
            long at = position(index);
            for (int column = 0; column < columns; column++) {
                values[row + column] = Elements.get(segment, type, at + column * step);
            }
            for (int axis = last - 1; axis >= 0 && ++index[axis] == shape[axis]; axis--) {
                index[axis] = 0;
            }
        }
        return values;
    }

    /**
     * Type, shape, strides and offset, for messages.
     *
     * @return for instance {@code FLOAT32[2, 3] strides [3, 1] at byte 0}
     */
    @Override
    public String toString() {
        return type + Arrays.toString(shape) + " strides " + Arrays.toString(strides) + " at byte " + offset;
    }
}
