package dev.lanewise.onnx;

import java.util.Map;
import java.util.Set;

/** The attributes of one Attention node by their ONNX names; those that its opset does not have are refused. */
record NodeAttributes(int opset, Map<String, Double> values) {
    private static final Set<String> SINCE_23 = Set.of("is_causal", "kv_num_heads", "q_num_heads",
            "qk_matmul_output_mode", "scale", "softcap", "softmax_precision");
    private static final Set<String> SINCE_25 = Set.of("left_window_size", "right_window_size");

    NodeAttributes {
        if (opset < 23 || opset > 25) {
            throw new IllegalArgumentException("opset: " + opset + ", wanted 23 to 25");
        }
        for (String name : values.keySet()) {
            if (!SINCE_23.contains(name) && !(opset >= 25 && SINCE_25.contains(name))) {
                throw new IllegalArgumentException(name + ": no attribute of Attention in opset " + opset);
            }
        }
    }

    boolean has(String name) {
        return values.containsKey(name);
    }

    double number(String name, double otherwise) {
        return values.getOrDefault(name, otherwise);
    }

    int integer(String name, int otherwise) {
        return (int) number(name, otherwise);
    }
}
