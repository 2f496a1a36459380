package dev.lanewise.onnx;

import java.util.Arrays;

/** Reads the two wire types of protocol buffers that a TensorProto with raw data is made of. */
final class ProtobufReader {
    static final int VARINT = 0;
    static final int LENGTH_DELIMITED = 2;

    private final byte[] message;
    private int position;

    ProtobufReader(byte[] message) {
        this.message = message;
    }

    boolean hasNext() {
        return position < message.length;
    }

    /** Field number times 8 plus wire type. */
    int tag() {
        return Math.toIntExact(varint());
    }

    /** Seven bits a byte, the lowest first; the highest bit says that more follow. */
    long varint() {
        long value = 0;
        for (int shift = 0; shift < Long.SIZE; shift += 7) {
            if (!hasNext()) {
                throw new IllegalArgumentException("protobuf: ends within a varint, wanted its last byte");
            }
            byte next = message[position++];
            value |= (next & 0x7FL) << shift;
            if (next >= 0) {
                return value;
            }
        }
        throw new IllegalArgumentException("protobuf: a varint of more than 10 bytes, wanted at most 10");
    }

    byte[] bytes() {
        long length = varint();
        if (length < 0 || length > message.length - position) {
            throw new IllegalArgumentException("protobuf: a field of " + Long.toUnsignedString(length)
                    + " bytes, wanted at most the " + (message.length - position) + " that are left");
        }
        position += (int) length;
        return Arrays.copyOfRange(message, position - (int) length, position);
    }
}
