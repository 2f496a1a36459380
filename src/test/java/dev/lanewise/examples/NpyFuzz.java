package dev.lanewise.examples;

import dev.lanewise.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.random.RandomGenerator;

/** Files for the .npy reader that are nearly right. */
public final class NpyFuzz {
    private static final String[] PIECES = {"{", "}", "(", ")", "[", ",", ":", "'", "\"", " ", "\n", "-", "0", "1", "7",
        "99999999999", "9223372036854775807", "True", "False", "'descr'", "'fortran_order'", "'shape'", "'<f4'",
        "'|b1'", "(2, 3)", "{'descr': '<f4', ", "'fortran_order': False, ", "'shape': (2, 3)}", "\u00e9", "\\", "\0"};
    private static final byte[] VALID = NpyBytes
            .of("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n", 24);

    private NpyFuzz() {
    }

    /** One file: a tensor that uses all of it, or the documented exception with one line. */
    public static void run(RandomGenerator random) {
        byte[] file = file(random);
        try (Arena arena = Arena.ofConfined()) {
            Tensor tensor = NpyBytes.read(file, arena);
            tensor.toFloats();
        } catch (NpyException refused) {
            if (refused.getMessage().lines().count() != 1) {
                throw new AssertionError(Arrays.toString(file), refused);
            }
        } catch (IOException | RuntimeException wrong) {
            throw new AssertionError(Arrays.toString(file), wrong);
        }
    }

    private static byte[] file(RandomGenerator random) {
        if (random.nextBoolean()) {
            byte[] file = Arrays.copyOf(VALID, VALID.length + random.nextInt(-8, 9));
            for (int changes = random.nextInt(5); changes > 0; changes--) {
                file[random.nextInt(file.length)] = (byte) random.nextInt(256);
            }
            return file;
        }
        StringBuilder text = new StringBuilder();
        for (int pieces = random.nextInt(20); pieces > 0; pieces--) {
            text.append(PIECES[random.nextInt(PIECES.length)]);
        }
        return NpyBytes.of(random.nextInt(1, 4), text.toString(), new byte[24]);
    }
}
