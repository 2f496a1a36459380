package dev.lanewise.jmh;

import org.openjdk.jmh.annotations.Param;

/** Softmax along rows of three lengths, of matrices of one size: 1 MiB in and 1 MiB out, so within a cache of the core's own. */
public class SoftmaxRows extends Comparison {
    /** Rows x columns. */
    @Param({"2048x128", "256x1024", "16x16384"})
    public String call;

    /** Who computes it. */
    @Param({"lanewise", "onnx", "pytorch", "plain-java"})
    public String contender;

    @Override
    Contender load() throws Exception {
        return call().contender(contender);
    }

    @Override
    Call call() {
        return SoftmaxCall.parse(call);
    }
}
