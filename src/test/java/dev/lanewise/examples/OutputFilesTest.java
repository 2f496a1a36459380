package dev.lanewise.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class OutputFilesTest {
    @TempDir
    private Path folder;

    @Test
    void committedFilesReplaceEarlierOnes() throws Exception {
        Files.writeString(folder.resolve("a"), "earlier");
        try (OutputFiles files = new OutputFiles()) {
            files.write(folder.resolve("a"), out -> out.write('1'));
            files.write(folder.resolve("b"), out -> out.write('2'));
            assertEquals("earlier", Files.readString(folder.resolve("a")));
            files.commit();
        }
        assertEquals("1", Files.readString(folder.resolve("a")));
        assertEquals(List.of("a", "b"), names());
    }

    @Test
    void contentThatFailsLeavesNothing() throws Exception {
        try (OutputFiles files = new OutputFiles()) {
            files.write(folder.resolve("a"), out -> out.write('1'));
            AttendException failure = assertThrows(AttendException.class,
                    () -> files.write(folder.resolve("b"), _ -> {
                        throw new IOException("disk full");
                    }));
            assertEquals(folder.resolve("b") + ": disk full", failure.getMessage());
        }
        assertEquals(List.of(), names());
    }

    @Test
    void aMoveThatFailsTakesTheOthersBack() throws Exception {
        try (OutputFiles files = new OutputFiles()) {
            files.write(folder.resolve("a"), out -> out.write('1'));
            files.write(folder.resolve("b"), out -> out.write('2'));
            Files.createDirectory(folder.resolve("b"));
            assertThrows(AttendException.class, files::commit);
        }
        assertEquals(List.of("b"), names());
    }

    private List<String> names() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }
}
