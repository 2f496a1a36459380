package dev.lanewise.onnx;

import dev.lanewise.ElementType;
import dev.lanewise.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * ONNX's TensorProto message (onnx.proto), as far as the conformance cases use it: dims, data_type, name and raw_data.
 * Any other field, and any type but those below, is refused rather than skipped.
 */
record TensorProto(String name, int dataType, long[] dims, byte[] rawData) {
    private static final int FLOAT = 1;
    private static final int INT64 = 7;
    private static final int BOOL = 9;
    private static final int FLOAT16 = 10;

    static TensorProto read(Path file) throws IOException {
        return parse(Files.readAllBytes(file));
    }

    static TensorProto parse(byte[] message) {
        ProtobufReader reader = new ProtobufReader(message);
        List<Long> dims = new ArrayList<>();
        int dataType = 0;
        String name = "";
        byte[] rawData = {};
        while (reader.hasNext()) {
            int tag = reader.tag();
            switch (tag) {
                case 1 << 3 | ProtobufReader.VARINT -> dims.add(reader.varint());
                case 1 << 3 | ProtobufReader.LENGTH_DELIMITED -> {
                    ProtobufReader packed = new ProtobufReader(reader.bytes());
                    while (packed.hasNext()) {
                        dims.add(packed.varint());
                    }
                }
                case 2 << 3 | ProtobufReader.VARINT -> dataType = Math.toIntExact(reader.varint());
                case 8 << 3 | ProtobufReader.LENGTH_DELIMITED -> name = new String(reader.bytes(),
                        StandardCharsets.UTF_8);
                case 9 << 3 | ProtobufReader.LENGTH_DELIMITED -> rawData = reader.bytes();
                default -> throw new IllegalArgumentException("TensorProto: field " + (tag >>> 3) + " of wire type "
                        + (tag & 7) + ", wanted dims, data_type, name and raw_data only");
            }
        }
        return new TensorProto(name, dataType, dims.stream().mapToLong(Long::longValue).toArray(), rawData);
    }

    /** The values; int64 becomes INT32, which is what Lanewise takes lengths in, if it fits. */
    Tensor tensor(Arena arena) {
        ElementType type = switch (dataType) {
            case FLOAT -> ElementType.FLOAT32;
            case INT64 -> ElementType.INT32;
            case BOOL -> ElementType.BOOL;
            case FLOAT16 -> ElementType.FLOAT16;
            default -> throw new IllegalArgumentException(name + ": data_type " + dataType
                    + ", wanted float (1), int64 (7), bool (9) or float16 (10)");
        };
        Tensor tensor = Tensor.allocate(arena, type, dims);
        long wanted = tensor.elementCount() * (dataType == INT64 ? Long.BYTES : type.bytes());
        if (rawData.length != wanted) {
            throw new IllegalArgumentException(name + ": raw_data of " + rawData.length + " bytes, wanted " + wanted
                    + " for dims " + Arrays.toString(dims));
        }
        MemorySegment.copy(nativeOrder(), 0, tensor.segment(), 0, tensor.elementCount() * type.bytes());
        return tensor;
    }

    private MemorySegment nativeOrder() {
        ByteBuffer little = ByteBuffer.wrap(rawData).order(ByteOrder.LITTLE_ENDIAN);
        return switch (dataType) {
            case FLOAT -> {
                int[] bits = new int[rawData.length / Float.BYTES];
                little.asIntBuffer().get(bits);
                yield MemorySegment.ofArray(bits);
            }
            case INT64 -> {
                long[] values = new long[rawData.length / Long.BYTES];
                little.asLongBuffer().get(values);
                yield MemorySegment.ofArray(Arrays.stream(values).mapToInt(Math::toIntExact).toArray());
            }
            case FLOAT16 -> {
                short[] bits = new short[rawData.length / Short.BYTES];
                little.asShortBuffer().get(bits);
                yield MemorySegment.ofArray(bits);
            }
            default -> MemorySegment.ofArray(rawData);
        };
    }
}
