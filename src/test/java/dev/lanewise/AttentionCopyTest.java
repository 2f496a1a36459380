package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import java.lang.foreign.Arena;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A part of a rehearsal is as small as it is meant to be, and no turn is one that does nothing: times of parts would mislead. */
@Tag("width")
@Tag("vector")
class AttentionCopyTest {
    private static final int KEYS = 128;
    private static final int DEPTH = 32;
    private static final int TURNS = 5;

    @ParameterizedTest
    @CsvSource({"128, 4, false", "128, 8, false", "128, 16, true", "67, 8, false", "200, 8, true", "5, 8, false"})
    void aPartSeesSoManyKeysAndEachTurnWrites(int queries, int keys, boolean causal) {
        Arena arena = Arena.ofAuto();
        Tensor q = Tensor.allocate(arena, ElementType.FLOAT32, 1, 1, queries, DEPTH);
        Tensor k = Tensor.allocate(arena, ElementType.FLOAT32, 1, 1, KEYS, DEPTH);
        Tensor v = Tensor.allocate(arena, ElementType.FLOAT32, 1, 1, KEYS, DEPTH);
        for (int key = keys; key < KEYS; key++) {
            for (int d = 0; d < DEPTH; d++) {
                v.setFloat(Float.NaN, 0, 0, key, d);
            }
        }
        Tensor context = Tensor.allocate(arena, ElementType.FLOAT32, 1, 1, queries, DEPTH);
        Attention.Builder builder = Attention.builder().bitStable();
        Attention attention = (causal ? builder.causal(PositionOffset.topLeft()) : builder).build();
        AttentionCopy copy = AttentionCopy.of(attention, AttentionInputs.of(q, k, v), AttentionOutputs.of(context), 0);
        for (int turn = 0; turn < TURNS; turn++) {
            context.segment().fill((byte) 1);
            float untouched = context.getFloat(0, 0, 0, 0);
            copy.part(keys, turn);
            float sum = 0;
            float changes = 0;
            for (float value : context.toFloats()) {
                sum += value;
                changes += value == untouched ? 0 : 1;
            }
            assertFalse(Float.isNaN(sum), "more keys were seen");
            assertNotEquals(0, changes, "turn " + turn + " writes nothing");
        }
    }
}
