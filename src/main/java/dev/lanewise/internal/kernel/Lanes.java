package dev.lanewise.internal.kernel;

import dev.lanewise.internal.memory.Operand;
import dev.lanewise.internal.plan.StartUp;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/** The one vector shape of this JVM, fixed at start-up so that C2 sees constants. */
final class Lanes {
    /** float32 vectors. */
    static final VectorSpecies<Float> F = VectorSpecies.of(float.class, VectorShape.forBitSize(StartUp.CHOICE.bits()));
    /** Integer vectors of the same shape. */
    static final VectorSpecies<Integer> I = VectorSpecies.of(int.class, F.vectorShape());
    /** Lanes in a vector. */
    static final int COUNT = F.length();
    /** Bytes in a vector. */
    static final int BYTES = F.vectorByteSize();
    /** Vectors in the widest panel of a matrix multiply. */
    static final int PANEL_VECTORS = StartUp.CHOICE.multiplyVectors();
    /** Columns of such a panel. */
    static final int PANEL = PANEL_VECTORS * COUNT;
    /** The order of every operand and of scratch. */
    static final ByteOrder ORDER = ByteOrder.nativeOrder();
    /** float32 at any byte. */
    static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;
    /** 0, 1, 2, …. */
    static final FloatVector IOTA = (FloatVector) F.broadcast(0).addIndex(1);
    /** 1, 2, 4, …: the bit of each lane in a word of visible bits. */
    static final IntVector LANE_BIT = IntVector.broadcast(I, 1)
            .lanewise(VectorOperators.LSHL,
                    IntVector.zero(I).addIndex(1));

    private Lanes() {
    }

    /**
     * Refuses a segment that is not native. To C2 the check is a promise of the exact class, without which one heap segment
     * elsewhere in the JVM makes every access below it polymorphic and 3 to 10 times slower. The comparison stands here, where one side of it
     * throws: in a method that returns which it is, C2 forgets the class once both have been seen, as they are after calls with operands on the
     * heap, and every vector is boxed.
     */
    static MemorySegment requireNative(MemorySegment segment) {
        if (segment.getClass() != Operand.NATIVE) {
            throw new IllegalArgumentException("segment: " + segment + ", wanted a native one");
        }
        return segment;
    }
}
