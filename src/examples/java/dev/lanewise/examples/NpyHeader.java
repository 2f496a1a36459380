package dev.lanewise.examples;

import dev.lanewise.ElementType;
import dev.lanewise.Tensor;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.stream.Collectors;
import java.util.stream.LongStream;

/**
 * What stands before the data of an .npy file: magic, version, length, and a dictionary of type, order and shape.
 *
 * @param type of the elements
 * @param shape of the array
 * @param bytes the header's own size in the file
 */
record NpyHeader(ElementType type, long[] shape, int bytes) {
    private static final byte[] MAGIC = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y'};
    private static final int VERSION_BYTES = 2;
    /** NumPy's own headers of plain types are below 1500 bytes even at 64 axes. */
    private static final int MAX_DICTIONARY = 1 << 16;
    /** NumPy pads so that the data can be mapped with this alignment. */
    private static final int ALIGNMENT = 64;

    static NpyHeader read(InputStream in) throws IOException {
        byte[] start = in.readNBytes(MAGIC.length + VERSION_BYTES);
        int known = Math.min(start.length, MAGIC.length);
        if (!Arrays.equals(start, 0, known, MAGIC, 0, known)) {
            throw new NpyException("not an .npy file: it does not start with \\x93NUMPY");
        }
        requireLength(start, MAGIC.length + VERSION_BYTES);
        int lengthBytes = lengthBytes(start[MAGIC.length] & 0xff, start[MAGIC.length + 1] & 0xff);
        byte[] lengthField = in.readNBytes(lengthBytes);
        requireLength(lengthField, lengthBytes);
        long length = 0;
        for (int i = lengthBytes - 1; i >= 0; i--) {
            length = length << 8 | lengthField[i] & 0xff;
        }
        if (length > MAX_DICTIONARY) {
            throw new NpyException("oversized header: " + length + " bytes, wanted at most " + MAX_DICTIONARY);
        }
        byte[] text = in.readNBytes((int) length);
        requireLength(text, (int) length);
        NpyHeader header = of(NpyDictionary.parse(text), start.length + lengthBytes + text.length);
        header.dataBytes();
        return header;
    }

    /** A 2-byte length since version 1.0, 4 bytes since 2.0; 3.0 only allows names of fields in UTF-8. */
    private static int lengthBytes(int major, int minor) throws NpyException {
        if (minor != 0 || major < 1 || major > 3) {
            throw new NpyException("format version " + major + "." + minor + ", wanted 1.0, 2.0 or 3.0");
        }
        return major == 1 ? 2 : 4;
    }

    private static void requireLength(byte[] read, int wanted) throws NpyException {
        if (read.length < wanted) {
            throw new NpyException("truncated in the header");
        }
    }

    private static NpyHeader of(NpyDictionary dictionary, int bytes) throws NpyException {
        String descr = dictionary.descr();
        ElementType type = switch (descr) {
            case "<f4" -> ElementType.FLOAT32;
            case "|b1" -> ElementType.BOOL;
            default -> throw new NpyException(
                    (descr.startsWith(">") ? "big-endian type '" : "type '") + descr
                            + "', wanted '<f4' (float32) or '|b1' (bool)");
        };
        if (dictionary.fortranOrder()) {
            throw new NpyException("Fortran order, wanted C order");
        }
        return new NpyHeader(type, dictionary.shape(), bytes);
    }

    /** The size of the data; an axis of size 0 does not excuse the others from fitting 64 bits. */
    long dataBytes() throws NpyException {
        long bytes = type.bytes();
        boolean empty = false;
        try {
            for (long size : shape) {
                empty |= size == 0;
                bytes = Math.multiplyExact(bytes, Math.max(1, size));
            }
        } catch (ArithmeticException _) {
            throw new NpyException("shape " + shapeText(shape) + " has more bytes than 64 bits can count");
        }
        return empty ? 0 : bytes;
    }

    /** The header that NumPy writes for the tensor: version 1.0, whose limit of 65535 bytes no plain type reaches. */
    static byte[] encode(Tensor tensor) {
        String descr = switch (tensor.type()) {
            case FLOAT32 -> "<f4";
            case BOOL -> "|b1";
            default -> throw new IllegalArgumentException("tensor: " + tensor.type() + ", wanted FLOAT32 or BOOL");
        };
        String text = "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shapeText(tensor.shape())
                + ", }";
        int start = MAGIC.length + VERSION_BYTES + 2;
        int total = Math.ceilDiv(start + text.length() + 1, ALIGNMENT) * ALIGNMENT;
        byte[] header = new byte[total];
        Arrays.fill(header, (byte) ' ');
        System.arraycopy(MAGIC, 0, header, 0, MAGIC.length);
        header[MAGIC.length] = 1;
        header[MAGIC.length + 1] = 0;
        header[start - 2] = (byte) (total - start);
        header[start - 1] = (byte) (total - start >> 8);
        System.arraycopy(text.getBytes(StandardCharsets.US_ASCII), 0, header, start, text.length());
        header[total - 1] = '\n';
        return header;
    }

    /** A Python tuple: (), (3,), (2, 3). */
    static String shapeText(long[] shape) {
        return LongStream.of(shape)
                .mapToObj(Long::toString)
                .collect(Collectors.joining(", ", "(", shape.length == 1 ? ",)" : ")"));
    }
}
