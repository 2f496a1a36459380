package dev.lanewise;

import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicLong;
import java.util.random.RandomGenerator;

/** What the soak does with caches: one of each type of storage, whose sequences go from thread to thread. */
final class SoakCaches {
    private static final int THREADS = 3;
    private static final int PAGE_TOKENS = 16;
    private static final int PAGES = 128;
    private static final long CALL_NANOS = 300_000;

    private final Executor helpers;
    private final List<ChurnedCache> caches = new ArrayList<>();
    private final List<Queue<ChurnedSequence>> waiting = new ArrayList<>();
    private final AtomicLong steps = new AtomicLong();
    private final AtomicLong checked = new AtomicLong();
    private final AtomicLong exhausted = new AtomicLong();
    private final AtomicLong cancelled = new AtomicLong();
    private final AtomicLong closed = new AtomicLong();

    SoakCaches(Arena arena, Executor helpers) {
        this.helpers = helpers;
        for (ElementType type : ChurnedCache.TYPES) {
            caches.add(new ChurnedCache(arena, type, PAGE_TOKENS, PAGES));
            waiting.add(new ConcurrentLinkedQueue<>());
        }
    }

    void one(RandomGenerator random) {
        if (random.nextInt(16) == 0) {
            closing(random);
            return;
        }
        int which = random.nextInt(caches.size());
        Queue<ChurnedSequence> queue = waiting.get(which);
        ChurnedSequence sequence = queue.poll();
        if (sequence == null) {
            sequence = caches.get(which).newSequence();
        }
        for (int changes = random.nextInt(1, 6); changes > 0; changes--) {
            steps.incrementAndGet();
            switch (random.nextInt(8)) {
                case 0 -> sequence.truncate(random);
                case 1 -> sequence.evict(random);
                case 2 -> queue.add(sequence.fork());
                case 3 -> {
                    sequence.close();
                    sequence = caches.get(which).newSequence();
                }
                default -> append(sequence, random, queue);
            }
        }
        attend(sequence, random);
        queue.add(sequence);
    }

    /** When the pool is exhausted the sequence is as before, and others make room. */
    private void append(ChurnedSequence sequence, RandomGenerator random, Queue<ChurnedSequence> queue) {
        if (!sequence.append(random)) {
            exhausted.incrementAndGet();
            for (ChurnedSequence other = queue.poll(); other != null; other = queue.poll()) {
                other.close();
            }
        }
    }

    private void attend(ChurnedSequence sequence, RandomGenerator random) {
        Execution execution = random.nextBoolean()
                ? Execution.here()
                : Execution.here().withThreads(helpers, THREADS);
        switch (random.nextInt(4)) {
            case 0 -> cancelled.addAndGet(EndedCalls.cancelled(random, CALL_NANOS, execution,
                    limited -> sequence.attend(random, limited)) ? 1 : 0);
            case 1 -> sequence.attend(random, execution);
            default -> {
                sequence.check(random, execution);
                checked.incrementAndGet();
            }
        }
    }

    /** A cache of its own, whose arena is closed while a sequence grows and is read. */
    private void closing(RandomGenerator random) {
        Arena arena = Arena.ofShared();
        ElementType type = ChurnedCache.TYPES.get(random.nextInt(ChurnedCache.TYPES.size()));
        ChurnedSequence sequence = new ChurnedCache(arena, type, PAGE_TOKENS, PAGES / 4).newSequence();
        closed.addAndGet(EndedCalls.closed(random, CALL_NANOS, arena, () -> {
            if (!sequence.append(random)) {
                sequence.truncate(random);
            }
            sequence.attend(random, Execution.here());
        }) ? 1 : 0);
    }

    /** Frees everything: all pages are there, each of them once. */
    void end() {
        for (int which = 0; which < caches.size(); which++) {
            waiting.get(which).forEach(ChurnedSequence::close);
            caches.get(which).requireEveryPageFree();
        }
    }

    @Override
    public String toString() {
        return steps + " changes of sequences, " + checked + " calls over caches held to float64, " + exhausted
                + " appends to an exhausted pool, " + cancelled + " calls cancelled, " + closed
                + " ended by an arena closed in the middle, all " + PAGES * caches.size() + " pages free in the end";
    }
}
