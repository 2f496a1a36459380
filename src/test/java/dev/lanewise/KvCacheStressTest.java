package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lanewise.internal.memory.CachedRows;
import java.lang.foreign.Arena;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.BrokenBarrierException;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;

/** Threads that share one pool: no token of a sequence is another's, and in the end every page is free. */
class KvCacheStressTest {
    private static final int THREADS = 4;
    private static final long NANOS = 2_000_000_000L;
    private static final int PAGE = 4;
    private static final int PAGES = 40;
    private static final int DEPTH = 2;

    /** A sequence, with the numbers that its tokens hold; handed from thread to thread through a queue. */
    private record Owned(KvCache.Sequence sequence, List<Integer> tokens) {
    }

    /** One thread's work until the time is over. */
    private static final class Worker {
        private final KvCache cache;
        private final Queue<Owned> exchange;
        private final Random random;
        private final int first;
        private final Tensor row;
        private final CachedRows rows = new CachedRows();
        private final ArrayDeque<Owned> mine = new ArrayDeque<>();
        private int tokens;
        private int exhausted;

        Worker(KvCache cache, Queue<Owned> exchange, Arena arena, int number) {
            this.cache = cache;
            this.exchange = exchange;
            random = new Random(number);
            // float32 counts to 2^24.
            first = number << 21;
            row = Tensor.allocate(arena, ElementType.FLOAT32, 1, 1, DEPTH);
        }

        int run() {
            long end = System.nanoTime() + NANOS;
            while (System.nanoTime() < end) {
                step();
            }
            mine.forEach(owned -> owned.sequence.close());
            return exhausted;
        }

        private void step() {
            Owned owned = mine.isEmpty() ? null : mine.poll();
            if (owned == null) {
                owned = exchange.poll();
                owned = owned == null ? new Owned(cache.newSequence(), new ArrayList<>()) : owned;
            }
            check(owned);
            int length = owned.tokens.size();
            switch (random.nextInt(12)) {
                case 0 -> {
                    int left = random.nextInt(length + 1);
                    owned.sequence.truncate(left);
                    owned.tokens.subList(left, length).clear();
                }
                case 1 -> exchange.add(new Owned(owned.sequence.fork(), new ArrayList<>(owned.tokens)));
                case 2 -> {
                    int dropped = random.nextInt(length + 1);
                    if (owned.sequence.nextPosition(0) == length) {
                        owned.sequence.evict(Math.min(1, length - dropped), dropped);
                        owned.tokens.subList(Math.min(1, length - dropped), Math.min(1, length - dropped) + dropped)
                                .clear();
                    }
                }
                case 3 -> {
                    owned.sequence.close();
                    return;
                }
                default -> append(owned);
            }
            if (random.nextInt(8) == 0) {
                exchange.add(owned);
            } else {
                mine.add(owned);
            }
        }

        private void append(Owned owned) {
            int number = first + tokens++ % (1 << 21);
            row.setFloat(number, 0, 0, 0);
            row.setFloat(number, 0, 0, 1);
            try {
                owned.sequence.append(0, row, row);
                owned.tokens.add(number);
            } catch (KvCache.ExhaustedException full) {
                exhausted++;
                owned.sequence.truncate(0);
                owned.tokens.clear();
            }
        }

        private void check(Owned owned) {
            owned.sequence.fill(0, rows);
            assertEquals(owned.tokens.size(), rows.length);
            for (int key = 0; key < rows.length; key++) {
                int number = owned.tokens.get(key);
                assertEquals(number, rows.key(0, key, 0));
                assertEquals(number, rows.value(0, key, 1));
            }
        }
    }

