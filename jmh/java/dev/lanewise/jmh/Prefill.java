package dev.lanewise.jmh;

import org.openjdk.jmh.annotations.Param;

/** Dense attention at the lengths of a prompt, an encoder and a vision model. */
public class Prefill extends Comparison {
    /** B·H x L x D. */
    @Param({"12x128x64", "12x512x64", "8x2048x64", "8x1024x128", "12x384x32", "16x577x80"})
    public String call;

    /** Who computes it. */
    @Param({"lanewise", "onnx-mha", "onnx-mha-batch", "onnx-attention", "pytorch", "plain-java"})
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
