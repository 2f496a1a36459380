package dev.lanewise;

import dev.lanewise.internal.kernel.AttentionScratch;
import java.util.Objects;

/** The operands of a call that was given four tensors, kept in scratch and set anew for each call: so it allocates nothing. */
final class PlainCall {
    private final AttentionInputs inputs = new AttentionInputs(null);
    private final AttentionOutputs outputs = new AttentionOutputs(null);

    /** The one that lives in a scratch. */
    static PlainCall in(AttentionScratch scratch) {
        if (!(scratch.attachment instanceof PlainCall)) {
            scratch.attachment = new PlainCall();
        }
        return (PlainCall) scratch.attachment;
    }

    AttentionInputs inputs(Tensor q, Tensor k, Tensor v) {
        return inputs.set(Objects.requireNonNull(q, "q"), Objects.requireNonNull(k, "k"),
                Objects.requireNonNull(v, "v"));
    }

    AttentionOutputs outputs(Tensor context) {
        return outputs.set(Objects.requireNonNull(context, "context"));
    }

    /** Drops the references to the caller's memory. */
    void clear() {
        inputs.clear();
        outputs.clear();
    }
}
