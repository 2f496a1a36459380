package dev.lanewise.internal.memory;

import dev.lanewise.Tensor;
import java.lang.foreign.MemorySegment;

/** Whether views share memory. May say so of views that do not, where proving otherwise is hard; never the other way round. */
public final class Overlap {
    private Overlap() {
    }

    /** Whether two views may have a byte in common. */
    public static boolean possible(Tensor a, Tensor b) {
        if (isEmpty(a) || isEmpty(b) || !comparable(a.segment(), b.segment())) {
            return false;
        }
        return first(a) < end(b) && first(b) < end(a) && !interleaved(a, b) && !interleaved(b, a);
    }

    /** Whether two views are the same: memory, type, shape and strides. */
    public static boolean same(Tensor a, Tensor b) {
        if (a.type() != b.type() || a.rank() != b.rank() || !comparable(a.segment(), b.segment())
                || start(a) != start(b)) {
            return false;
        }
        for (int axis = 0; axis < a.rank(); axis++) {
            if (a.size(axis) != b.size(axis) || a.size(axis) > 1 && a.stride(axis) != b.stride(axis)) {
                return false;
            }
        }
        return true;
    }

    /** Whether two indices of a view may show the same element: a stride of 0, or one shorter than what lies inside it. */
    public static boolean withinItself(Tensor t) {
        for (int axis = 0; axis < t.rank(); axis++) {
            long stride = Math.abs(t.stride(axis));
            long inner = 0;
            for (int other = 0; other < t.rank(); other++) {
                boolean inside = Math.abs(t.stride(other)) < stride
                        || Math.abs(t.stride(other)) == stride && other > axis;
                inner += inside ? reach(t, other) / t.type().bytes() : 0;
            }
            if (t.size(axis) > 1 && inner >= stride && !isEmpty(t)) {
                return true;
            }
        }
        return false;
    }

    private static boolean isEmpty(Tensor t) {
        for (int axis = 0; axis < t.rank(); axis++) {
            if (t.size(axis) == 0) {
                return true;
            }
        }
        return false;
    }

    /** Whether addresses of both count from the same origin. A read-only heap segment hides its array, so the slice decides. */
    private static boolean comparable(MemorySegment a, MemorySegment b) {
        return a == b || a.isNative() && b.isNative() || a.asOverlappingSlice(b).isPresent();
    }

    private static long start(Tensor t) {
        return t.segment().address() + t.byteOffset();
    }

    private static long reach(Tensor t, int axis) {
        return Math.abs(t.size(axis) - 1) * Math.abs(t.stride(axis)) * t.type().bytes();
    }

    private static long first(Tensor t) {
        long first = start(t);
        for (int axis = 0; axis < t.rank(); axis++) {
            first -= t.stride(axis) < 0 ? reach(t, axis) : 0;
        }
        return first;
    }

    private static long end(Tensor t) {
        long end = start(t) + t.type().bytes();
        for (int axis = 0; axis < t.rank(); axis++) {
            end += t.stride(axis) > 0 ? reach(t, axis) : 0;
        }
        return end;
    }

    /**
     * Proves the views apart by a period: if every stride of both is a multiple of the period or lies inside it, their elements fill
     * one interval each modulo the period, and those may be disjoint, as q, k and v in one packed row are.
     */
    private static boolean interleaved(Tensor a, Tensor b) {
        for (int axis = 0; axis < a.rank(); axis++) {
            long period = Math.abs(a.stride(axis)) * a.type().bytes();
            if (period > 0 && a.size(axis) > 1) {
                long extentA = extent(a, period);
                long extentB = extent(b, period);
                long ahead = Math.floorMod(first(b) - first(a), period);
                if (extentA >= 0 && extentB >= 0 && ahead >= extentA && ahead + extentB <= period) {
                    return true;
                }
            }
        }
        return false;
    }

    /** The bytes that a view covers modulo a period, or −1 if a stride neither fits nor divides. */
    private static long extent(Tensor t, long period) {
        long extent = t.type().bytes();
        for (int axis = 0; axis < t.rank(); axis++) {
            long stride = Math.abs(t.stride(axis)) * t.type().bytes();
            if (t.size(axis) > 1 && stride % period != 0) {
                if (stride > period) {
                    return -1;
                }
                extent += reach(t, axis);
            }
        }
        return extent;
    }
}
