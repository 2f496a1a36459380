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
 * What {@code -XX:+PrintIntrinsics -XX:+PrintCompilation} told of our kernels, with one compiler thread of C2: what follows the line of a method is its
 * tree of inlined calls, in which each operation of the Vector API has to end as an instruction. What C2 says before, while it still tries, does not count; nor
 * does what it compiles in the middle of a loop, which gets the loop's vectors from the interpreter.
 *
 * @param compiled the kernel methods that C2 compiled, or inlined into others
 * @param missed operations in them that C2 did not turn into instructions, with the method
 */
record IntrinsicsLog(Set<String> compiled, Set<String> missed) {
    /** Time, id, attributes, tier 4, method, size: the start of a compilation unless something happened to it. */
    private static final Pattern COMPILATION = Pattern
            .compile("^ *\\d+ +\\d+ +([%sbn! ]*) 4 +([\\w.$/]+::[^ ]+)(?: @ \\d+)? \\(\\d+ bytes\\)$");
    private static final Pattern CALL = Pattern.compile("^ +@ \\d+ +([\\w.$/]+::[^ ]+) \\(\\d+ bytes\\) +(.*)$");
    private static final String KERNELS = "dev.lanewise.internal.kernel.";
    private static final String OPERATION = "jdk.internal.vm.vector.VectorSupport::";
    private static final String VECTOR_API = "jdk.incubator.vector.";
    /** The loops that have to be there for the log to say anything. */
    private static final List<String> HOT = List.of("Tile8x1::multiply", "Tile8x2::multiply", "Tile8x3::multiply",
            "Tile4x4::multiply", "MatMulTile::six", "RowTile::one4", "OnlineSoftmax::exponentiate",
            "OnlineSoftmax::raiseMax", "OnlineSoftmax::raiseVisibleMax", "Context::accumulate", "Transpose::twoStages",
            "ScoreTransforms::softcap", "ScoreTransforms::alibi", "VisibleBits::vectorBits", "Widening::bfloat16",
            "Widening::float16", "Widening::int8", "RowWeights::exponentiate", "QuadWeights::maxima",
            "QuadWeights::exponentiate", "StridedRows::dotFours",
            "StridedRows::mix4x4",
            "Float32Rows::dot8", "Float32Rows::dot4", "Float32Rows::mix8",
            "Float32Pairs::mixAdjacent2x8", "Float32Heads::dot8",
            "Float32Heads::dotAdjacent8", "Float32Heads::mix8", "Float32Heads::dot4", "Float32Heads::mix4",
            "BFloat16Rows::dot8", "BFloat16Rows::dotAdjacent8", "BFloat16Rows::mix8",
            "Float16Rows::dot8",
            "Float16Rows::mix8", "Int8Rows::dot8", "Int8Rows::mix8", "LaneSums::add",
            "RowSoftmax::raiseMax",
            "RowSoftmax::exponentiate", "Narrowing::bfloat16", "Narrowing::float16", "Narrowing::int8");

    static IntrinsicsLog parse(Stream<String> lines) {
        IntrinsicsLog log = new IntrinsicsLog(new TreeSet<>(), new TreeSet<>());
        String[] method = {""};
        lines.forEach(line -> {
            Matcher start = COMPILATION.matcher(line);
            Matcher call = CALL.matcher(line);
            if (start.matches()) {
                boolean inLoop = start.group(1).contains("%");
                boolean ours = !inLoop && start.group(2).startsWith(KERNELS);
                method[0] = ours ? start.group(2).substring(KERNELS.length()) : "";
                log.addCompiled(method[0]);
            } else if (call.matches() && !method[0].isEmpty()) {
                log.addCall(method[0], call.group(1), call.group(2));
            }
        });
        return log;
    }

    private void addCompiled(String method) {
        if (!method.isEmpty()) {
            compiled.add(method);
        }
    }

    private void addCall(String method, String callee, String outcome) {
        if (callee.startsWith(KERNELS) && outcome.startsWith("inline")) {
            compiled.add(callee.substring(KERNELS.length()));
        }
        boolean failed = callee.startsWith(OPERATION)
                || callee.startsWith(VECTOR_API) && outcome.startsWith("failed to inline");
        if (failed && !outcome.endsWith("late inline succeeded")) {
            missed.add(method + ": " + callee + " " + outcome.replaceAll(" +", " ").strip());
        }
    }

    /** Hot loops that were not compiled, so that nothing is known of them. */
    List<String> absent() {
        return HOT.stream().filter(loop -> !compiled.contains(loop)).toList();
    }

    /** Fails if a log tells of an operation that is not an instruction, or does not tell of every loop. */
    public static void main(String[] args) throws IOException {
        try (Stream<String> lines = Files.lines(Path.of(args[0]))) {
            IntrinsicsLog log = parse(lines.takeWhile(line -> !line.contains(HotKernels.DONE)));
            System.out.println(log.compiled.size() + " kernel methods compiled; operations without an instruction: "
                    + log.missed + "; loops not compiled: " + log.absent());
            System.exit(log.missed.isEmpty() && log.absent().isEmpty() ? 0 : 1);
        }
    }
}
