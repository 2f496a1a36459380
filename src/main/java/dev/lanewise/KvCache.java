package dev.lanewise;

import dev.lanewise.internal.kernel.RowStore;
import dev.lanewise.internal.memory.CacheLayout;
import dev.lanewise.internal.memory.CachedRows;
import dev.lanewise.internal.memory.Operand;
import dev.lanewise.internal.memory.PageList;
import dev.lanewise.internal.memory.PagePool;
import dev.lanewise.internal.memory.RotaryTable;
import dev.lanewise.internal.memory.Scratch;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;

/**
 * The keys and values of the tokens seen so far, of one layer or of all layers of a model: a bounded pool of pages off-heap, and sequences that hold
 * pages of it (Kwon et al., "Efficient Memory Management for Large Language Model Serving with PagedAttention", 2023). A page has
 * room for a fixed number of tokens in all layers and heads. {@link AttentionInputs#ofCache} attends to it without copying.
 *
 * <p>Any number of threads may make sequences and use different ones at the same time, forks of one another included: no lock is taken, and no page is lost or given
 * out twice. {@link Sequence} says what holds for the threads of one sequence. The memory belongs to the arena given to
 * {@link Builder#allocate}; after it is closed every use fails with {@link IllegalStateException}. A sequence that is
 * dropped without {@link Sequence#close} keeps its pages from the pool.
 */
public final class KvCache {
    private final CacheLayout layout;
    private final RotaryEmbedding rotary;
    private final MemorySegment segment;
    private final PagePool pool;

    private KvCache(CacheLayout layout, RotaryEmbedding rotary, MemorySegment segment) {
        this.layout = layout;
        this.rotary = rotary;
        this.segment = segment;
        pool = new PagePool(layout.pages);
    }

    /**
     * Starts a cache of float32, one layer, one page.
     *
     * @param kvHeads Hkv, the key/value heads of each layer
     * @param headDimension D, of keys, and of values unless set
     * @return a builder
     * @throws IllegalArgumentException below 1
     */
    public static Builder builder(int kvHeads, int headDimension) {
        return new Builder(kvHeads, headDimension);
    }

    /**
     * A sequence without tokens; it holds no page yet.
     *
     * @return a sequence that the caller closes
     * @throws IllegalStateException if the arena is closed
     * @throws WrongThreadException if the arena is confined to another thread
     */
    public Sequence newSequence() {
        TensorChecks.readable("cache", segment);
        return new Sequence(this, new PageList(layout, pool, segment));
    }

    /**
     * The size of the memory outside the heap.
     *
     * @return bytes, what {@link Builder#byteSize} foretold
     */
    public long byteSize() {
        return layout.bytes;
    }

    /**
     * The number of pages.
     *
     * @return capacity / tokens in a page
     */
    public int pages() {
        return layout.pages;
    }

    /**
     * The number of pages that no sequence holds, at some moment of the call.
     *
     * @return 0 to {@link #pages}
     */
    public int freePages() {
        return pool.free();
    }

    /**
     * The number of tokens in a page.
     *
     * @return tokens
     */
    public int pageTokens() {
        return layout.pageTokens;
    }

    /**
     * The number of tokens in all pages.
     *
     * @return tokens
     */
    public long capacity() {
        return (long) layout.pages * layout.pageTokens;
    }

    /**
     * The number of layers.
     *
     * @return layers
     */
    public int layers() {
        return layout.layers;
    }

    /**
     * The number of key/value heads.
     *
     * @return Hkv
     */
    public int kvHeads() {
        return layout.heads;
    }

    /**
     * The dimension of keys.
     *
     * @return D
     */
    public int headDimension() {
        return layout.depth;
    }

    /**
     * The dimension of values.
     *
     * @return Dv
     */
    public int valueDimension() {
        return layout.valueDepth;
    }

    /**
     * What keys and values are stored as.
     *
     * @return the type
     */
    public ElementType storage() {
        return layout.type;
    }

    MemorySegment segment() {
        return segment;
    }

    /** The pool has too few free pages for an append; the sequence is as it was before. */
    public static final class ExhaustedException extends IllegalStateException {
        private static final long serialVersionUID = 1;

        ExhaustedException(String message) {
            super(message);
        }
    }

    /** The dimensions of a {@link KvCache}, by name. Not thread-safe; may be used for more than one cache. */
    public static final class Builder {
        private final int kvHeads;
        private final int headDimension;
        private int valueDimension;
        private int layers = 1;
        private ElementType storage = ElementType.FLOAT32;
        /** 0 stands for the capacity. */
        private int pageTokens;
        private long capacity;
        private RotaryEmbedding rotary;

        private Builder(int kvHeads, int headDimension) {
            this.kvHeads = positive("kvHeads", kvHeads);
            this.headDimension = positive("headDimension", headDimension);
            valueDimension = headDimension;
        }

