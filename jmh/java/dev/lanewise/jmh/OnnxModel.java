package dev.lanewise.jmh;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/**
 * Writes an ONNX model of one node as a protocol buffer: float32 inputs and one float32 output "y" of fixed shapes. Field numbers
 * are those of onnx.proto3.
 */
final class OnnxModel {
    private static final int IR_VERSION = 11;
    private static final int OPERATOR_SET = 23;
    private static final int MICROSOFT_OPERATOR_SET = 1;
    private static final int FLOAT = 1;
    private static final int ATTRIBUTE_IS_INT = 2;

    private final Message node = new Message();
    private final Message graph = new Message();
    private final String domain;

    /** A node of the standard domain, "", or of another. */
    OnnxModel(String domain, String operator) {
        this.domain = domain;
        node.text(4, operator).text(7, domain);
    }

    OnnxModel attribute(String name, long value) {
        node.message(5, new Message().text(1, name).number(3, value).number(20, ATTRIBUTE_IS_INT));
        return this;
    }

    OnnxModel input(String name, long... shape) {
        node.text(1, name);
        graph.message(11, value(name, shape));
        return this;
    }

    /** An input that is part of the model: it may be packed when the session is made. */
    OnnxModel constant(String name, float[] values, long... shape) {
        node.text(1, name);
        ByteBuffer raw = ByteBuffer.allocate(values.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        raw.asFloatBuffer().put(values);
        Message tensor = new Message().number(2, FLOAT).text(8, name).block(9, raw.array());
        for (long size : shape) {
            tensor.number(1, size);
        }
        graph.message(5, tensor);
        return this;
    }

    /** The model's bytes, for a session. */
    byte[] output(long... shape) {
        node.text(2, "y");
        graph.text(2, "graph").message(1, node).message(12, value("y", shape));
        Message model = new Message().number(1, IR_VERSION).message(7, graph).message(8, operators("", OPERATOR_SET));
        if (!domain.isEmpty()) {
            model.message(8, operators(domain, MICROSOFT_OPERATOR_SET));
        }
        return model.bytes.toByteArray();
    }

    private static Message operators(String domain, int version) {
        return new Message().text(1, domain).number(2, version);
    }

    private static Message value(String name, long[] shape) {
        Message dimensions = new Message();
        for (long size : shape) {
            dimensions.message(1, new Message().number(1, size));
        }
        Message tensor = new Message().number(1, FLOAT).message(2, dimensions);
        return new Message().text(1, name).message(2, new Message().message(1, tensor));
    }

    /** The wire format: each field a varint key, then a varint (wire type 0) or a length and bytes (wire type 2). */
    private static final class Message {
        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

        private Message number(int field, long value) {
            varint((long) field << 3);
            varint(value);
            return this;
        }

        private Message text(int field, String value) {
            return block(field, value.getBytes(StandardCharsets.UTF_8));
        }

        private Message message(int field, Message value) {
            return block(field, value.bytes.toByteArray());
        }

        private Message block(int field, byte[] value) {
            varint((long) field << 3 | 2);
            varint(value.length);
            bytes.writeBytes(value);
            return this;
        }

        private void varint(long value) {
            for (long rest = value;; rest >>>= 7) {
                if (rest >>> 7 == 0) {
                    bytes.write((int) rest);
                    return;
                }
                bytes.write((int) (rest & 0x7f | 0x80));
            }
        }
    }
}
