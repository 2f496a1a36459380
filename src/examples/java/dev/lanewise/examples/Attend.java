package dev.lanewise.examples;

import java.io.PrintWriter;
import java.util.concurrent.Callable;
import java.util.logging.Level;
import java.util.logging.Logger;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.MaxValuesExceededException;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.MutuallyExclusiveArgsException;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/**
 * The example program: attention over a sample of real data, over .npy files, or over a few random numbers. Exit code 0, or 2 with
 * one line on standard error.
 */
@Command(name = "attend", sortOptions = false, sortSynopsis = false, exitCodeOnInvalidInput = Attend.FAILURE, customSynopsis = {
    "attend [--head=N] [--sentence=N] [--picture=FILE]",
    "       attend --q=FILE --k=FILE --v=FILE --out=FILE [options of files]",
    "       attend --tutorial [--seed=N]"}, description = "Scaled dot-product attention with Lanewise.")
final class Attend implements Callable<Integer> {
    static final int FAILURE = 2;

    /** Held, because the log manager itself forgets loggers and their levels. */
    private static final Logger LIBRARY_LOG = Logger.getLogger("dev.lanewise");

    @Spec
    private CommandSpec spec;

    @Option(names = "--help", usageHelp = true, description = "Print this help.")
    private boolean help;

    @ArgGroup(exclusive = true, multiplicity = "0..1")
    private Mode mode;

    /** What to run; by default the sample. */
    static final class Mode {
        @ArgGroup(exclusive = false, heading = "%nThe sample: a layer of all-MiniLM-L6-v2 over two sentences%n")
        private SampleRun sample;
        @ArgGroup(exclusive = false, heading = "%nNumPy files (.npy of float32, C order, rank 2 to 4)%n")
        private FileRun files;
        @ArgGroup(exclusive = false, heading = "%nThe tutorial: x1 (2,3,4) attends to x2 (2,5,4)%n")
        private TutorialRun tutorial;

        private Run chosen() {
            return files != null ? files : tutorial != null ? tutorial : sample;
        }
    }

    /** One of the things this program can do. */
    interface Run {
        void run(PrintWriter out) throws AttendException;
    }

    public static void main(String[] args) {
        System.setProperty("java.awt.headless", "true");
        // What start-up chose is in the program's own output; standard error is for failures.
        LIBRARY_LOG.setLevel(Level.WARNING);
        System.exit(commandLine().execute(args));
    }

    static CommandLine commandLine() {
        return new CommandLine(new Attend())
                .setParameterExceptionHandler((e, _) -> fail(e.getCommandLine(), wrongArguments(e)))
                .setExecutionExceptionHandler((e, command, _) -> {
                    if (e instanceof AttendException) {
                        return fail(command, e.getMessage());
                    }
                    throw e;
                });
    }

    /** Where options clash, picocli's own message lists every option there is. */
    private static String wrongArguments(ParameterException failure) {
        return failure instanceof MutuallyExclusiveArgsException || failure instanceof MaxValuesExceededException
                ? "an option twice, or options of different runs; see --help"
                : failure.getMessage().replaceFirst("^Error: ", "");
    }

    /** One line, whatever characters a file's name has. */
    private static int fail(CommandLine command, String message) {
        String line = message.replaceAll("[\\p{Cc}\\p{Zl}\\p{Zp}]+", " ");
        command.getErr().println(command.getCommandName() + ": " + line);
        command.getErr().flush();
        return FAILURE;
    }

    @Override
    public Integer call() throws AttendException {
        PrintWriter out = spec.commandLine().getOut();
        Run run = mode == null ? new SampleRun() : mode.chosen();
        run.run(out);
        out.flush();
        return 0;
    }
}