        /**
         * The dimension of values, where it is not that of keys.
         *
         * @param dimension Dv
         * @return this
         * @throws IllegalArgumentException below 1
         */
        public Builder valueDimension(int dimension) {
            valueDimension = positive("valueDimension", dimension);
            return this;
        }

        /**
         * The number of layers that share the pages; 1 unless set.
         *
         * @param count layers
         * @return this
         * @throws IllegalArgumentException below 1
         */
        public Builder layers(int count) {
            layers = positive("layers", count);
            return this;
        }

        /**
         * What keys and values are stored as, rounded to nearest even; float32 unless set. {@link ElementType#INT8} is symmetric with one scale a
         * row, that is for each token, head, and K or V: largest magnitude / 127. A row with a NaN or ∞ reads as NaN throughout, one
         * whose largest magnitude is below 3.8e-37 as 0. A float16 overflows to ∞ above 65504.
         *
         * @param type {@link ElementType#FLOAT32}, {@link ElementType#BFLOAT16}, {@link ElementType#FLOAT16} or {@link ElementType#INT8}
         * @return this
         * @throws IllegalArgumentException if it is another
         */
        public Builder storage(ElementType type) {
            Objects.requireNonNull(type, "storage");
            if (!type.isOperand() && type != ElementType.INT8) {
                throw new IllegalArgumentException("storage: " + type + ", wanted FLOAT32, BFLOAT16, FLOAT16 or INT8");
            }
            storage = type;
            return this;
        }

        /**
         * The number of tokens in a page; unless set, the capacity: a contiguous cache, which one sequence can use at a time.
         *
         * @param tokens must divide the capacity
         * @return this
         * @throws IllegalArgumentException below 1
         */
        public Builder pageTokens(int tokens) {
            pageTokens = positive("pageTokens", tokens);
            return this;
        }

        /**
         * The number of tokens that the pool has room for, over all sequences. Has to be set.
         *
         * @param tokens a whole number of pages, at least one
         * @return this
         * @throws IllegalArgumentException below 1
         */
        public Builder capacity(long tokens) {
            if (tokens < 1) {
                throw new IllegalArgumentException("capacity: " + tokens + ", wanted at least 1");
            }
            capacity = tokens;
            return this;
        }

        /**
         * Rotates keys when they are appended, each at {@link Sequence#nextPosition}, in float32 before they are rounded. Off unless set.
         *
         * @param embedding its rotated features at most D; or null for off
         * @return this
         */
        public Builder rotary(RotaryEmbedding embedding) {
            rotary = embedding;
            return this;
        }

        /**
         * The size of the memory that {@link #allocate} takes from the arena, exactly: all pages. What a cache has on the heap is 8 bytes a page,
         * and 4 for each page that a sequence holds.
         *
         * @return bytes
         * @throws IllegalArgumentException if the capacity has not been set, is no whole number of pages, or has more bytes than a long can
         *         count
         */
        public long byteSize() {
            return layout().bytes;
        }

        /**
         * Makes the cache. The JDK fills new memory with zeros, so this takes the time to write all of it.
         *
         * @param arena owns the memory: shared or automatic, if more than one thread is to use it
         * @return an empty cache
         * @throws IllegalArgumentException as {@link #byteSize}; or if the arena is not one of native memory
         * @throws OutOfMemoryError if there is not that much
         */
        public KvCache allocate(Arena arena) {
            Objects.requireNonNull(arena, "arena");
            CacheLayout layout = layout();
            MemorySegment segment = arena.allocate(layout.bytes, CacheLayout.ALIGNMENT);
            if (!Operand.isNative(segment)) {
                throw new IllegalArgumentException("arena: it allocates " + segment + ", wanted native memory");
            }
            return new KvCache(layout, rotary, segment);
        }

        private CacheLayout layout() {
            if (capacity == 0) {
                throw new IllegalArgumentException("capacity: not set, wanted at least 1");
            }
            if (rotary != null && rotary.rotated > headDimension) {
                throw new IllegalArgumentException("rotary: rotates " + rotary.rotated
                        + " features, wanted at most headDimension, " + headDimension);
            }
            long tokens = pageTokens == 0 ? capacity : pageTokens;
            if (tokens > Integer.MAX_VALUE) {
                throw new IllegalArgumentException("capacity: " + capacity + " tokens in one page, wanted at most "
                        + Integer.MAX_VALUE + "; set pageTokens");
            }
            if (capacity % tokens != 0 || capacity / tokens > Integer.MAX_VALUE - Long.BYTES) {
                throw new IllegalArgumentException(
                        "capacity: " + capacity + " tokens, wanted a whole number of pages of "
                                + tokens + ", less than 2^31 of them");
            }
            try {
                return new CacheLayout(kvHeads, headDimension, valueDimension, layers, storage, (int) tokens,
                        (int) (capacity / tokens));
            } catch (ArithmeticException overflow) {
                throw new IllegalArgumentException("capacity: " + capacity + " tokens of " + layers + " layers, "
                        + kvHeads + " heads, dimensions " + headDimension + " and " + valueDimension + " of " + storage
                        + " have more bytes than a long can count", overflow);
            }
        }

