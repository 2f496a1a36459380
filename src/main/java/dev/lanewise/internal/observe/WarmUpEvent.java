package dev.lanewise.internal.observe;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import jdk.jfr.Timespan;

/** One warm-up: how long it was allowed and took, and what it reached. */
@Name("dev.lanewise.WarmUp")
@Label("Warm-Up")
@Category("Lanewise")
@Description("Calls made until the kernels were compiled and their times had settled")
@StackTrace(false)
final class WarmUpEvent extends Event {
    @Label("Shape")
    String shape;

    @Label("Limit")
    @Timespan
    long limit;

    @Label("Calls")
    long calls;

    @Label("Settled")
    boolean settled;

    @Label("First Call")
    @Timespan
    long first;

    @Label("Steady Call")
    @Timespan
    long steady;
}
