package dev.lanewise.internal.observe;

import jdk.jfr.Event;
import jdk.jfr.FlightRecorder;

/**
 * The events of Java Flight Recorder, where the module {@code jdk.jfr} is there. An event is handed about as an object, for without the
 * module its class cannot be linked; it is null while nobody records.
 */
public final class Events {
    private static final boolean PRESENT = present();

    private Events() {
    }

    private static boolean present() {
        Module own = Events.class.getModule();
        return ModuleLayer.boot().findModule("jdk.jfr").filter(own::canRead).isPresent();
    }

    /** Begins the event of a call, if anybody records. */
    public static Object beginCall() {
        return PRESENT ? Jfr.beginCall() : null;
    }

    /** Ends the event of a call; true if it is to be written: only then its fields are worth making. */
    public static boolean endCall(Object event) {
        return event != null && Jfr.end(event);
    }

    /** Writes the event of a call. */
    public static void writeCall(Object event, String operator, String shape, String kernel, int vectorBits,
            int threads, long bytes, boolean failed) {
        Jfr.writeCall(event, operator, shape, kernel, vectorBits, threads, bytes, failed);
    }

    /** Begins the event of a warm-up, if anybody records. */
    public static Object beginWarmUp() {
        return PRESENT ? Jfr.beginWarmUp() : null;
    }

    /** Writes the event of a warm-up; times in nanoseconds. */
    public static void writeWarmUp(Object event, String shape, long limit, long calls, boolean settled, long first,
            long steady) {
        if (event != null) {
            Jfr.writeWarmUp(event, shape, limit, calls, settled, first, steady);
        }
    }

    /** Writes what start-up chose, into a recording that runs now and at the begin of every chunk of those to come. */
    public static void announceStartUp(String kernel, String reason, int vectorBits, int vectorRegisters,
            boolean warning) {
        if (PRESENT) {
            Jfr.announce(kernel, reason, vectorBits, vectorRegisters, warning);
        }
    }

    /** Apart: to verify a method that knows events the JVM loads their classes. */
    private static final class Jfr {
        static Object beginCall() {
            if (!CallEvent.PROBE.isEnabled()) {
                return null;
            }
            CallEvent event = new CallEvent();
            event.begin();
            return event;
        }

        static Object beginWarmUp() {
            WarmUpEvent event = new WarmUpEvent();
            event.begin();
            return event;
        }

        static boolean end(Object begun) {
            Event event = (Event) begun;
            event.end();
            return event.shouldCommit();
        }

        static void writeCall(Object begun, String operator, String shape, String kernel, int vectorBits, int threads,
                long bytes, boolean failed) {
            CallEvent event = (CallEvent) begun;
            event.operator = operator;
            event.shape = shape;
            event.kernel = kernel;
            event.vectorBits = vectorBits;
            event.threads = threads;
            event.bytes = bytes;
            event.failed = failed;
            event.commit();
        }

        static void writeWarmUp(Object begun, String shape, long limit, long calls, boolean settled, long first,
                long steady) {
            WarmUpEvent event = (WarmUpEvent) begun;
            event.shape = shape;
            event.limit = limit;
            event.calls = calls;
            event.settled = settled;
            event.first = first;
            event.steady = steady;
            event.commit();
        }

        static void announce(String kernel, String reason, int vectorBits, int vectorRegisters, boolean warning) {
            Runnable write = () -> {
                StartUpEvent event = new StartUpEvent();
                event.kernel = kernel;
                event.reason = reason;
                event.vectorBits = vectorBits;
                event.vectorRegisters = vectorRegisters;
                event.warning = warning;
                event.commit();
            };
            FlightRecorder.addPeriodicEvent(StartUpEvent.class, write);
            write.run();
            // The flight recorder takes 5 ms to register an event's class: not in the first call.
            beginCall();
        }
    }
}
