package dev.lanewise.examples;

import dev.lanewise.AttentionInputs;
import dev.lanewise.Tensor;
import java.io.ByteArrayInputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * Layer 0 of the sentence encoder all-MiniLM-L6-v2 over two sentences: its queries, keys and values as the model's own projections gave
 * them, and the words they belong to.
 *
 * @param inputs (2, 12, 31, 32) each, with a mask that hides the padding
 * @param tokens the tokens of each sentence, without padding
 */
record Sample(AttentionInputs inputs, List<List<String>> tokens) {
    static final int SENTENCES = 2;
    static final int HEADS = 12;
    /** Tokens a sentence, with padding. */
    static final int LENGTH = 31;
    /** Columns of one head. */
    static final int DEPTH = 32;

    private static final String PADDING = "[PAD]";

    static Sample load(Arena arena) throws IOException {
        AttentionInputs inputs = AttentionInputs.of(heads("layer0-q.npy", arena), heads("layer0-k.npy", arena),
                heads("layer0-v.npy", arena)).withMask(mask(arena));
        List<List<String>> tokens = new String(bytes("tokens.txt"), StandardCharsets.UTF_8).lines()
                .map(line -> List.of(line.split(" ")).stream().filter(token -> !token.equals(PADDING)).toList())
                .toList();
        return new Sample(inputs, tokens);
    }

    /** (2, 31, 384) in the file, (2, 12, 31, 32) in the view. */
    private static Tensor heads(String name, Arena arena) throws IOException {
        return HeadSplit.view(read(name, arena), HEADS);
    }

    /** (2, 31) of 1 for a token and 0 for padding, as a boolean mask that holds for every head and query. */
    private static Tensor mask(Arena arena) throws IOException {
        float[] ones = read("attention_mask.npy", arena).toFloats();
        boolean[] mayAttend = new boolean[ones.length];
        for (int i = 0; i < ones.length; i++) {
            mayAttend[i] = ones[i] != 0;
        }
        return Tensor.ofBooleans(arena, mayAttend, SENTENCES, 1, 1, LENGTH);
    }

    private static Tensor read(String name, Arena arena) throws IOException {
        byte[] file = bytes(name);
        return NpyFile.read(new ByteArrayInputStream(file), file.length, arena);
    }

    private static byte[] bytes(String name) throws IOException {
        try (InputStream in = Sample.class.getResourceAsStream("minilm/" + name)) {
            if (in == null) {
                throw new FileNotFoundException("minilm/" + name + " is not on the class path");
            }
            return in.readAllBytes();
        }
    }
}
