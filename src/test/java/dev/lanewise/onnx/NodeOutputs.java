package dev.lanewise.onnx;

import dev.lanewise.Tensor;

/** The outputs of an Attention node; qkMatmulOutput is null unless asked for. */
record NodeOutputs(Tensor y, Tensor presentKey, Tensor presentValue, Tensor qkMatmulOutput) {
    Tensor named(String name) {
        return switch (name) {
            case "Y" -> y;
            case "present_key" -> presentKey;
            case "present_value" -> presentValue;
            case "qk_matmul_output" -> qkMatmulOutput;
            default -> throw new IllegalArgumentException(name + ": no output of Attention");
        };
    }
}
