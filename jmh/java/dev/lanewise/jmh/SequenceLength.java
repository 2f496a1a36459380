package dev.lanewise.jmh;

import org.openjdk.jmh.annotations.Param;

/** Dense attention against the sequence length: its time should grow with the square. */
public class SequenceLength extends Comparison {
    /** B·H x L x D. */
    @Param({"8x512x64", "8x1024x64", "8x2048x64", "8x4096x64", "8x8192x64"})
    public String call;

    /** Who computes it. */
    @Param({"lanewise", "onnx-mha", "onnx-mha-batch", "onnx-attention", "pytorch"})
    public String contender;

    @Override
    Contender load() throws Exception {
        return call().contender(contender);
    }

    @Override
    Call call() {
        return AttentionCall.parse(call, false);
    }
}
