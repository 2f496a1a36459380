package dev.lanewise;

import dev.lanewise.internal.kernel.VectorMatMul;
import dev.lanewise.internal.memory.Operand;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;

/**
 * The right operand of {@link MatMul}, laid out once for the kernel of this JVM: for weights, which are multiplied with again and
 * again. Immutable; may be used by any number of threads as far as its arena allows.
 */
public final class PackedMatrix {
    /** The operand itself, where the kernel reads it in place; otherwise null. */
    final Tensor matrix;
    /** The operand in the kernel's layout, or null. */
    final MemorySegment packed;
    final int rows;
    final int columns;

    private PackedMatrix(Tensor matrix, MemorySegment packed, int rows, int columns) {
        this.matrix = matrix;
        this.packed = packed;
        this.rows = rows;
        this.columns = columns;
    }

    /**
     * Copies a matrix into the kernel's layout.
     *
     * @param arena owns the copy
     * @param matrix (K, N), of any floating-point type and strides; not needed afterwards
     * @return the packed matrix, in float32
     * @throws IllegalArgumentException if it is not a matrix of floats
     * @throws IllegalStateException if an arena is closed
     * @throws WrongThreadException if the matrix or the arena belongs to another thread
     * @throws OutOfMemoryError if there is not so much native memory
     */
    public static PackedMatrix of(Arena arena, Tensor matrix) {
        Objects.requireNonNull(arena, "arena");
        MatMul.checkMatrix("matrix", matrix);
        int rows = (int) matrix.size(0);
        int columns = (int) matrix.size(1);
        if (RuntimeInfo.current().kernel() == Kernel.VECTOR) {
            Operand operand = new Operand();
            operand.set(matrix, false);
            return new PackedMatrix(null, VectorMatMul.pack(arena, operand, rows, columns), rows, columns);
        }
        return new PackedMatrix(Tensor.ofFloats(arena, matrix.toFloats(), rows, columns), null, rows, columns);
    }

    /** The memory is alive and this thread may use it. */
    void checkReadable(String name) {
        TensorChecks.readable(name, packed == null ? matrix.segment() : packed);
    }

    /**
     * The number of rows, K.
     *
     * @return the count
     */
    public long rows() {
        return rows;
    }

    /**
     * The number of columns, N.
     *
     * @return the count
     */
    public long columns() {
        return columns;
    }
}
