package dev.lanewise.jmh;

import org.openjdk.jmh.annotations.Param;

/** The projections of a small encoder: activations by weights that every packing contender has laid out beforehand. */
public class Projections extends Comparison {
    /** M x K x N. */
    @Param({"16x384x384", "64x384x384", "256x384x384", "16x384x1536", "64x384x1536", "256x384x1536"})
    public String call;

    /** Who computes it. */
    @Param({"lanewise-packed", "onnx-packed", "pytorch", "openblas"})
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
