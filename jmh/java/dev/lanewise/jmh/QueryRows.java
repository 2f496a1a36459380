package dev.lanewise.jmh;

import org.openjdk.jmh.annotations.Param;

/** Some new queries a head against a long sequence: the time for each should fall or stay level as they get more. */
public class QueryRows extends Comparison {
    /** H x Lq x Lk x D. */
    @Param({"32x1x4096x128", "32x2x4096x128", "32x3x4096x128", "32x4x4096x128", "32x6x4096x128", "32x8x4096x128",
        "32x12x4096x128", "32x16x4096x128", "32x24x4096x128", "32x32x4096x128", "32x48x4096x128", "32x63x4096x128",
        "32x64x4096x128"})
    public String call;

    /** Who computes it: Lanewise over a contiguous float32 cache, PyTorch over tensors. */
    @Param({"lanewise-cache", "pytorch"})
    public String contender;

    @Override
    Contender load() throws Exception {
        return call().contender(contender);
    }

    @Override
    DecodeCall call() {
        return new DecodeCall(AttentionCall.parse(call, false), contender);
    }
}
