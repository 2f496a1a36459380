package dev.lanewise.internal.observe;

import java.util.concurrent.atomic.LongAdder;

/** Where calls are counted: in their scratch, which no other call uses meanwhile, so that counting is a few plain additions. */
public sealed interface Tally {
    /** Where calls count whose scratch is not of a pool. */
    Shared SHARED = new Shared();

    /** Counts one call, or none of a rehearsal, without a branch: the compilers shall not learn that one side of it is never taken. */
    void count(int calls, long rows, long bytes, boolean cold);

    /** Adds what was counted. */
    void addTo(Sum sum);

    /** What several tallies come to. */
    final class Sum {
        /** Calls. */
        public long calls;
        /** Rows of results. */
        public long rows;
        /** Bytes of operands. */
        public long bytes;
        /** Calls that ran on a stand-in for a kernel that was not compiled yet. */
        public long coldCalls;
    }

    /** The tally of one slot: calls take turns, and the claim and the release of the slot order them. */
    final class Own implements Tally {
        private long calls;
        private long rows;
        private long bytes;
        private long coldCalls;

        @Override
        public void count(int more, long moreRows, long moreBytes, boolean cold) {
            calls += more;
            rows += more * moreRows;
            bytes += more * moreBytes;
            coldCalls += cold ? more : 0;
        }

        @Override
        public void addTo(Sum sum) {
            sum.calls += calls;
            sum.rows += rows;
            sum.bytes += bytes;
            sum.coldCalls += coldCalls;
        }
    }

    /** The tally of calls that run at the same time. */
    final class Shared implements Tally {
        private final LongAdder calls = new LongAdder();
        private final LongAdder rows = new LongAdder();
        private final LongAdder bytes = new LongAdder();
        private final LongAdder coldCalls = new LongAdder();

        @Override
        public void count(int more, long moreRows, long moreBytes, boolean cold) {
            calls.add(more);
            rows.add(more * moreRows);
            bytes.add(more * moreBytes);
            coldCalls.add(cold ? more : 0);
        }

        @Override
        public void addTo(Sum sum) {
            sum.calls += calls.sum();
            sum.rows += rows.sum();
            sum.bytes += bytes.sum();
            sum.coldCalls += coldCalls.sum();
        }
    }
}
