package dev.lanewise.jmh;

import org.openjdk.jmh.annotations.Param;

/** What an option of the operator costs: its time as a ratio to that of the plain call. */
public class OptionCosts extends Comparison {
    /** H x L x D. */
    @Param({"8x2048x64"})
    public String call;

    /** The options, joined by a plus. */
    @Param({"plain", "causal", "window", "length", "softcap", "alibi", "additive", "boolean", "lse", "bfloat16",
        "causal+softcap", "window+alibi", "length+additive", "causal+boolean+bfloat16",
        "window+softcap+alibi+additive+lse+bfloat16"})
    public String contender;

    @Override
    Contender load() {
        return call().contender(contender);
    }

    @Override
    OptionCall call() {
        return OptionCall.parse(call, contender);
    }
}
