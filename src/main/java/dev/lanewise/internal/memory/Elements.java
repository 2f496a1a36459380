package dev.lanewise.internal.memory;

import dev.lanewise.ElementType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** One element at a time, of any type, at any byte: exact when read, rounded to nearest even when written. */
public final class Elements {
    private Elements() {
    }

    /** The element at a byte offset, widened to float32; exact for every floating-point type. */
    public static float get(MemorySegment segment, ElementType type, long offset) {
        return switch (type) {
            case FLOAT32 -> segment.get(ValueLayout.JAVA_FLOAT_UNALIGNED, offset);
            case FLOAT64 -> (float) segment.get(ValueLayout.JAVA_DOUBLE_UNALIGNED, offset);
            case BFLOAT16 -> bfloat16ToFloat(segment.get(ValueLayout.JAVA_SHORT_UNALIGNED, offset));
            case FLOAT16 -> Float.float16ToFloat(segment.get(ValueLayout.JAVA_SHORT_UNALIGNED, offset));
            case INT32 -> segment.get(ValueLayout.JAVA_INT_UNALIGNED, offset);
            case INT8 -> segment.get(ValueLayout.JAVA_BYTE, offset);
            case BOOL -> segment.get(ValueLayout.JAVA_BYTE, offset) != 0 ? 1 : 0;
        };
    }

    /** Stores a value at a byte offset, rounded to the type. */
    public static void set(MemorySegment segment, ElementType type, long offset, float value) {
        switch (type) {
            case FLOAT32 -> segment.set(ValueLayout.JAVA_FLOAT_UNALIGNED, offset, value);
            case FLOAT64 -> segment.set(ValueLayout.JAVA_DOUBLE_UNALIGNED, offset, value);
            case BFLOAT16 -> segment.set(ValueLayout.JAVA_SHORT_UNALIGNED, offset, floatToBfloat16(value));
            case FLOAT16 -> segment.set(ValueLayout.JAVA_SHORT_UNALIGNED, offset, floatToFloat16(value));
            case INT32 -> segment.set(ValueLayout.JAVA_INT_UNALIGNED, offset, (int) value);
            case INT8 -> segment.set(ValueLayout.JAVA_BYTE, offset, (byte) value);
            case BOOL -> segment.set(ValueLayout.JAVA_BYTE, offset, (byte) (value != 0 ? 1 : 0));
        }
    }

    /** The element at a byte offset, exact for every type. */
    public static double getDouble(MemorySegment segment, ElementType type, long offset) {
        return type == ElementType.FLOAT64
                ? segment.get(ValueLayout.JAVA_DOUBLE_UNALIGNED, offset)
                : get(segment, type, offset);
    }

    /** Stores a value at a byte offset, rounded to the type (by way of float32, if that is not binary64). */
    public static void setDouble(MemorySegment segment, ElementType type, long offset, double value) {
        if (type == ElementType.FLOAT64) {
            segment.set(ValueLayout.JAVA_DOUBLE_UNALIGNED, offset, value);
        } else {
            set(segment, type, offset, (float) value);
        }
    }

    /** The byte at an offset. */
    public static byte getByte(MemorySegment segment, long offset) {
        return segment.get(ValueLayout.JAVA_BYTE, offset);
    }

    /** Stores a byte. */
    public static void setByte(MemorySegment segment, long offset, byte value) {
        segment.set(ValueLayout.JAVA_BYTE, offset, value);
    }

    /** The 32-bit integer at an offset. */
    public static int getInt(MemorySegment segment, long offset) {
        return segment.get(ValueLayout.JAVA_INT_UNALIGNED, offset);
    }

    /** Exact: a bfloat16 is the upper half of a float32. */
    public static float bfloat16ToFloat(short bits) {
        return Float.intBitsToFloat(bits << 16);
    }

    /** Nearest, ties to even; a NaN stays a quiet NaN with its sign and upper payload. */
    public static short floatToBfloat16(float value) {
        int bits = Float.floatToRawIntBits(value);
        if (value != value) {
            return (short) (bits >>> 16 | 0x40);
        }
        return (short) (bits + 0x7FFF + (bits >>> 16 & 1) >>> 16);
    }

    /** Nearest, ties to even; a NaN stays a quiet NaN with its sign and upper payload, which the JDK leaves open. */
    public static short floatToFloat16(float value) {
        if (value != value) {
            int bits = Float.floatToRawIntBits(value);
            return (short) (bits >>> 16 & 0x8000 | 0x7E00 | bits >>> 13 & 0x3FF);
        }
        return Float.floatToFloat16(value);
    }
}
