package dev.lanewise.internal.kernel;

import jdk.incubator.vector.VectorShape;

/** The widest vector that the JVM compiles to registers. Its own class, for it fails to link without the vector module. */
public final class PreferredWidth {
    private PreferredWidth() {
    }

    /** The width in bits. */
    public static int bits() {
        return VectorShape.preferredShape().vectorBitSize();
    }
}
