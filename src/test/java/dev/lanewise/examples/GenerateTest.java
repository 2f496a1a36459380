package dev.lanewise.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class GenerateTest {
    /** It throws if a step differs from recomputation. */
    @Test
    void everyStepAgreesWithRecomputation() {
        PrintStream before = System.out;
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
        try {
            Generate.main(new String[]{"40"});
        } finally {
            System.setOut(before);
        }
        String line = printed.toString(StandardCharsets.UTF_8);
        assertTrue(line.startsWith("40 tokens, 3 layers"), line);
        assertEquals(1, line.lines().count());
    }
}
