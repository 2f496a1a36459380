package dev.lanewise.examples;

import dev.lanewise.Tensor;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** .npy files made by hand, valid or not. */
final class NpyBytes {
    private NpyBytes() {
    }

    /** A file whose header has exactly the given text, without padding. */
    static byte[] of(int version, String dictionary, byte[] data) {
        byte[] text = dictionary.getBytes(StandardCharsets.UTF_8);
        ByteBuffer file = start(version, text.length, text.length + data.length);
        return file.put(text).put(data).array();
    }

    static byte[] of(String dictionary, int dataBytes) {
        return of(1, dictionary, new byte[dataBytes]);
    }

    /** Magic, version and a length, with room for more. */
    static ByteBuffer start(int version, int length, int room) {
        int lengthBytes = version == 1 ? 2 : 4;
        ByteBuffer file = ByteBuffer.allocate(8 + lengthBytes + room).order(ByteOrder.LITTLE_ENDIAN);
        file.put((byte) 0x93).put("NUMPY".getBytes(StandardCharsets.US_ASCII)).put((byte) version).put((byte) 0);
        return version == 1 ? file.putShort((short) length) : file.putInt(length);
    }

    static Tensor read(byte[] file, Arena arena) throws IOException {
        return NpyFile.read(new ByteArrayInputStream(file), file.length, arena);
    }

    static byte[] write(Tensor tensor) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        NpyFile.write(tensor, out);
        return out.toByteArray();
    }
}
