package dev.lanewise.internal.memory;

import dev.lanewise.ElementType;
import dev.lanewise.Tensor;
import java.lang.foreign.MemorySegment;

/**
 * A tensor of rank 2 to 4 as the kernels see it: four axes (batch, head, row, column) and strides in bytes. Absent outer axes
 * have size 1 and stride 0; so has every axis of size 1, so that it can stand for any size. Mutable and reused from call to
 * call, so that a call allocates nothing.
 */
public final class Operand {
    /** The one class of segments that the vector kernels are compiled for. */
    public static final Class<?> NATIVE = MemorySegment.NULL.getClass();

    /** The memory, or null while the operand is absent. */
    public MemorySegment segment;
    /** The type of the elements. */
    public ElementType type;
    /** Where element (0, 0, 0, 0) lies, in bytes. */
    public long base;
    /** Bytes from one batch row to the next. */
    public long batchStride;
    /** Bytes from one head to the next. */
    public long headStride;
    /** Bytes from one row (query, key) to the next. */
    public long rowStride;
    /** Bytes from one column (feature) to the next. */
    public long columnStride;
    /** Whether a vector kernel may read and write it in place: float32 in a native segment. */
    public boolean direct;

    /** Makes the operand absent, and drops the reference to its memory. */
    public void clear() {
        segment = null;
    }

    /** Whether the call has this operand. */
    public boolean present() {
        return segment != null;
    }

    /**
     * Takes over a tensor whose axes are the last ones of (batch, head, row, column). A tensor of rank 3 has no head axis if
     * {@code headless}, otherwise no batch axis.
     */
    public void set(Tensor tensor, boolean headless) {
        segment = tensor.segment();
        type = tensor.type();
        base = tensor.byteOffset();
        int rank = tensor.rank();
        columnStride = step(tensor, rank - 1);
        rowStride = step(tensor, rank - 2);
        long third = step(tensor, rank - 3);
        headStride = rank == 3 && headless ? 0 : third;
        batchStride = rank == 3 && headless ? third : step(tensor, rank - 4);
        direct = type == ElementType.FLOAT32 && isNative(segment);
    }

    /** Takes over a table of rank 2: (head, column). */
    public void setTable(Tensor tensor) {
        set(tensor, false);
        headStride = rowStride;
        rowStride = 0;
    }

    /** Takes over a vector: (column). */
    public void setVector(Tensor tensor) {
        segment = tensor.segment();
        type = tensor.type();
        base = tensor.byteOffset();
        columnStride = step(tensor, 0);
        rowStride = 0;
        headStride = 0;
        batchStride = 0;
        direct = type == ElementType.FLOAT32 && isNative(segment);
    }

    private static long step(Tensor tensor, int axis) {
        return axis < 0 || tensor.size(axis) == 1 ? 0 : tensor.stride(axis) * tensor.type().bytes();
    }

    /** Where element (batch, head, row, 0) lies, in bytes. */
    public long at(long batch, long head, long row) {
        return base + batch * batchStride + head * headStride + row * rowStride;
    }

    /** Whether a vector kernel may read and write rows in place, a vector of columns at a time. */
    public boolean inPlace() {
        return direct && columnStride == Float.BYTES;
    }

    /** Whether a segment is of the class {@link #NATIVE}. */
    public static boolean isNative(MemorySegment segment) {
        return segment.getClass() == NATIVE;
    }
}
