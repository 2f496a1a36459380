package dev.lanewise.jmh;

import dev.lanewise.Attention;
import dev.lanewise.AttentionInputs;
import dev.lanewise.AttentionOutputs;
import dev.lanewise.ElementType;
import dev.lanewise.Kernel;
import dev.lanewise.PositionOffset;
import dev.lanewise.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.Random;

/** The library with options, over some of the heads. */
final class LanewiseOptions implements Contender {
    private static final int WINDOW = 256;
    private static final float SOFTCAP = 30;
    private static final double SHOWN = 0.9;

    private final Arena arena = Arena.ofConfined();
    private final Attention attention;
    private final AttentionInputs inputs;
    private final AttentionOutputs outputs;
    private final Tensor context;

    /** The heads from one to before another; the kernel that start-up chose, if none is named. */
    LanewiseOptions(OptionCall call, int from, int to, Kernel kernel) {
        attention = operator(call, to - from, kernel);
        ElementType type = call.has("bfloat16") ? ElementType.BFLOAT16 : ElementType.FLOAT32;
        AttentionInputs plain = AttentionInputs.of(
                operand(call, 1, ElementType.FLOAT32).slice(1, from, to),
                operand(call, 2, type).slice(1, from, to), operand(call, 3, type).slice(1, from, to));
        AttentionInputs masked = call.has("boolean") ? plain.withMask(booleans(call)) : plain;
        AttentionInputs biased = call.has("additive") ? masked.withMask(biases(call)) : masked;
        inputs = call.has("length") ? biased.withKeyLengths(Tensor.ofInts(arena, call.length() / 2)) : biased;
        context = Tensor.allocate(arena, ElementType.FLOAT32, 1, to - from, call.length(), call.depth());
        AttentionOutputs only = AttentionOutputs.of(context);
        outputs = call.has("lse")
                ? only.withLogSumExp(Tensor.allocate(arena, ElementType.FLOAT32, 1, to - from, call.length(), 1))
                : only;
    }

    private static Attention operator(OptionCall call, int heads, Kernel kernel) {
        Attention.Builder builder = Attention.builder().bitStable().softcap(call.has("softcap") ? SOFTCAP : 0);
        if (call.has("causal")) {
            builder.causal(PositionOffset.topLeft());
        }
        if (call.has("window")) {
            builder.window(WINDOW / 2, WINDOW / 2);
        }
        if (call.has("alibi")) {
            float[] slopes = new float[heads];
            Arrays.fill(slopes, 0.01f);
            builder.alibiSlopes(slopes);
        }
        if (kernel != null) {
            builder.kernel(kernel);
        }
        return builder.build();
    }

    private Tensor operand(OptionCall call, int seed, ElementType type) {
        float[] values = Operands.normal(seed, call.heads() * call.length() * call.depth());
        Tensor floats = Tensor.ofFloats(arena, values, 1, call.heads(), call.length(), call.depth());
        if (type == ElementType.FLOAT32) {
            return floats;
        }
        Tensor narrow = Tensor.allocate(arena, type, floats.shape());
        long[] index = new long[4];
        for (float value : values) {
            narrow.setFloat(value, index);
            for (int axis = 3; axis >= 0 && ++index[axis] == floats.size(axis); axis--) {
                index[axis] = 0;
            }
        }
        return narrow;
    }

    private Tensor booleans(OptionCall call) {
        Random random = new Random(4);
        boolean[] mask = new boolean[call.length() * call.length()];
        for (int i = 0; i < mask.length; i++) {
            mask[i] = random.nextDouble() < SHOWN;
        }
        return Tensor.ofBooleans(arena, mask, call.length(), call.length());
    }

    private Tensor biases(OptionCall call) {
        return Tensor.ofFloats(arena, Operands.normal(5, call.length() * call.length()), call.length(), call.length());
    }

    @Override
    public void run() {
        attention.run(inputs, outputs);
    }

    @Override
    public float[] result() {
        return context.toFloats();
    }

    @Override
    public void close() {
        arena.close();
    }
}
