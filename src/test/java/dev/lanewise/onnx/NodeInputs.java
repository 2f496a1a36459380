package dev.lanewise.onnx;

import dev.lanewise.Tensor;

/** The inputs of an Attention node in the operator's order; an absent optional one is null. */
record NodeInputs(Tensor q, Tensor k, Tensor v, Tensor attnMask, Tensor pastKey, Tensor pastValue,
        Tensor nonpadKvSeqlen) {
    NodeInputs {
        if ((pastKey == null) != (pastValue == null)) {
            throw new IllegalArgumentException((pastKey == null ? "past_key" : "past_value")
                    + ": absent, wanted past_key and past_value together");
        }
        if (nonpadKvSeqlen != null && pastKey != null) {
            throw new IllegalArgumentException("nonpad_kv_seqlen: given with past_key, wanted one of the two");
        }
    }

    NodeInputs(Tensor q, Tensor k, Tensor v) {
        this(q, k, v, null, null, null, null);
    }

    NodeInputs withMask(Tensor mask) {
        return new NodeInputs(q, k, v, mask, pastKey, pastValue, nonpadKvSeqlen);
    }

    NodeInputs withPast(Tensor key, Tensor value) {
        return new NodeInputs(q, k, v, attnMask, key, value, nonpadKvSeqlen);
    }

    NodeInputs withNonpadKvSeqlen(Tensor lengths) {
        return new NodeInputs(q, k, v, attnMask, pastKey, pastValue, lengths);
    }
}
