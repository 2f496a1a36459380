package dev.lanewise;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * What {@code -XX:+PrintIntrinsics} told of our kernels under {@code -XX:+PrintCompilation -XX:-TieredCompilation
 * -XX:CICompilerCount=1}: one compiler thread, so what follows a method's line belongs to its compilation.
 *
 * @param compiled the kernel methods that C2 compiled by themselves
 * @param missed operations in them that C2 did not turn into instructions, with the method
 */
record IntrinsicsLog(Set<String> compiled, Set<String> missed) {
    /** Time, id, attributes, method, size: the start of a compilation unless something happened to it. */
    private static final Pattern COMPILATION = Pattern
            .compile("^ *\\d+ +\\d+ +[%sbn! ]*([\\w.$/]+::[^ ]+)(?: @ \\d+)? \\(\\d+ bytes\\)$");
    private static final Pattern MISSED = Pattern.compile("^ *\\*\\* (?:not supported|missing constant): .*");
    private static final String KERNELS = "dev.lanewise.internal.kernel.";
    /** The loops that have to be there for the log to say anything. */
    private static final List<String> HOT = List.of("Tile8x1::multiply", "Tile8x2::multiply", "Tile8x3::multiply",
            "Tile4x4::multiply", "OnlineSoftmax::exponentiate", "OnlineSoftmax::raiseMax", "Context::accumulate",
            "Transpose::twoStages", "ScoreTransforms::replaceHidden", "ScoreTransforms::softcap",
            "ScoreTransforms::alibi", "VisibleBits::vectorBits", "Widening::bfloat16", "Widening::float16",
            "VectorSoftmax::exponentiate", "Float32Rows::dot8", "Float32Rows::mix8", "BFloat16Rows::dot8",
            "BFloat16Rows::mix8", "Float16Rows::dot", "Float16Rows::mix8", "Int8Rows::dot8", "Int8Rows::mix8",
            "LaneSums::add", "RowSoftmax::raiseMax", "RowSoftmax::exponentiate", "Narrowing::bfloat16",
            "Narrowing::float16", "Narrowing::int8");

    static IntrinsicsLog parse(Stream<String> lines) {
        IntrinsicsLog log = new IntrinsicsLog(new TreeSet<>(), new TreeSet<>());
        String[] method = {""};
        lines.forEach(line -> {
            Matcher start = COMPILATION.matcher(line);
            if (start.matches()) {
                method[0] = start.group(1);
                if (method[0].startsWith(KERNELS)) {
                    log.compiled.add(method[0].substring(KERNELS.length()));
                }
            } else if (MISSED.matcher(line).matches() && method[0].startsWith(KERNELS)) {
                log.missed.add(method[0].substring(KERNELS.length()) + line.strip().replaceFirst("\\*\\*", ":"));
            }
        });
        return log;
    }

    /** Hot loops that were not compiled, so that nothing is known of them. */
    List<String> absent() {
        return HOT.stream().filter(loop -> !compiled.contains(loop)).toList();
    }

    /** Fails if a log tells of an operation that is not an instruction, or does not tell of every loop. */
    public static void main(String[] args) throws IOException {
        try (Stream<String> lines = Files.lines(Path.of(args[0]))) {
            IntrinsicsLog log = parse(lines);
            System.out.println(log.compiled.size() + " kernel methods compiled; operations without an instruction: "
                    + log.missed + "; loops not compiled: " + log.absent());
            System.exit(log.missed.isEmpty() && log.absent().isEmpty() ? 0 : 1);
        }
    }
}
