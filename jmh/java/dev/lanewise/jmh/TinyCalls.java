package dev.lanewise.jmh;

import org.openjdk.jmh.annotations.Param;

/** Attention so small that the call itself is what costs. */
public class TinyCalls extends Comparison {
    /** B·H x Lq x Lk x D. */
    @Param({"2x3x5x4", "12x8x8x64", "1x1x128x64"})
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
