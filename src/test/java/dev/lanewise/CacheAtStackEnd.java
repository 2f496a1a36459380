package dev.lanewise;

import java.lang.foreign.Arena;
import java.util.Random;

/** Makes one kind of change of a sequence near the end of the stack, again and again. */
final class CacheAtStackEnd {
    private final KvCache cache;
    private final Tensor tokens;
    private final String change;
    private final int[] counts = new int[2];

    CacheAtStackEnd(Arena arena, String change) {
        cache = KvCache.builder(1, 16).pageTokens(2).capacity(100).allocate(arena);
        tokens = Tensor.allocate(arena, ElementType.FLOAT32, 1, 5, 16);
        this.change = change;
    }

    /** Without JUnit, once everything is compiled that may be. */
    public static void main(String[] arguments) throws InterruptedException {
        CacheAtStackEnd changes = new CacheAtStackEnd(Arena.global(), arguments[0]);
        for (int round = 0; round < 12_000; round++) {
            changes.round(-1);
        }
        changes.run();
        System.out.println("whole");
    }

    /** Fails if a change was made in part, or a page was lost. */
    void run() throws InterruptedException {
        Random random = new Random(1);
        Thread deep = new Thread(null, () -> {
            for (int round = 0; round < 800; round++) {
                round(random.nextInt(400));
            }
        }, "deep", 1 << 18);
        Throwable[] failure = new Throwable[1];
        deep.setUncaughtExceptionHandler((_, thrown) -> failure[0] = thrown);
        deep.start();
        deep.join();
        if (failure[0] != null) {
            throw new AssertionError(failure[0]);
        }
        require(counts[0] > 0, "no change met the end of the stack");
        require(counts[1] > 0, "every change did");
    }

    /** Changes a sequence of six pages, two of them shared, from 0 to {@code back} frames before the end of the stack; or here, if negative. */
    private void round(int back) {
        KvCache.Sequence sequence = cache.newSequence();
        sequence.append(0, tokens, tokens);
        KvCache.Sequence shared = sequence.fork();
        sequence.append(0, tokens, tokens);
        int free = cache.freePages();
        int ended = counts[0];
        KvCache.Sequence[] made = {shared};
        Runnable call = switch (change) {
            case "append" -> () -> sequence.append(0, tokens, tokens);
            case "fork" -> () -> made[0] = sequence.fork();
            case "truncate" -> () -> sequence.truncate(1);
            case "evict" -> () -> sequence.evict(1, 8);
            default -> sequence::close;
        };
        if (back < 0) {
            call.run();
        } else {
            StackEnd.call(back, call, counts);
        }
        if (counts[0] > ended) {
            require(sequence.length() == 10, "tokens changed: " + sequence.length());
            require(cache.freePages() == free, "free pages changed: " + cache.freePages() + ", not " + free);
        }
        made[0].close();
        shared.close();
        sequence.close();
        require(cache.freePages() == cache.pages(), "free at the end: " + cache.freePages());
    }

    private static void require(boolean met, String otherwise) {
        if (!met) {
            throw new AssertionError(otherwise);
        }
    }
}
