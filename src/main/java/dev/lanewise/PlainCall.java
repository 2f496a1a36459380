package dev.lanewise;

import dev.lanewise.internal.kernel.AttentionScratch;
import java.util.Objects;

/** The operands of a call that was given four tensors, kept in scratch and set anew for each call: so it allocates nothing. */
final class PlainCall {
    private AttentionInputs inputs;
    private AttentionOutputs outputs;

    /** The one that lives in a scratch. */
    static PlainCall in(AttentionScratch scratch) {
        if (!(scratch.attachment instanceof PlainCall)) {
            scratch.attachment = new PlainCall();
        }
        return (PlainCall) scratch.attachment;
    }

    AttentionInputs inputs(Tensor q, Tensor k, Tensor v) {
        if (inputs == null) {
            inputs = AttentionInputs.of(q, k, v);
        }
        inputs.q = Objects.requireNonNull(q, "q");
        inputs.k = Objects.requireNonNull(k, "k");
        inputs.v = Objects.requireNonNull(v, "v");
        return inputs;
    }

    AttentionOutputs outputs(Tensor context) {
        if (outputs == null) {
            outputs = AttentionOutputs.of(context);
        }
        outputs.context = Objects.requireNonNull(context, "context");
        return outputs;
    }

    /** Drops the references to the caller's memory. */
    void clear() {
        if (inputs != null) {
            inputs.q = null;
            inputs.k = null;
            inputs.v = null;
        }
        if (outputs != null) {
            outputs.context = null;
        }
    }
}