    @Test
    void threadsThatShareAPoolLoseNoPageAndGetNoneTwice() throws Exception {
        Queue<Owned> exchange = new ConcurrentLinkedQueue<>();
        try (Arena arena = Arena.ofShared(); ExecutorService executor = Executors.newFixedThreadPool(THREADS)) {
            KvCache cache = KvCache.builder(1, DEPTH).pageTokens(PAGE).capacity(PAGE * PAGES).allocate(arena);
            List<Future<Integer>> results = new ArrayList<>();
            for (int i = 0; i < THREADS; i++) {
                Worker worker = new Worker(cache, exchange, arena, i);
                results.add(executor.submit(worker::run));
            }
            int exhausted = 0;
            for (Future<Integer> result : results) {
                exhausted += result.get();
            }
            assertTrue(exhausted > 0, "the pool was never exhausted");
            exchange.forEach(owned -> owned.sequence.close());
            assertEquals(PAGES, cache.freePages());
            takeEveryPage(cache, arena);
        }
    }

    /** The free pages are all different ones: as many tokens as the pool has room for are all there. */
    private static void takeEveryPage(KvCache cache, Arena arena) {
        Tensor all = Tensor.allocate(arena, ElementType.FLOAT32, 1, PAGE * PAGES, DEPTH);
        for (int token = 0; token < PAGE * PAGES; token++) {
            all.setFloat(token, 0, token, 0);
        }
        KvCache.Sequence sequence = cache.newSequence();
        sequence.append(0, all, all);
        CachedRows rows = new CachedRows();
        sequence.fill(0, rows);
        for (int token = 0; token < PAGE * PAGES; token++) {
            assertEquals(token, rows.key(0, token, 0));
        }
        assertThrows(KvCache.ExhaustedException.class,
                () -> sequence.append(0, all.slice(1, 0, 1), all.slice(1, 0, 1)));
    }

    /** Readers of a growing sequence see whole tokens: every value is 1, so every context is. */
    @Test
    void readersMayRunWhileTheWriterAppends() throws Exception {
        try (Arena arena = Arena.ofShared(); ExecutorService executor = Executors.newFixedThreadPool(2)) {
            int tokens = 3000;
            KvCache cache = KvCache.builder(1, DEPTH).pageTokens(PAGE).capacity(tokens).allocate(arena);
            KvCache.Sequence sequence = cache.newSequence();
            Tensor one = Tensor.ofFloats(arena, new float[]{1, 1}, 1, 1, DEPTH);
            AtomicBoolean done = new AtomicBoolean();
            CyclicBarrier start = new CyclicBarrier(2);
            Future<Integer> reader = executor.submit(() -> read(arena, sequence, start, done));
            start.await();
            for (int i = 0; i < tokens; i++) {
                sequence.append(0, one, one);
            }
            done.set(true);
            assertEquals(tokens, reader.get());
        }
    }

    private static int read(Arena arena, KvCache.Sequence sequence, CyclicBarrier start, AtomicBoolean done)
            throws InterruptedException, BrokenBarrierException, ExecutionException {
        Attention operator = Attention.builder().build();
        AttentionInputs inputs = AttentionInputs.ofCache(
                Tensor.ofFloats(arena, new float[]{1, 1}, 1, 1, 1, DEPTH), 0, sequence);
        Tensor context = Tensor.allocate(arena, ElementType.FLOAT32, 1, 1, 1, DEPTH);
        Tensor logSumExp = Tensor.allocate(arena, ElementType.FLOAT64, 1, 1, 1, 1);
        AttentionOutputs outputs = AttentionOutputs.of(context).withLogSumExp(logSumExp);
        start.await();
        double seen = 0;
        for (boolean last = false; !last;) {
            last = done.get();
            operator.run(inputs, outputs);
            // The sum of exponentials is the number of keys times exp(2/sqrt 2).
            double keys = Math.exp(logSumExp.getFloat(0, 0, 0, 0) - Math.sqrt(2));
            assertTrue(keys >= seen - 0.1, "fewer keys than before");
            seen = Math.rint(keys);
            assertEquals(seen, keys, 1e-2);
            assertEquals(seen == 0 ? 0 : 1, context.getFloat(0, 0, 0, 1), 1e-5);
        }
        return (int) seen;
    }
}
