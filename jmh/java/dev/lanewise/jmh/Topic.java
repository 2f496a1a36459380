package dev.lanewise.jmh;

import java.util.List;
import java.util.function.Function;

/** What is compared: a benchmark class, how to read its calls, which machine limit bounds it, and its calls in a quick run. */
enum Topic {
    // @formatter:off: one constant a paragraph
    PREFILL(Prefill.class, "Attention", call -> AttentionCall.parse(call, false), true,
            List.of("12x128x64", "12x512x64")),
    CAUSAL_PREFILL(CausalPrefill.class, "Causal attention", call -> AttentionCall.parse(call, true), true,
            List.of("12x512x64")),
    SEQUENCE_LENGTH(SequenceLength.class, "Attention against the sequence length",
            call -> AttentionCall.parse(call, false), true, List.of()),
    TINY_CALLS(TinyCalls.class, "Attention, tiny calls", call -> AttentionCall.parse(call, false), true,
            List.of("12x8x8x64")),
    MATRIX_MULTIPLY(MatrixMultiply.class, "Matrix multiply", MultiplyCall::parse, true, List.of("256x256x256")),
    PROJECTIONS(Projections.class, "Projections", MultiplyCall::parse, true, List.of("64x384x384")),
    THREADS(Threads.class, "Attention on one and two threads", Threads::parse, true, List.of()),
    DECODE(Decode.class, "Decoding", Decode::parse, false, List.of("4x1x512x64")),
    QUERY_ROWS(QueryRows.class, "Attention of some queries over a cache", call -> AttentionCall.parse(call, false), true,
            List.of()),
    CACHE_APPEND(CacheAppend.class, "Appending a token to a cache", CacheAppend::parse, false, List.of()),
    OPTION_COSTS(OptionCosts.class, "Attention with options", call -> OptionCall.parse(call, "plain"), true, List.of()),
    DEADLINE_COSTS(DeadlineCosts.class, "Calls that can be ended", EndableCall::parse, true, List.of()),
    SOFTMAX_ROWS(SoftmaxRows.class, "Softmax of rows", SoftmaxCall::parse, false, List.of("256x1024"));
    // @formatter:on

    final Class<? extends Comparison> benchmark;
    final String title;
    /** Work is floating-point operations, bounded by the FMA peak; otherwise bytes, bounded by the read stream. */
    final boolean computes;
    /** None: not part of a quick run. */
    final List<String> quickCalls;
    private final Function<String, Call> parser;

    Topic(Class<? extends Comparison> benchmark, String title, Function<String, Call> parser, boolean computes,
            List<String> quickCalls) {
        this.benchmark = benchmark;
        this.title = title;
        this.parser = parser;
        this.computes = computes;
        this.quickCalls = quickCalls;
    }

    Call call(String text) {
        return parser.apply(text);
    }

    /** The unit of work per nanosecond. */
    String unit() {
        return computes ? "GFLOP/s" : "GB/s";
    }
}
