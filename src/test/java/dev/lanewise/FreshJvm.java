package dev.lanewise;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** JVMs of their own, for what a JVM decides once: the kernel, its flags, what its compilers make of our methods. */
final class FreshJvm {
    /** The library, as {@code target/classes}. */
    static final Path CLASSES = home(Attention.class);
    /** The tests. */
    static final Path TEST_CLASSES = home(FreshJvm.class);
    /** What makes the vector kernels available on the class path. */
    static final List<String> VECTOR = List.of("--add-modules", "jdk.incubator.vector");

    private static final Path JAVA = Path.of(System.getProperty("java.home"), "bin", "java");
    /** Longer than any program waits, so that it can tell what it waited for. */
    private static final long PATIENCE_SECONDS = 240;

    /** What a JVM left behind. */
    record Result(int exit, String out, String err) {
    }

    private FreshJvm() {
    }

    private static Path home(Class<?> type) {
        try {
            return Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI());
        } catch (java.net.URISyntaxException impossible) {
            throw new AssertionError(impossible);
        }
    }

    /** Runs a program of the library or of the tests on the class path, with options and nothing else. */
    static Result onClassPath(List<String> options, Class<?> program, String... arguments)
            throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(options);
        command.add("-classpath");
        command.add(CLASSES + System.getProperty("path.separator") + TEST_CLASSES);
        command.add(program.getName());
        command.addAll(List.of(arguments));
        return run(command);
    }

    /** Runs a program of the library's or of the tests' as part of the module {@code dev.lanewise}. */
    static Result asModule(List<String> options, Class<?> program) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(options);
        command.addAll(List.of("--module-path", CLASSES.toString(), "--patch-module", "dev.lanewise=" + TEST_CLASSES,
                "--module", "dev.lanewise/" + program.getName()));
        return run(command);
    }

    /** Runs {@code java} to its end. The log is in English, and no option comes in from the environment. */
    private static Result run(List<String> arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(JAVA.toString(), "-Duser.language=en", "-Duser.country=US"));
        command.addAll(arguments);
        Path out = Files.createTempFile("lanewise", ".out");
        Path err = Files.createTempFile("lanewise", ".err");
        try {
            ProcessBuilder builder = new ProcessBuilder(command).redirectOutput(out.toFile())
                    .redirectError(err.toFile());
            List.of("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS").forEach(builder.environment()::remove);
            Process process = builder.start();
            try {
                if (!process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
                    throw new AssertionError(command + " still ran after " + PATIENCE_SECONDS + " s");
                }
            } finally {
                process.destroyForcibly();
            }
            return new Result(process.exitValue(), Files.readString(out), Files.readString(err));
        } finally {
            Files.delete(out);
            Files.delete(err);
        }
    }
}
