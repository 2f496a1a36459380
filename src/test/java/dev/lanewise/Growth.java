package dev.lanewise;

import java.util.ArrayList;
import java.util.List;
import java.util.function.ToLongFunction;

/** By how much memory grew while it was looked at: the slope of the line of least squares through the samples, times the time they cover. */
final class Growth {
    /** What a name of memory may grow by. */
    private record Limit(String name, ToLongFunction<ProcessMemory> of, long kibibytes) {
    }

    /** 16 bytes a call are 4 MiB in 260,000 calls. What C2 holds while it compiles, and code, are outside the heap, too. */
    private static final List<Limit> LIMITS = List.of(new Limit("heap", ProcessMemory::heap, 4 << 10),
            new Limit("arenas", ProcessMemory::arenas, 4 << 10),
            new Limit("native memory outside the heap", ProcessMemory::outsideHeap, 32 << 10),
            new Limit("resident set", ProcessMemory::resident, 32 << 10));

    private final List<ProcessMemory> samples = new ArrayList<>();

    void add(ProcessMemory sample) {
        samples.add(sample);
    }

    /** One line for each kind of memory; an error if one grew by more than it may. */
    void check() {
        for (Limit limit : LIMITS) {
            double grown = grown(limit.of);
            System.out.printf("%s: %.1f MiB at first, fitted growth %+.2f MiB, %d allowed%n", limit.name,
                    limit.of.applyAsLong(samples.getFirst()) / 1024.0, grown / 1024, limit.kibibytes / 1024);
            if (!(grown <= limit.kibibytes)) {
                throw new AssertionError(limit.name + " grew by " + Math.round(grown) + " KiB");
            }
        }
    }

    private double grown(ToLongFunction<ProcessMemory> of) {
        int n = samples.size();
        double meanX = (n - 1) / 2.0;
        double meanY = samples.stream().mapToLong(of).average().orElseThrow();
        double xy = 0;
        double xx = 0;
        for (int i = 0; i < n; i++) {
            xy += (i - meanX) * (of.applyAsLong(samples.get(i)) - meanY);
            xx += (i - meanX) * (i - meanX);
        }
        return xy / xx * (n - 1);
    }
}
