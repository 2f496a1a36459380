package dev.lanewise.examples;

import java.io.IOException;

/** Bytes that are not an .npy file, or one that this program does not read. */
final class NpyException extends IOException {
    private static final long serialVersionUID = 1;

    NpyException(String reason) {
        super(reason);
    }
}
