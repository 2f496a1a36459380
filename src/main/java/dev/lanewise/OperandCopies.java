package dev.lanewise;

import java.util.ArrayList;
import java.util.List;

/**
 * The copies that the caller of a layer makes of its operands to add masks and outputs: the same objects from call to call, so that a call
 * allocates nothing. Each copy of one call is an object of its own.
 */
final class OperandCopies {
    private final List<AttentionInputs> inputs = new ArrayList<>();
    private final List<AttentionOutputs> outputs = new ArrayList<>();
    private int inputsUsed;
    private int outputsUsed;

    AttentionInputs nextInputs() {
        if (inputsUsed == inputs.size()) {
            inputs.add(new AttentionInputs(this));
        }
        return inputs.get(inputsUsed++);
    }

    AttentionOutputs nextOutputs() {
        if (outputsUsed == outputs.size()) {
            outputs.add(new AttentionOutputs(this));
        }
        return outputs.get(outputsUsed++);
    }

    /** Ends a call, and drops the references to the caller's memory. */
    void clear() {
        while (inputsUsed > 0) {
            inputs.get(--inputsUsed).clear();
        }
        while (outputsUsed > 0) {
            outputs.get(--outputsUsed).clear();
        }
    }
}
