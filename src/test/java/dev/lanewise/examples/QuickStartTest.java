package dev.lanewise.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** The README shows code that compiles, runs and prints what it says. */
class QuickStartTest {
    @Test
    void theReadmeShowsTheExampleAsItIs() throws IOException {
        String source = Files.readString(Path.of("src/examples/java/dev/lanewise/examples/QuickStart.java"));
        String shown = source.substring(source.indexOf("// README: begin\n") + 17,
                source.indexOf("        // README: end"));
        String readme = Files.readString(Path.of("README.md"));
        assertTrue(readme.contains(shown.stripTrailing().stripIndent()), "README.md differs from QuickStart.java");
    }

    @Test
    void itPrintsTheMean() {
        PrintStream before = System.out;
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
        try {
            QuickStart.main(new String[0]);
        } finally {
            System.setOut(before);
        }
        assertEquals("1.0", printed.toString(StandardCharsets.UTF_8).strip());
    }
}
