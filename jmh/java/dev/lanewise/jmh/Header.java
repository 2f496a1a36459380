package dev.lanewise.jmh;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.stream.Stream;

/** Where figures come from: without it they say nothing. */
final class Header {
    private Header() {
    }

    static String of(String arguments, String jvmArgs) throws IOException, InterruptedException {
        return """
                # Lanewise benchmarks

                | | |
                | --- | --- |
                | processor | %s, %d visible |
                | JVM | %s %s, options of the measured JVMs: %s |
                | commit | %s |
                | date | %s |
                | command | `mvn -q -Pjmh test-compile exec:exec@jmh -Djmh.args="%s"` |

                """.formatted(processor(), Runtime.getRuntime().availableProcessors(),
                System.getProperty("java.vm.name"),
                System.getProperty("java.vm.version"), jvmArgs.isBlank() ? "default" : jvmArgs, commit(),
                Instant.now().truncatedTo(ChronoUnit.MINUTES), arguments);
    }

    private static String processor() throws IOException {
        Path facts = Path.of("/proc/cpuinfo");
        if (!Files.exists(facts)) {
            return System.getProperty("os.arch");
        }
        try (Stream<String> lines = Files.lines(facts)) {
            return lines.filter(line -> line.startsWith("model name"))
                    .findFirst()
                    .map(line -> line.substring(line.indexOf(':') + 1).trim())
                    .orElse(System.getProperty("os.arch"));
        }
    }

    /** With "-dirty" if the work tree has changes. */
    private static String commit() throws IOException, InterruptedException {
        try {
            Process git = new ProcessBuilder("git", "describe", "--always", "--dirty", "--abbrev=12")
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
            String name = new String(git.getInputStream().readAllBytes(), StandardCharsets.UTF_8).trim();
            return git.waitFor() == 0 ? name : "none";
        } catch (IOException noGit) {
            return "unknown: " + noGit.getMessage();
        }
    }
}
