package dev.lanewise;

import dev.lanewise.internal.memory.Overlap;
import java.lang.foreign.MemorySegment;
import java.util.Objects;

/** Checks of one argument or two; each names the argument, what it was and what was wanted. */
final class TensorChecks {
    /** A thread that owns no arena; apart, for making it starts a scheduler: 10 ms of a first call. */
    private static final class Nobody {
        static final Thread THREAD = Thread.ofVirtual().unstarted(() -> {
        });
    }

    private TensorChecks() {
    }

    static void rank(String name, Tensor tensor, int wanted) {
        Objects.requireNonNull(tensor, name);
        if (tensor.rank() != wanted) {
            throw new IllegalArgumentException(name + ": rank " + tensor.rank() + ", wanted " + wanted);
        }
    }

    static void type(String name, Tensor tensor, ElementType wanted) {
        if (tensor.type() != wanted) {
            throw new IllegalArgumentException(name + ": " + tensor.type() + ", wanted " + wanted);
        }
    }

    static void floating(String name, Tensor tensor) {
        if (!tensor.type().isOperand()) {
            throw new IllegalArgumentException(name + ": " + tensor.type() + ", wanted FLOAT32, BFLOAT16 or FLOAT16");
        }
    }

    /** What a log-sum-exp can be of. */
    static void floatingOr64(String name, Tensor tensor) {
        if (tensor.type() != ElementType.FLOAT64) {
            floating(name, tensor);
        }
    }

    /** The kernels count rows and features with an int. */
    static void intSizes(String name, Tensor tensor) {
        for (int axis = 0; axis < tensor.rank(); axis++) {
            if (tensor.size(axis) > Integer.MAX_VALUE) {
                throw new IllegalArgumentException(name + ": axis " + axis + " has " + tensor.size(axis)
                        + " elements, wanted at most " + Integer.MAX_VALUE);
            }
        }
    }

    static void size(String name, Tensor tensor, int axis, long wanted) {
        if (tensor.size(axis) != wanted) {
            throw new IllegalArgumentException(
                    name + ": axis " + axis + " has " + tensor.size(axis) + " elements, wanted " + wanted);
        }
    }

    static void size(String name, Tensor tensor, int axis, String other, long wanted) {
        if (tensor.size(axis) != wanted) {
            throw new IllegalArgumentException(
                    name + ": axis " + axis + " has " + tensor.size(axis) + " elements, wanted " + other + ", "
                            + wanted);
        }
    }

    static void sameSize(String name, Tensor tensor, int axis, String other, Tensor model, int modelAxis) {
        if (tensor.size(axis) != model.size(modelAxis)) {
            throw new IllegalArgumentException(
                    name + ": axis " + axis + " has " + tensor.size(axis) + " elements, wanted "
                            + other + "'s " + model.size(modelAxis));
        }
    }

    /** The memory is alive and this thread may use it. */
    static void readable(String name, Tensor tensor) {
        readable(name, tensor.segment());
    }

    /** The same of memory that is not a tensor's. */
    static void readable(String name, MemorySegment segment) {
        if (!segment.scope().isAlive()) {
            throw new IllegalStateException(name + ": its arena is closed, wanted an open one");
        }
        if (!segment.isAccessibleBy(Thread.currentThread())) {
            throw new WrongThreadException(
                    name + ": its arena is confined to another thread, wanted " + Thread.currentThread());
        }
    }

    /** The memory is not confined to one thread; the tensor may be absent. */
    static void shared(String name, Tensor tensor) {
        if (tensor != null) {
            shared(name, tensor.segment());
        }
    }

    static void shared(String name, MemorySegment segment) {
        if (!segment.isAccessibleBy(Nobody.THREAD)) {
            throw new WrongThreadException(name + ": its arena is confined to one thread, wanted a shared one");
        }
    }

    /** The memory may be written, and no element is another's. */
    static void writable(String name, Tensor tensor) {
        readable(name, tensor);
        if (tensor.segment().isReadOnly()) {
            throw new IllegalArgumentException(name + ": its segment is read-only, wanted a writable one");
        }
        if (tensor.repeats()) {
            throw new IllegalArgumentException(
                    name + ": " + tensor + " shows an element twice, wanted an output without overlap");
        }
    }

    static boolean same(Tensor a, Tensor b) {
        return Overlap.same(a, b);
    }

    /** The two share no memory; either may be absent. Most lie apart as a whole, which is two comparisons. */
    static void apart(String name, Tensor tensor, String other, Tensor against) {
        if (tensor != null && against != null && tensor.meets(against) && Overlap.possible(tensor, against)) {
            throw new IllegalArgumentException(
                    name + ": " + tensor + " overlaps " + other + ": " + against + ", wanted memory of its own");
        }
    }
}
