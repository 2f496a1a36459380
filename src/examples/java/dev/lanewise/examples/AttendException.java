package dev.lanewise.examples;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/** A run that cannot succeed as asked; the message is what the user reads. */
final class AttendException extends Exception {
    private static final long serialVersionUID = 1;

    AttendException(String message) {
        super(message);
    }

    AttendException(Path file, String reason) {
        super(file + ": " + reason);
    }

    AttendException(Path file, IOException cause) {
        super(file + ": " + reason(cause), cause);
    }

    /** The message of a {@link FileSystemException} is a file's name: its reason, or its class, says what happened. */
    private static String reason(IOException cause) {
        return switch (cause) {
            case NoSuchFileException _ -> "no such file or directory";
            case AccessDeniedException _ -> "permission denied";
            case FileSystemException e when e.getReason() != null -> e.getReason();
            case FileSystemException e -> e.getClass().getSimpleName();
            default -> cause.getMessage() == null ? cause.getClass().getSimpleName() : cause.getMessage();
        };
    }
}
