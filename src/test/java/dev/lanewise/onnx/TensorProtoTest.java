package dev.lanewise.onnx;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lanewise.ElementType;
import dev.lanewise.Tensor;
import java.lang.foreign.Arena;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TensorProtoTest {
    /** Dims (1, 2), float, name «Q», 1.0 and −2.0. */
    private static final String FLOATS = "0801 0802 1001 420151 4a08 0000803f 000000c0";

    private static TensorProto parse(String hex) {
        return TensorProto.parse(HexFormat.of().parseHex(hex.replace(" ", "")));
    }

    @Test
    void readsFloats() {
        try (Arena arena = Arena.ofConfined()) {
            TensorProto proto = parse(FLOATS);
            Tensor tensor = proto.tensor(arena);
            assertEquals("Q", proto.name());
            assertEquals(ElementType.FLOAT32, tensor.type());
            assertArrayEquals(new long[]{1, 2}, tensor.shape());
            assertArrayEquals(new float[]{1, -2}, tensor.toFloats());
        }
    }

    @ParameterizedTest
    @CsvSource({"0a020102 1001 4a08 0000803f 000000c0, FLOAT32, 1, -2", "0801 0802 1009 4a02 0001, BOOL, 0, 1",
        "0801 0802 100a 4a04 003c 00c0, FLOAT16, 1, -2",
        "0801 0802 1007 4a10 0300000000000000 feffffffffffffff, INT32, 3, -2"})
    void readsEveryTypeAndPackedDims(String hex, ElementType type, float first, float second) {
        try (Arena arena = Arena.ofConfined()) {
            Tensor tensor = parse(hex).tensor(arena);
            assertEquals(type, tensor.type());
            assertArrayEquals(new long[]{1, 2}, tensor.shape());
            assertArrayEquals(new float[]{first, second}, tensor.toFloats());
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "0801 1010 4202 7131 4a02 803f | q1: data_type 16, wanted float (1), int64 (7), bool (9) or float16 (10)",
        "0802 1001 4a04 0000803f | : raw_data of 4 bytes, wanted 8 for dims [2]",
        "0801 25 0000803f | TensorProto: field 4 of wire type 5, wanted dims, data_type, name and raw_data only",
        "0801 1001 4a05 0000803f | protobuf: a field of 5 bytes, wanted at most the 4 that are left",
        "0801 1001 4a | protobuf: ends within a varint, wanted its last byte",
        "08 ffffffffffffffffffffff01 | protobuf: a varint of more than 10 bytes, wanted at most 10"})
    void refusesWhatTheSuiteDoesNotHave(String hex, String message) {
        try (Arena arena = Arena.ofConfined()) {
            assertEquals(message,
                    assertThrows(IllegalArgumentException.class, () -> parse(hex).tensor(arena)).getMessage());
        }
    }

    @Test
    void refusesAnInt64ThatIsNoInt32() {
        try (Arena arena = Arena.ofConfined()) {
            TensorProto proto = parse("0801 1007 4a08 0000000001000000");
            assertThrows(ArithmeticException.class, () -> proto.tensor(arena));
        }
    }
}
