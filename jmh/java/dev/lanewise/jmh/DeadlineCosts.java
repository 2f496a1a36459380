package dev.lanewise.jmh;

import org.openjdk.jmh.annotations.Param;

/** What it costs that an interrupt or a deadline can end a call: its time as a ratio to that of one which nothing ends. */
public class DeadlineCosts extends Comparison {
    /** An operation and its call, as the topic of that operation has it. */
    @Param({"attention-12x128x64", "attention-12x512x64", "decode-4x1x512x64", "decode-32x1x4096x128",
        "multiply-64x64x64", "multiply-512x512x512", "softmax-256x1024", "softmax-1x1000000"})
    public String call;

    /** What can end it: nothing, an interrupt, or that and a deadline. */
    @Param({"plain", "interrupt", "deadline"})
    public String contender;

    @Override
    Contender load() {
        return call().contender(contender);
    }

    @Override
    EndableCall call() {
        return EndableCall.parse(call);
    }
}
