package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import dev.lanewise.AttentionCase.Results;
import java.lang.foreign.Arena;
import java.util.Arrays;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tag;

/** An option with its neutral value changes no bit of the output. */
@Tag("width")
class NeutralOptionsTest {
    /** One option, set to the value that means nothing. */
    enum Neutral {
        WINDOW {
            @Override
            void set(Attention.Builder builder) {
                builder.window(-1, -1);
            }
        },
        SOFTCAP {
            @Override
            void set(Attention.Builder builder) {
                builder.softcap(0);
            }
        },
        DROPOUT {
            @Override
            void set(Attention.Builder builder) {
                builder.dropout(0);
            }
        },
        ALIBI {
            @Override
            void set(Attention.Builder builder, int heads) {
                builder.alibiSlopes(new float[heads]);
            }
        },
        CAUSAL_FAR_AHEAD {
            @Override
            void set(Attention.Builder builder) {
                builder.causal(PositionOffset.of(100_000));
            }
        },
        BOOL_MASK {
            @Override
            AttentionInputs set(Arena arena, AttentionInputs in) {
                Tensor mask = Tensor.allocate(arena, ElementType.BOOL, in.q.size(0), 1, in.q.size(2), in.k.size(2));
                mask.segment().fill((byte) 1);
                return in.withMask(mask);
            }
        },
        BOOL_MASK_OF_KEYS {
            @Override
            AttentionInputs set(Arena arena, AttentionInputs in) {
                Tensor mask = Tensor.allocate(arena, ElementType.BOOL, 1, in.k.size(2));
                mask.segment().fill((byte) 1);
                return in.withMask(mask);
            }
        },
        ADDITIVE_MASK {
            @Override
            AttentionInputs set(Arena arena, AttentionInputs in) {
                return in.withMask(Tensor.allocate(arena, ElementType.FLOAT32, in.q.size(2), in.k.size(2)));
            }
        },
        ADDITIVE_MASK_OF_KEYS {
            @Override
            AttentionInputs set(Arena arena, AttentionInputs in) {
                return in.withMask(Tensor.allocate(arena, ElementType.FLOAT32, 1, in.k.size(2)));
            }
        },
        POSITION_BIAS {
            @Override
            AttentionInputs set(Arena arena, AttentionInputs in) {
                return in.withPositionBias(
                        Tensor.allocate(arena, ElementType.FLOAT32, 1, 2 * (in.q.size(2) + in.k.size(2)) + 1));
            }
        },
        KEY_LENGTHS {
            @Override
            AttentionInputs set(Arena arena, AttentionInputs in) {
                return in.withKeyLengths(rows(arena, in, (int) in.k.size(2)));
            }
        },
        KEY_STARTS {
            @Override
            AttentionInputs set(Arena arena, AttentionInputs in) {
                return in.withKeyStarts(rows(arena, in, 0));
            }
        },
        KEY_RANGE {
            @Override
            AttentionInputs set(Arena arena, AttentionInputs in) {
                return in.withKeyRange(0, in.k.size(2));
            }
        };

        void set(Attention.Builder builder) {
        }

        void set(Attention.Builder builder, int heads) {
            set(builder);
        }

        AttentionInputs set(Arena arena, AttentionInputs in) {
            return in;
        }

        private static Tensor rows(Arena arena, AttentionInputs in, int value) {
            int[] values = new int[(int) in.q.size(0)];
            Arrays.fill(values, value);
            return Tensor.ofInts(arena, values);
        }
    }

    @Provide
    Arbitrary<AttentionCase> plainCase() {
        return AttentionCases.plain();
    }

    @Property(tries = 200, edgeCases = EdgeCasesMode.NONE)
    void neutralValueChangesNoBit(@ForAll("plainCase") AttentionCase drawn, @ForAll Neutral option) {
        try (Arena arena = Arena.ofConfined()) {
            AttentionInputs inputs = drawn.inputs(arena);
            Attention.Builder neutral = Attention.builder();
            option.set(neutral, drawn.sizes().heads());
            Results expected = AttentionCase.run(arena, Attention.builder().build(), inputs, Layout.PLAIN,
                    ScoreStage.RAW);
            Results actual = AttentionCase.run(arena, neutral.build(), option.set(arena, inputs), Layout.PLAIN,
                    ScoreStage.RAW);
            assertSameBits(expected, actual);
        }
    }

    @Provide
    Arbitrary<AttentionCase> fewKeys() {
        return AttentionCases.fewKeys();
    }

    @Property(tries = 60, edgeCases = EdgeCasesMode.NONE)
    void askingForMoreOutputsChangesNoBitOfTheContext(@ForAll("plainCase") AttentionCase drawn) {
        checkContextAlone(drawn);
    }

    @Property(tries = 200, edgeCases = EdgeCasesMode.NONE)
    void theShortCutForFewKeysChangesNoBitOfTheContext(@ForAll("fewKeys") AttentionCase drawn) {
        checkContextAlone(drawn);
    }

    private static void checkContextAlone(AttentionCase drawn) {
        try (Arena arena = Arena.ofConfined()) {
            AttentionInputs inputs = drawn.inputs(arena);
            Attention operator = Attention.builder().build();
            Layout layout = drawn.layouts().context();
            Results all = AttentionCase.run(arena, operator, inputs, layout, ScoreStage.BIASED);
            Tensor context = layout.allocate(arena, inputs.q.size(0), inputs.q.size(1), inputs.q.size(2),
                    inputs.v.size(3));
            operator.run(inputs.q, inputs.k, inputs.v, context);
            assertArrayEquals(bits(context), bits(all.context()));
        }
    }

    private static void assertSameBits(Results expected, Results actual) {
        assertArrayEquals(bits(expected.context()), bits(actual.context()));
        assertArrayEquals(bits(expected.weights()), bits(actual.weights()));
        assertArrayEquals(bits(expected.logSumExp()), bits(actual.logSumExp()));
        assertArrayEquals(bits(expected.scores()), bits(actual.scores()));
    }

    private static int[] bits(Tensor tensor) {
        float[] values = tensor.toFloats();
        int[] bits = new int[values.length];
        for (int i = 0; i < bits.length; i++) {
            bits[i] = Float.floatToRawIntBits(values[i]);
        }
        return bits;
    }
}
