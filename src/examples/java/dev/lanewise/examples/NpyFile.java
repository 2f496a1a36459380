package dev.lanewise.examples;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;

import dev.lanewise.ElementType;
import dev.lanewise.Tensor;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;

/** NumPy's .npy files of float32 and bool in C order, read into off-heap tensors and written from them. */
final class NpyFile {
    private static final int CHUNK = 1 << 16;
    /** One cache line: what the vector kernels like best. */
    private static final long ALIGNMENT = 64;

    private NpyFile() {
    }

    /**
     * Reads a whole file.
     *
     * @throws IOException if it cannot be read; an {@link NpyException} if its content is at fault
     */
    static Tensor read(Path file, Arena arena) throws IOException {
        BasicFileAttributes attributes = Files.readAttributes(file, BasicFileAttributes.class);
        if (!attributes.isRegularFile()) {
            throw new NpyException("not a regular file");
        }
        try (InputStream in = Files.newInputStream(file)) {
            return read(in, attributes.size(), arena);
        }
    }

    /**
     * Reads a stream of known size, which bounds what is allocated whatever shape the header claims.
     *
     * @throws IOException if it cannot be read; an {@link NpyException} if its content is at fault
     */
    static Tensor read(InputStream in, long size, Arena arena) throws IOException {
        NpyHeader header = NpyHeader.read(in);
        long needed = header.dataBytes();
        long present = size - header.bytes();
        if (present < needed) {
            throw truncated(needed, present);
        }
        if (present > needed) {
            throw new NpyException((present - needed) + " bytes after the array's end");
        }
        MemorySegment data = allocate(arena, needed);
        fill(data, needed, header.type(), in);
        return Tensor.of(data, header.type(), header.shape());
    }

    private static NpyException truncated(long needed, long present) {
        return new NpyException("truncated: " + present + " bytes of data, the shape needs " + needed);
    }

    private static MemorySegment allocate(Arena arena, long bytes) throws NpyException {
        try {
            return arena.allocate(Math.max(1, bytes), ALIGNMENT);
        } catch (OutOfMemoryError _) {
            throw new NpyException(bytes + " bytes of data, more than this JVM may allocate off-heap");
        }
    }

    private static void fill(MemorySegment data, long bytes, ElementType type, InputStream in) throws IOException {
        byte[] chunk = new byte[CHUNK];
        for (long done = 0; done < bytes; done += CHUNK) {
            int wanted = (int) Math.min(CHUNK, bytes - done);
            int count = in.readNBytes(chunk, 0, wanted);
            if (count < wanted) {
                throw truncated(bytes, done + count);
            }
            copy(MemorySegment.ofArray(chunk), inFile(type), 0, data, inMemory(type), done, wanted);
        }
        if (in.read() >= 0) {
            throw new NpyException("the file grew while it was read");
        }
    }

    /** Writes a tensor whose elements lie in C order without gaps. */
    static void write(Tensor tensor, OutputStream out) throws IOException {
        long expected = 1;
        for (int axis = tensor.rank() - 1; axis >= 0; axis--) {
            if (tensor.size(axis) > 1 && tensor.stride(axis) != expected) {
                throw new IllegalArgumentException("tensor: " + tensor + ", wanted C order");
            }
            expected *= Math.max(1, tensor.size(axis));
        }
        out.write(NpyHeader.encode(tensor));
        byte[] chunk = new byte[CHUNK];
        long bytes = tensor.elementCount() * tensor.type().bytes();
        for (long done = 0; done < bytes; done += CHUNK) {
            int count = (int) Math.min(CHUNK, bytes - done);
            copy(tensor.segment(), inMemory(tensor.type()), tensor.byteOffset() + done, MemorySegment.ofArray(chunk),
                    inFile(tensor.type()), 0, count);
            out.write(chunk, 0, count);
        }
    }

    /** Between two layouts of different byte order this swaps. */
    private static void copy(MemorySegment from, ValueLayout fromLayout, long fromByte, MemorySegment to,
            ValueLayout toLayout, long toByte, int bytes) {
        MemorySegment.copy(from, fromLayout, fromByte, to, toLayout, toByte, bytes / fromLayout.byteSize());
    }

    /** Bits are moved, not numbers, so that no NaN changes. */
    private static ValueLayout inMemory(ElementType type) {
        return type == ElementType.BOOL ? JAVA_BYTE : JAVA_INT_UNALIGNED;
    }

    private static ValueLayout inFile(ElementType type) {
        return type == ElementType.BOOL ? JAVA_BYTE : JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    }
}
