package dev.lanewise.internal.observe;

import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.Threshold;

/** One call of an operator. At 10 ms, the threshold of the JDK's own events, a service of short calls pays for the clock only. */
@Name("dev.lanewise.Call")
@Label("Operator Call")
@Category("Lanewise")
@Description("A call of an operator, from after its arguments were checked")
@Threshold("10 ms")
final class CallEvent extends Event {
    /** Asked whether anybody records, without making an event. */
    static final CallEvent PROBE = new CallEvent();

    @Label("Operator")
    String operator;

    @Label("Shape")
    String shape;

    @Label("Kernel")
    String kernel;

    @Label("Vector Width")
    @Description("In bits; 0 without vectors")
    int vectorBits;

    @Label("Threads")
    @Description("How many threads the call was allowed")
    int threads;

    @Label("Operand Bytes")
    @DataAmount
    long bytes;

    @Label("Failed")
    @Description("Whether the call ended in an exception: cancelled, or memory closed")
    boolean failed;
}
