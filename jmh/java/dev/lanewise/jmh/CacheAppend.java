package dev.lanewise.jmh;

import org.openjdk.jmh.annotations.Param;

/** What a decoding step adds to a cache: one token of every key/value head, converted to the type of the cache. */
public class CacheAppend extends Comparison {
    /** H x 1 x L x D: heads, the tokens of an append, how many the cache holds before it starts anew, depth. */
    @Param("32x1x512x128")
    public String call;

    /** The type of the cache. */
    @Param({"lanewise-cache", "lanewise-bfloat16", "lanewise-float16", "lanewise-int8"})
    public String contender;

    @Override
    Contender load() {
        return new LanewiseAppend(call());
    }

    @Override
    DecodeCall call() {
        return new DecodeCall(AttentionCall.parse(call, false), contender, 1);
    }

    static DecodeCall parse(String text) {
        return new DecodeCall(AttentionCall.parse(text, false), "lanewise-cache", 1);
    }
}