        private static int positive(String name, int value) {
            if (value < 1) {
                throw new IllegalArgumentException(name + ": " + value + ", wanted at least 1");
            }
            return value;
        }
    }

    /**
     * The tokens of one sequence. Its keys are numbered from 0 to before its length, without regard to evicted ones: so causal masks, windows and
     * ALiBi count distances within the cache, as StreamingLLM does (Xiao et al., 2024).
     *
     * <p><b>Positions.</b> A token stands at the position that it had when nothing was evicted: that of key j is j before the
     * place of an eviction, and j + the number of evicted tokens from there on. {@link #truncate} takes positions back with the tokens, and
     * the next ones get them again. Where {@link Builder#rotary} is set, keys are rotated at these positions, and stay so; rotate
     * the queries at {@link #nextPosition} before the append.
     *
     * <p><b>Threads.</b> Every use but {@link #close} throws {@link WrongThreadException} if the arena of the cache is confined to another thread. One
     * thread at a time may change a sequence: append, truncate, evict, fork and close need an order that the caller
     * provides, by handing the sequence over through an executor, a queue or a lock. A call of {@link Attention} takes the length and the pages when it starts, and
     * any number of them may read at once. They may run while the writer appends, and see tokens whose append has returned or
     * those of the moment before, unless a fork shares the page that is appended to. Everything else that changes
     * a sequence has to come after the calls that read it have returned.
     */
    public static final class Sequence implements AutoCloseable {
        private final KvCache cache;
        private final PageList list;
        private final CachedRows target = new CachedRows();
        private boolean closed;

        private Sequence(KvCache cache, PageList list) {
            this.cache = cache;
            this.list = list;
        }

        /**
         * Appends the keys and values of n tokens to a layer. Allocates nothing, but where the list of pages has to grow. A page that is shared with a
         * fork and only partly filled is copied first.
         *
         * @param layer from 0
         * @param k (Hkv, n, D), any strides, FLOAT32, BFLOAT16 or FLOAT16
         * @param v (Hkv, n, Dv), likewise
         * @throws IllegalArgumentException if shapes or types do not fit, or the rotary embedding has no such positions
         * @throws IndexOutOfBoundsException if there is no such layer
         * @throws ExhaustedException if the pool has too few free pages
         * @throws IllegalStateException if the sequence or an arena is closed
         * @throws WrongThreadException if a tensor or the cache belongs to another thread
         * @throws NullPointerException if a tensor is null; the message is its name
         */
        public void append(int layer, Tensor k, Tensor v) {
            checkOpen("sequence");
            checkLayer(layer);
            CacheLayout layout = cache.layout;
            check("k", k, "headDimension", layout.depth);
            check("v", v, "valueDimension", layout.valueDepth);
            TensorChecks.sameSize("v", v, 1, "k", k, 1);
            int length = list.length(layer);
            long count = k.size(1);
            if (count > Integer.MAX_VALUE - list.slots(length)) {
                throw new IllegalArgumentException("k: " + count + " tokens after " + length
                        + ", wanted a sequence of less than 2^31");
            }
            RotaryTable rotation = cache.rotary == null ? null : cache.rotary.table;
            long position = length + list.evicted();
            if (rotation != null && position + count > cache.rotary.positions) {
                throw new IllegalArgumentException("k: " + count + " tokens from position " + position
                        + ", wanted at most the rotary embedding's " + cache.rotary.positions + " positions");
            }
            if (count == 0) {
                return;
            }
            int missing = list.reserve(layer, (int) count);
            if (missing > 0) {
                throw new ExhaustedException("cache: " + missing + " free pages too few for " + count
                        + " tokens more, " + layout.pageTokens + " a page");
            }
            write(layer, k, v, length, rotation, (int) position);
            list.publish(layer, (int) count);
        }

        private void write(int layer, Tensor k, Tensor v, int length, RotaryTable rotation, int position) {
            list.fill(target, layer);
            Scratch<RowStore> scratch = RowStore.POOL.acquire();
            boolean done = false;
            try {
                scratch.state.keys(k, target, length, rotation, position, scratch);
                scratch.state.values(v, target, length, scratch);
                if (scratch.state.special()) {
                    list.markSpecial();
                }
                done = true;
            } finally {
                scratch.state.clear();
                RowStore.POOL.release(scratch);
                if (!done) {
                    list.trim();
                }
            }
        }

