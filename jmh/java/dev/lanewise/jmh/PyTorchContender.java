package dev.lanewise.jmh;

import java.util.function.Supplier;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.InferenceMode;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;

/** PyTorch's CPU operators by JavaCPP, on one thread and in inference mode, which records no gradients and so costs least. */
final class PyTorchContender implements Contender {
    private final InferenceMode inference = new InferenceMode(true);
    private Supplier<Tensor> operator;
    private Tensor answer;

    private PyTorchContender() {
        torch.set_num_threads(1);
    }

    /** {@code scaled_dot_product_attention}, which allocates its result at every call and has no form that does not. */
    static PyTorchContender attention(AttentionCall call) {
        PyTorchContender contender = new PyTorchContender();
        Tensor q = tensor(call.q(), 1, call.heads(), call.queries(), call.depth());
        Tensor k = tensor(call.k(), 1, call.heads(), call.keys(), call.depth());
        Tensor v = tensor(call.v(), 1, call.heads(), call.keys(), call.depth());
        TensorOptional noMask = new TensorOptional();
        DoubleOptional defaultScale = new DoubleOptional();
        contender.operator = () -> torch.scaled_dot_product_attention(q, k, v, noMask, 0, call.causal(), defaultScale,
                false);
        return contender;
    }

    /** {@code mm} into a given result. */
    static PyTorchContender multiply(MultiplyCall call) {
        PyTorchContender contender = new PyTorchContender();
        Tensor a = tensor(call.a(), call.rows(), call.inner());
        Tensor b = tensor(call.b(), call.inner(), call.columns());
        Tensor product = tensor(new float[call.rows() * call.columns()], call.rows(), call.columns());
        contender.operator = () -> torch.mm_out(product, a, b);
        return contender;
    }

    /** {@code softmax} into a given result. */
    static PyTorchContender softmax(SoftmaxCall call) {
        PyTorchContender contender = new PyTorchContender();
        Tensor input = tensor(call.input(), call.rows(), call.columns());
        Tensor weights = tensor(new float[call.rows() * call.columns()], call.rows(), call.columns());
        contender.operator = () -> torch.softmax_out(weights, input, -1);
        return contender;
    }

    private static Tensor tensor(float[] values, long... shape) {
        // A copy of its own, aligned as PyTorch aligns.
        return torch.from_blob(new FloatPointer(values), shape).clone();
    }

    @Override
    public void run() {
        if (answer != null) {
            answer.close();
        }
        answer = operator.get();
    }

    @Override
    public float[] result() {
        float[] values = new float[(int) answer.numel()];
        answer.contiguous().data_ptr_float().get(values);
        return values;
    }

    @Override
    public void close() {
        inference.close();
    }
}
