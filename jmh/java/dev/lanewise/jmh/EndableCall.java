package dev.lanewise.jmh;

import dev.lanewise.Execution;
import java.util.concurrent.TimeUnit;

/** A call that nothing can end, or an interrupt, or an interrupt and a deadline. */
record EndableCall(Call call) implements Call {
    /** Reads an operation and its call, such as attention-12x128x64. */
    static EndableCall parse(String text) {
        String[] words = text.split("-", 2);
        return new EndableCall(switch (words[0]) {
            case "attention" -> AttentionCall.parse(words[1], false);
            case "decode" -> new DecodeCall(AttentionCall.parse(words[1], false), "lanewise-cache");
            case "multiply" -> MultiplyCall.parse(words[1]);
            case "softmax" -> SoftmaxCall.parse(words[1]);
            default -> throw new IllegalArgumentException("call: " + text);
        });
    }

    @Override
    public double work() {
        return call.work();
    }

    @Override
    public Contender contender(String name) {
        Execution execution = switch (name) {
            case "plain" -> Execution.here().uninterruptible();
            case "interrupt" -> Execution.here();
            case "deadline" -> Execution.here().withDeadline(System.nanoTime() + TimeUnit.DAYS.toNanos(1));
            default -> throw new IllegalArgumentException("contender: " + name);
        };
        return switch (call) {
            case AttentionCall attention -> LanewiseAttention.of(attention, execution);
            case DecodeCall decode -> LanewiseDecode.of(decode, execution);
            case MultiplyCall multiply -> new LanewiseMultiply(multiply, false, execution);
            case SoftmaxCall softmax -> new LanewiseSoftmax(softmax, execution);
            default -> throw new IllegalArgumentException("call: " + call);
        };
    }

    @Override
    public void check(float[] answer) {
        call.check(answer);
    }
}
