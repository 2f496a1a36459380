package dev.lanewise.examples;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/**
 * The output files of one run: each is written beside its place under a temporary name, and all are moved there by
 * {@link #commit}; without it, or when it fails, none is left. A file that was there before is replaced.
 */
final class OutputFiles implements AutoCloseable {
    /** What a file shall contain. */
    interface Content {
        void writeTo(OutputStream out) throws IOException;
    }

    private final Map<Path, Path> temporaries = new LinkedHashMap<>();

    /** Fails early on what the move would do damage to, such as a device. */
    static void requireReplaceable(Path target) throws AttendException {
        if (Files.exists(target) && !Files.isRegularFile(target)) {
            throw new AttendException(target, "exists and is not a regular file");
        }
    }

    void write(Path target, Content content) throws AttendException {
        requireReplaceable(target);
        Path temporary = target.resolveSibling(".attend-" + UUID.randomUUID() + ".tmp");
        temporaries.put(target, temporary);
        try (OutputStream out = new BufferedOutputStream(
                Files.newOutputStream(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE))) {
            content.writeTo(out);
        } catch (IOException e) {
            throw new AttendException(target, e);
        }
    }

    void commit() throws AttendException {
        List<Path> moved = new ArrayList<>();
        for (Map.Entry<Path, Path> entry : temporaries.entrySet()) {
            try {
                Files.move(entry.getValue(), entry.getKey(), StandardCopyOption.ATOMIC_MOVE);
            } catch (IOException e) {
                AttendException failure = new AttendException(entry.getKey(), e);
                delete(moved, failure);
                throw failure;
            }
            moved.add(entry.getKey());
        }
        temporaries.clear();
    }

    /** Deletes what was not committed. */
    @Override
    public void close() throws AttendException {
        AttendException failure = new AttendException("temporary files cannot be deleted");
        delete(temporaries.values(), failure);
        if (failure.getSuppressed().length > 0) {
            throw failure;
        }
    }

    private static void delete(Iterable<Path> files, AttendException failure) {
        for (Path file : files) {
            try {
                Files.deleteIfExists(file);
            } catch (IOException e) {
                failure.addSuppressed(e);
            }
        }
    }
}
