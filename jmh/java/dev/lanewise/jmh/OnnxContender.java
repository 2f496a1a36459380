package dev.lanewise.jmh;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.function.UnaryOperator;

/**
 * ONNX Runtime on a model of one node. Inputs and the pinned output lie in direct buffers made once, so a run copies nothing that
 * the operator itself does not copy.
 */
final class OnnxContender implements Contender {
    private final OrtEnvironment environment = OrtEnvironment.getEnvironment();
    private final OrtSession session;
    private final Map<String, OnnxTensor> inputs = new HashMap<>();
    private final Map<String, OnnxTensor> outputs;
    private final FloatBuffer answer;
    /** From the operator's order of the answer to the call's. */
    private final UnaryOperator<float[]> order;

    private OnnxContender(byte[] model, Map<String, Operand> operands, long... outputShape) throws OrtException {
        this(model, operands, UnaryOperator.identity(), outputShape);
    }

    private OnnxContender(byte[] model, Map<String, Operand> operands, UnaryOperator<float[]> order,
            long... outputShape) throws OrtException {
        this.order = order;
        // The session's defaults, spelled out: all optimisations, arena and memory pattern on. One thread: none to spin.
        try (OrtSession.SessionOptions options = new OrtSession.SessionOptions()) {
            options.setIntraOpNumThreads(1);
            options.setInterOpNumThreads(1);
            options.setOptimizationLevel(OrtSession.SessionOptions.OptLevel.ALL_OPT);
            options.setCPUArenaAllocator(true);
            options.setMemoryPatternOptimization(true);
            session = environment.createSession(model, options);
        }
        for (Map.Entry<String, Operand> operand : operands.entrySet()) {
            FloatBuffer buffer = direct(operand.getValue().values.length).put(operand.getValue().values).rewind();
            inputs.put(operand.getKey(), OnnxTensor.createTensor(environment, buffer, operand.getValue().shape));
        }
        int count = 1;
        for (long size : outputShape) {
            count = Math.multiplyExact(count, (int) size);
        }
        answer = direct(count);
        outputs = Map.of("y", OnnxTensor.createTensor(environment, answer, outputShape));
    }

    private record Operand(float[] values, long... shape) {
    }

    /**
     * {@code com.microsoft.MultiHeadAttention} with the heads as its batch: inputs (heads, length, depth), which it need not transpose.
     */
    static OnnxContender multiHeadAttentionByBatch(AttentionCall call) throws OrtException {
        return attention(multiHeadAttention(1, call.causal()), call, call.heads());
    }

    /** {@code com.microsoft.MultiHeadAttention} as models use it, inputs (1, length, heads·depth); the faster of the two at times. */
    static OnnxContender multiHeadAttention(AttentionCall call) throws OrtException {
        long width = (long) call.heads() * call.depth();
        long[] query = {1, call.queries(), width};
        long[] key = {1, call.keys(), width};
        byte[] model = multiHeadAttention(call.heads(), call.causal()).input("q", query)
                .input("k", key)
                .input("v", key)
                .output(query);
        Map<String, Operand> operands = Map.of(
                "q", new Operand(Operands.swapAxes(call.q(), call.heads(), call.queries()), query),
                "k", new Operand(Operands.swapAxes(call.k(), call.heads(), call.keys()), key),
                "v", new Operand(Operands.swapAxes(call.v(), call.heads(), call.keys()), key));
        return new OnnxContender(model, operands, context -> Operands.swapAxes(context, call.queries(), call.heads()),
                query);
    }

    private static OnnxModel multiHeadAttention(int heads, boolean causal) {
        return new OnnxModel("com.microsoft", "MultiHeadAttention").attribute("num_heads", heads)
                .attribute("unidirectional", causal ? 1 : 0);
    }

    /** {@code Attention} of operator set 23, its inputs (batch, heads, length, depth). */
    static OnnxContender attention(AttentionCall call) throws OrtException {
        OnnxModel model = new OnnxModel("", "Attention").attribute("is_causal", call.causal() ? 1 : 0);
        return attention(model, call, 1, call.heads());
    }

    private static OnnxContender attention(OnnxModel model, AttentionCall call, long... leading) throws OrtException {
        long[] query = matrix(call.queries(), call.depth(), leading);
        long[] key = matrix(call.keys(), call.depth(), leading);
        byte[] bytes = model.input("q", query).input("k", key).input("v", key).output(query);
        return new OnnxContender(bytes, Map.of("q", new Operand(call.q(), query),
                "k", new Operand(call.k(), key), "v", new Operand(call.v(), key)), query);
    }

    private static long[] matrix(long rows, long columns, long... leading) {
        long[] shape = Arrays.copyOf(leading, leading.length + 2);
        shape[leading.length] = rows;
        shape[leading.length + 1] = columns;
        return shape;
    }

    /** {@code MatMul}; a right operand that is a constant of the model is packed when the session is made. */
    static OnnxContender multiply(MultiplyCall call, boolean pack) throws OrtException {
        long[] a = {call.rows(), call.inner()};
        long[] b = {call.inner(), call.columns()};
        long[] product = {call.rows(), call.columns()};
        OnnxModel model = new OnnxModel("", "MatMul").input("a", a);
        Operand left = new Operand(call.a(), a);
        if (pack) {
            return new OnnxContender(model.constant("b", call.b(), b).output(product), Map.of("a", left), product);
        }
        Map<String, Operand> operands = Map.of("a", left, "b", new Operand(call.b(), b));
        return new OnnxContender(model.input("b", b).output(product), operands, product);
    }

    /** {@code Softmax} along the last axis. */
    static OnnxContender softmax(SoftmaxCall call) throws OrtException {
        long[] shape = {call.rows(), call.columns()};
        byte[] model = new OnnxModel("", "Softmax").attribute("axis", -1).input("x", shape).output(shape);
        return new OnnxContender(model, Map.of("x", new Operand(call.input(), shape)), shape);
    }

    private static FloatBuffer direct(int count) {
        return ByteBuffer.allocateDirect(count * Float.BYTES).order(ByteOrder.nativeOrder()).asFloatBuffer();
    }

    @Override
    public void run() {
        try (OrtSession.Result _ = session.run(inputs, outputs)) {
            return;
        } catch (OrtException failure) {
            throw new IllegalStateException(failure);
        }
    }

    @Override
    public float[] result() {
        float[] values = new float[answer.capacity()];
        answer.get(0, values);
        return order.apply(values);
    }

    @Override
    public void close() {
        try {
            inputs.values().forEach(OnnxTensor::close);
            outputs.values().forEach(OnnxTensor::close);
            session.close();
        } catch (OrtException failure) {
            throw new IllegalStateException(failure);
        }
    }
}
