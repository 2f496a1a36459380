package dev.lanewise.jmh;

import org.openjdk.jmh.annotations.Param;

/** One new query a head against a long sequence: the limit is how fast keys and values can be read. */
public class Decode extends Comparison {
    /** H x Lq x Lk x D. */
    @Param({"32x1x4096x128", "32x1x32768x128", "4x1x512x64"})
    public String call;

    /**
     * Who computes it. Lanewise alone reads float32 tensors; the others a cache: contiguous of some type, in pages of 16 tokens in random
     * order, of fewer key/value heads, or on two threads.
     */
    @Param({"lanewise", "lanewise-cache", "lanewise-bfloat16", "lanewise-float16", "lanewise-int8", "lanewise-paged16",
        "lanewise-8kv", "lanewise-4kv", "lanewise-1kv", "lanewise-2threads", "onnx-mha", "onnx-attention", "pytorch"})
    public String contender;

    @Override
    Contender load() throws Exception {
        return call().contender(contender);
    }

    @Override
    Call call() {
        return new DecodeCall(AttentionCall.parse(call, false), contender);
    }

    static DecodeCall parse(String text) {
        return new DecodeCall(AttentionCall.parse(text, false), "lanewise");
    }
}