        private void check(String name, Tensor tensor, String dimension, int columns) {
            Objects.requireNonNull(tensor, name);
            TensorChecks.rank(name, tensor, 3);
            TensorChecks.floating(name, tensor);
            TensorChecks.size(name, tensor, 0, "kvHeads", cache.layout.heads);
            TensorChecks.size(name, tensor, 2, dimension, columns);
            TensorChecks.readable(name, tensor);
        }

        /**
         * The number of tokens in a layer. Layers advance one after another in a step of a transformer, so each has its own.
         *
         * @param layer from 0
         * @return tokens that are in the cache, evicted ones not counted
         * @throws IndexOutOfBoundsException if there is no such layer
         * @throws IllegalStateException if the sequence is closed
         */
        public int length(int layer) {
            checkOpen("sequence");
            checkLayer(layer);
            return list.length(layer);
        }

        /**
         * The number of tokens that all layers have.
         *
         * @return tokens that are in the cache, evicted ones not counted
         * @throws IllegalStateException if the sequence is closed
         */
        public int length() {
            checkOpen("sequence");
            return list.shortest();
        }

        /**
         * The position of the next token that is appended to a layer: its length and the number of evicted tokens.
         *
         * @param layer from 0
         * @return the position, from 0
         * @throws IndexOutOfBoundsException if there is no such layer
         * @throws IllegalStateException if the sequence is closed
         */
        public long nextPosition(int layer) {
            return length(layer) + list.evicted();
        }

        /**
         * Takes back the last tokens, of every layer that is longer; their pages go back to the pool. Taking back a token that was before the
         * place of an eviction takes back the evicted ones, too: the next token stands where it stood.
         *
         * @param length how many tokens to leave, of those that are in the cache: evicted ones do not count
         * @throws IllegalArgumentException unless 0 ≤ length ≤ the length of the longest layer
         * @throws IllegalStateException if the sequence or the arena is closed
         */
        public void truncate(int length) {
            checkOpen("sequence");
            if (length < 0 || length > list.longest()) {
                throw new IllegalArgumentException("length: " + length + ", wanted 0 to " + list.longest());
            }
            list.truncate(length);
        }

        /**
         * A sequence with the same tokens, which shares all pages with this one until either appends to a page that is partly
         * filled: then that page is copied. Neither sees what the other does from now on.
         *
         * @return a sequence that the caller closes
         * @throws IllegalStateException if the sequence or the arena is closed
         */
        public Sequence fork() {
            checkOpen("sequence");
            return new Sequence(cache, new PageList(list));
        }

        /**
         * Drops the oldest tokens after the first {@code keepFirst}, the attention sinks (Xiao et al., 2024). Pages that are whole go back to the pool;
         * at most two pages' worth of slots stays unused, and their room is not used again while tokens stand behind them. So where all tokens lie in one page, as they do unless
         * {@link Builder#pageTokens} is set, an eviction makes no room for further ones. All evictions of a sequence are at one place: each one drops tokens next to the place of those before.
         *
         * @param keepFirst tokens to keep at the front; as in earlier evictions, or at most so many less that {@code count} reaches their place
         * @param count how many to drop
         * @throws IllegalArgumentException if a number is negative, there are not so many tokens in all layers, or earlier
         *         evictions were at another place
         * @throws IllegalStateException if the sequence or the arena is closed
         */
        public void evict(int keepFirst, int count) {
            checkOpen("sequence");
            if (keepFirst < 0 || count < 0 || (long) keepFirst + count > list.shortest()) {
                throw new IllegalArgumentException("keepFirst and count: " + keepFirst + " and " + count
                        + ", wanted at least 0 and together at most the " + list.shortest()
                        + " tokens that all layers have");
            }
            if (count == 0) {
                return;
            }
            int place = list.gapAt();
            if (list.evicted() > 0 && (keepFirst > place || keepFirst + count < place)) {
                throw new IllegalArgumentException("keepFirst: " + keepFirst + " with count " + count + ", wanted "
                        + place + ", where tokens were evicted before");
            }
            list.evict(keepFirst, count);
        }

        /** Gives the pages back. Does nothing if it is closed; everything else is refused from then on. */
        @Override
        public void close() {
            if (!closed) {
                list.clear();
                closed = true;
            }
        }

        KvCache cache() {
            return cache;
        }

        /** Tells a kernel where the rows of a layer lie. */
        void fill(int layer, CachedRows rows) {
            list.fill(rows, layer);
        }

        void checkOpen(String name) {
            if (closed) {
                throw new IllegalStateException(name + ": closed, wanted an open one");
            }
            TensorChecks.readable("cache", cache.segment);
        }

        private void checkLayer(int layer) {
            Objects.checkIndex(layer, cache.layout.layers);
        }
    }
}
