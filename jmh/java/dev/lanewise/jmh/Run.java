package dev.lanewise.jmh;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Runs the benchmarks in rounds and writes the report. */
@Command(name = "Run", sortOptions = false, mixinStandardHelpOptions = true, description = "Benchmarks Lanewise and its peers, one thread each.")
public final class Run implements Callable<Integer> {
    /** One thread for the peers whose interface has no way to ask for it. */
    private static final Map<String, String> WANTED = Map.of("OPENBLAS_NUM_THREADS", "1", "OMP_NUM_THREADS", "1");
    /** Make OpenBLAS, and PyTorch on it, run another processor's kernels. */
    private static final List<String> UNWANTED = List.of("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE");

    @Parameters(paramLabel = "WORD", description = "'full' (5 rounds; the default) or 'quick' (1 round, few calls), then regular"
            + " expressions, each to be found in a benchmark's name whatever the case; the machine's limits are always measured")
    private List<String> words = new ArrayList<>();

    @Option(names = "-rounds", description = "rounds, each with one fork of every contender")
    private Integer rounds;

    @Option(names = "-calls", split = ",", description = "these calls instead of each topic's own, such as 12x512x64")
    private List<String> calls = List.of();

    @Option(names = "-contenders", split = ",", description = "these contenders instead of all")
    private List<String> contenders = List.of();

    @Option(names = "-jvmArgs", description = "further options of the measured JVMs, such as -XX:UseAVX=2")
    private String jvmArgs = "";

    @Option(names = "-out", defaultValue = "target/jmh-report", description = "where the report goes (${DEFAULT-VALUE})")
    private Path out;

    private final String arguments;

    private Run(String arguments) {
        this.arguments = arguments;
    }

    /** See {@code --help}. */
    public static void main(String[] args) throws Exception {
        System.exit(hasRightEnvironment()
                ? new CommandLine(new Run(shellWords(args))).execute(args)
                : relaunch(args));
    }

    @Override
    public Integer call() throws Exception {
        List<String> patterns = new ArrayList<>(words);
        boolean quick = patterns.remove("quick");
        patterns.remove("full");
        List<Topic> topics = Stream.of(Topic.values()).filter(topic -> selects(patterns, topic, quick)).toList();
        Rounds run = new Rounds(topics, rounds != null ? rounds : quick ? 1 : 5, quick, calls, contenders, jvmArgs);
        Report report = new Report(out, run, Header.of(arguments, jvmArgs));
        Results results = new Results();
        String page = "";
        for (int round = 0; round < run.rounds(); round++) {
            run.run(results);
            page = report.write(results);
        }
        System.out.println(page);
        return 0;
    }

    private static boolean selects(List<String> patterns, Topic topic, boolean quick) {
        if (patterns.isEmpty()) {
            return !quick || !topic.quickCalls.isEmpty();
        }
        return patterns.stream()
                .anyMatch(
                        pattern -> Pattern.compile(pattern, Pattern.CASE_INSENSITIVE)
                                .matcher(topic.benchmark.getSimpleName())
                                .find());
    }

    private static String shellWords(String[] args) {
        return Stream.of(args).map(arg -> arg.contains(" ") ? "'" + arg + "'" : arg).collect(Collectors.joining(" "));
    }

    private static boolean hasRightEnvironment() {
        Map<String, String> environment = System.getenv();
        return environment.entrySet().containsAll(WANTED.entrySet())
                && UNWANTED.stream().noneMatch(environment::containsKey);
    }

    /** JMH's forks inherit the environment and a JVM cannot change its own: so a JVM that has the right one takes over. */
    private static int relaunch(String[] args) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
        command.addAll(List.of("-classpath", System.getProperty("java.class.path"), Run.class.getName()));
        command.addAll(List.of(args));
        ProcessBuilder child = new ProcessBuilder(command).inheritIO();
        child.environment().keySet().removeAll(UNWANTED);
        child.environment().putAll(WANTED);
        return child.start().waitFor();
    }
}
