package dev.lanewise.internal.memory;

import dev.lanewise.Tensor;
import java.lang.foreign.MemorySegment;

/** A rank-1 tensor of 32-bit integers as the kernels see it, or nothing. Mutable and reused from call to call. */
public final class IntColumn {
    private MemorySegment segment;
    private long base;
    private long stride;

    /** Makes the column absent, and drops the reference to its memory. */
    public void clear() {
        segment = null;
    }

    /** Whether the call has this column. */
    public boolean present() {
        return segment != null;
    }

    /** Takes over a tensor of rank 1. */
    public void set(Tensor tensor) {
        segment = tensor.segment();
        base = tensor.byteOffset();
        stride = tensor.stride(0) * Integer.BYTES;
    }

    /** One value. */
    public int get(long index) {
        return Elements.getInt(segment, base + index * stride);
    }
}
