package dev.lanewise.onnx;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.lanewise.Kernel;
import dev.lanewise.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * One entry of the suite's manifest. Inputs and outputs are named in the operator's order, absent ones by an empty
 * name.
 */
record ConformanceCase(@JsonProperty("case") String name, int opset, Map<String, Double> attributes,
        List<String> inputs, List<String> outputs, double rtol, double atol) {
    static List<ConformanceCase> readAll(Path suite) throws IOException {
        return List.of(new ObjectMapper().readValue(suite.resolve("manifest.json").toFile(), ConformanceCase[].class));
    }

    /** Runs the node on the stored inputs and compares all of its outputs with the stored ones. */
    void check(Path suite, Kernel kernel) throws IOException {
        Path data = suite.resolve(name).resolve("test_data_set_0");
        try (Arena arena = Arena.ofConfined()) {
            Map<String, Tensor> stored = read(arena, data, "input_", inputs);
            NodeInputs operands = new NodeInputs(stored.get("Q"), stored.get("K"), stored.get("V"),
                    stored.get("attn_mask"), stored.get("past_key"), stored.get("past_value"),
                    stored.get("nonpad_kv_seqlen"));
            NodeOutputs results = new OnnxAttention(new NodeAttributes(opset, attributes), kernel).run(arena, operands,
                    outputs.contains("qk_matmul_output"));
            Map<String, Tensor> expected = read(arena, data, "output_", outputs);
            expected.forEach((output, values) -> new Tolerance(rtol, atol).check(name + " " + output, values,
                    results.named(output)));
        }
    }

    /** As many files as there are names, by those names. */
    private static Map<String, Tensor> read(Arena arena, Path data, String prefix, List<String> names)
            throws IOException {
        List<String> present = names.stream().filter(name -> !name.isEmpty()).toList();
        Map<String, Tensor> tensors = new HashMap<>();
        for (int n = 0; n < present.size(); n++) {
            TensorProto proto = TensorProto.read(data.resolve(prefix + n + ".pb"));
            tensors.put(proto.name(), proto.tensor(arena));
        }
        present.forEach(name -> assertNotNull(tensors.get(name), name));
        try (var files = Files.list(data)) {
            assertEquals(present.size(), files.filter(f -> f.getFileName().toString().startsWith(prefix)).count());
        }
        return tensors;
    }
}
