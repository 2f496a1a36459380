package dev.lanewise.jmh;

import org.openjdk.jmh.annotations.Param;

/** Square matrix multiply. Contenders named packed have the right operand in their own layout beforehand, as for weights. */
public class MatrixMultiply extends Comparison {
    /** M x K x N. */
    @Param({"64x64x64", "128x128x128", "256x256x256", "512x512x512", "1024x1024x1024"})
    public String call;

    /** Who computes it. */
    @Param({"lanewise", "lanewise-packed", "onnx", "onnx-packed", "pytorch", "openblas", "jlama", "plain-java"})
    public String contender;

    @Override
    Contender load() throws Exception {
        return call().contender(contender);
    }

    @Override
    Call call() {
        return MultiplyCall.parse(call);
    }
}
