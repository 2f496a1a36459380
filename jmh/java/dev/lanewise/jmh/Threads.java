package dev.lanewise.jmh;

import org.openjdk.jmh.annotations.Param;

/** One attention on one thread and on two, which should take half the time if the machine has two cores. */
public class Threads extends Comparison {
    /** B·H x L x D, dense or causal. */
    @Param({"8x2048x64", "8x2048x64-causal"})
    public String call;

    /** How many threads. */
    @Param({"lanewise-1", "lanewise-2"})
    public String contender;

    @Override
    Contender load() throws Exception {
        return call().contender(contender);
    }

    @Override
    Call call() {
        return parse(call);
    }

    static AttentionCall parse(String text) {
        String suffix = "-causal";
        return text.endsWith(suffix)
                ? AttentionCall.parse(text.substring(0, text.length() - suffix.length()), true)
                : AttentionCall.parse(text, false);
    }
}
