package dev.lanewise.onnx;

import dev.lanewise.Attention;
import dev.lanewise.AttentionInputs;
import dev.lanewise.AttentionOutputs;
import dev.lanewise.ElementType;
import dev.lanewise.Kernel;
import dev.lanewise.PositionOffset;
import dev.lanewise.ScoreStage;
import dev.lanewise.Tensor;
import java.lang.foreign.Arena;

/**
 * ONNX's Attention operator, opset 23 to 25 with the errata of ONNX 1.23, spoken to Lanewise: everything is a view or
 * an option, but the concatenation of the past and the padding of a short mask.
 *
 * <p>Narrower than the operator: no double, so no softmax_precision of 11. Precisions below float32 are computed in
 * float32, and a hidden NaN or ∞ stays hidden where the operator would add −∞ to it.
 */
final class OnnxAttention {
    private static final int DOUBLE = 11;

    private final NodeAttributes attributes;
    private final Kernel kernel;

    OnnxAttention(NodeAttributes attributes, Kernel kernel) {
        this.attributes = attributes;
        this.kernel = kernel;
        if (attributes.integer("softmax_precision", 0) == DOUBLE) {
            throw new UnsupportedOperationException("softmax_precision: 11 (double), wanted 1, 10 or 16");
        }
    }

    NodeOutputs run(Arena arena, NodeInputs in, boolean wantsQkMatmulOutput) {
        if (in.nonpadKvSeqlen() != null && attributes.opset() < 24) {
            throw new IllegalArgumentException("nonpad_kv_seqlen: no input of Attention in opset 23");
        }
        Tensor q = heads(in.q(), "q_num_heads");
        Tensor k = joined(arena, in.pastKey(), heads(in.k(), "kv_num_heads"));
        Tensor v = joined(arena, in.pastValue(), heads(in.v(), "kv_num_heads"));
        Tensor y = in.q().rank() == 3
                ? Tensor.allocate(arena, q.type(), q.size(0), q.size(2), q.size(1) * v.size(3))
                : Tensor.allocate(arena, q.type(), q.size(0), q.size(1), q.size(2), v.size(3));
        Tensor qk = wantsQkMatmulOutput
                ? Tensor.allocate(arena, q.type(), q.size(0), q.size(1), q.size(2), k.size(2))
                : null;
        AttentionInputs operands = AttentionInputs.of(q, k, v)
                .withMask(mask(arena, in.attnMask(), k.size(2)))
                .withKeyLengths(in.nonpadKvSeqlen());
        AttentionOutputs results = AttentionOutputs.of(heads(y, "q_num_heads"));
        operator(in).run(operands, qk == null ? results : withStage(results, qk));
        return new NodeOutputs(y, k, v, qk);
    }

    /** (B, L, H·D) as (B, H, L, D). */
    private Tensor heads(Tensor tensor, String count) {
        if (tensor.rank() == 4) {
            return tensor;
        }
        if (!attributes.has(count)) {
            throw new IllegalArgumentException(count + ": absent, wanted with inputs of rank 3");
        }
        return tensor.split(2, attributes.integer(count, 0)).transpose(1, 2);
    }

    private static Tensor joined(Arena arena, Tensor past, Tensor present) {
        return past == null ? present : Concatenation.of(arena, 2, past, present);
    }

    /**
     * From opset 24 on a mask that is shorter than the keys hides the rest: the operator's function body pads whatever
     * is shorter, a last axis of 1 included. In opset 23 such an axis is broadcast, as any other.
     */
    private Tensor mask(Arena arena, Tensor mask, long keys) {
        if (mask == null) {
            return null;
        }
        Tensor whole = mask;
        while (whole.rank() < 4) {
            whole = whole.unsqueeze(0);
        }
        long covered = whole.size(3);
        if (attributes.opset() < 24 || covered >= keys) {
            return whole;
        }
        Tensor hidden = Tensor.allocate(arena, whole.type(), 1, 1, 1, 1);
        hidden.setFloat(whole.type() == ElementType.BOOL ? 0 : Float.NEGATIVE_INFINITY, 0, 0, 0, 0);
        for (int axis = 0; axis < 3; axis++) {
            hidden = hidden.broadcast(axis, whole.size(axis));
        }
        return Concatenation.of(arena, 3, whole, hidden.broadcast(3, keys - covered));
    }

    private Attention operator(NodeInputs in) {
        Attention.Builder builder = Attention.builder()
                .kernel(kernel)
                .softcap(attributes.number("softcap", 0))
                .window(attributes.integer("left_window_size", -1), attributes.integer("right_window_size", -1));
        if (attributes.has("scale")) {
            builder.scale(attributes.number("scale", 1));
        }
        return (attributes.integer("is_causal", 0) == 1
                ? builder.causal(offset(in))
                : builder.positionOffset(offset(in))).build();
    }

    /** The count of valid keys before the queries: past_sequence_length; nonpad_kv_seqlen − q_sequence_length; 0. */
    private static PositionOffset offset(NodeInputs in) {
        if (in.pastKey() != null) {
            return PositionOffset.of(in.pastKey().size(2));
        }
        return in.nonpadKvSeqlen() == null ? PositionOffset.topLeft() : PositionOffset.bottomRight();
    }

    private AttentionOutputs withStage(AttentionOutputs results, Tensor qk) {
        int mode = attributes.integer("qk_matmul_output_mode", 0);
        return switch (mode) {
            case 0 -> results.withScores(qk, ScoreStage.RAW);
            case 1 -> results.withScores(qk, ScoreStage.SOFTCAPPED);
            case 2 -> results.withScores(qk, ScoreStage.BIASED);
            case 3 -> results.withWeights(qk);
            default -> throw new IllegalArgumentException("qk_matmul_output_mode: " + mode + ", wanted 0 to 3");
        };
    }
}
