package dev.lanewise.internal.observe;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.Period;
import jdk.jfr.StackTrace;

/** What start-up chose; written then and at the begin of every chunk, so that a recording has it whenever it was started. */
@Name("dev.lanewise.StartUp")
@Label("Start-Up Choice")
@Category("Lanewise")
@Description("Which kernel runs in this JVM, and why")
@Period("beginChunk")
@StackTrace(false)
final class StartUpEvent extends Event {
    @Label("Kernel")
    String kernel;

    @Label("Reason")
    String reason;

    @Label("Vector Width")
    @Description("In bits; 0 without vectors")
    int vectorBits;

    @Label("Vector Registers")
    int vectorRegisters;

    @Label("Warning")
    @Description("Whether the machine could do better than what was chosen")
    boolean warning;
}
