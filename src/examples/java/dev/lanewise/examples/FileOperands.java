package dev.lanewise.examples;

import dev.lanewise.AttentionInputs;
import dev.lanewise.ElementType;
import dev.lanewise.Tensor;
import java.lang.foreign.Arena;
import java.nio.file.Path;

/**
 * q, k and v from files, and memory for what is computed from them, with the axes the files have: where --heads says that heads lie
 * side by side, the attention operator gets views that split them, and the context is written through such a view.
 */
final class FileOperands {
    private final Arena arena;
    private final int heads;
    private final int kvHeads;
    private Tensor q;
    private Tensor k;
    private Tensor v;

    /** Zero heads: not split. Zero kvHeads: as many as heads. */
    FileOperands(Arena arena, int heads, int kvHeads) {
        this.arena = arena;
        this.heads = heads;
        this.kvHeads = kvHeads == 0 ? heads : kvHeads;
    }

    void read(Path qFile, Path kFile, Path vFile) throws AttendException {
        q = FileRun.read(qFile, arena);
        if (q.rank() < 2 || q.rank() > 4) {
            throw new AttendException(qFile, "rank " + q.rank() + ", wanted 2 to 4");
        }
        k = readLike(kFile);
        v = readLike(vFile);
        requireDivisible(qFile, q, heads);
        requireDivisible(kFile, k, kvHeads);
        requireDivisible(vFile, v, kvHeads);
    }

    private Tensor readLike(Path file) throws AttendException {
        Tensor tensor = FileRun.read(file, arena);
        if (tensor.rank() != q.rank()) {
            throw new AttendException(file, "rank " + tensor.rank() + ", wanted q's " + q.rank());
        }
        return tensor;
    }

    private static void requireDivisible(Path file, Tensor tensor, int heads) throws AttendException {
        if (heads == 0) {
            return;
        }
        if (tensor.rank() == 4) {
            throw new AttendException(file, "rank 4 has an axis of heads already, wanted rank 2 or 3 with --heads");
        }
        long columns = tensor.size(tensor.rank() - 1);
        if (columns % heads != 0) {
            throw new AttendException(file, "last axis has " + columns + " elements, wanted a multiple of " + heads
                    + " heads");
        }
    }

    AttentionInputs inputs() {
        return heads == 0
                ? AttentionInputs.of(q, k, v)
                : AttentionInputs.of(HeadSplit.view(q, heads), HeadSplit.view(k, kvHeads), HeadSplit.view(v, kvHeads));
    }

    Tensor contextFor(Path file) throws AttendException {
        long[] shape = q.shape();
        long columns = v.size(v.rank() - 1);
        shape[shape.length - 1] = heads == 0 ? columns : columns / kvHeads * heads;
        return allocate(file, shape);
    }

    Tensor splitContext(Tensor context) {
        return heads == 0 ? context : HeadSplit.view(context, heads);
    }

    /** (B, H, Lq, Lk), without the axes that the files lack. */
    Tensor scoresFor(Path file) throws AttendException {
        long queries = q.size(q.rank() - 2);
        long keys = k.size(k.rank() - 2);
        if (heads == 0) {
            long[] shape = q.shape();
            shape[shape.length - 1] = keys;
            return allocate(file, shape);
        }
        return q.rank() == 2 ? allocate(file, heads, queries, keys) : allocate(file, q.size(0), heads, queries, keys);
    }

    /** Scores as the operator wants them beside split heads. */
    Tensor batched(Tensor scores) {
        return heads != 0 && q.rank() == 2 ? scores.unsqueeze(0) : scores;
    }

    private Tensor allocate(Path file, long... shape) throws AttendException {
        try {
            return Tensor.allocate(arena, ElementType.FLOAT32, shape);
        } catch (IllegalArgumentException | OutOfMemoryError _) {
            throw new AttendException(file,
                    "shape " + NpyHeader.shapeText(shape) + " is more than this JVM may allocate off-heap");
        }
    }
}
