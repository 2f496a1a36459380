package dev.lanewise;

import dev.lanewise.internal.plan.CompiledPaths;

/** One kind of call, with operands of its own that may be written: what a {@link Rehearsal} runs until the vector kernel is compiled for it. Immutable. */
interface CallCopy {
    /** Which paths are compiled. */
    CompiledPaths compiled();

    /** What the call goes through. */
    long paths();

    /** About how many vector operations {@link #whole} takes. */
    long operations();

    /** The size of the smallest part, which the interpreter gets through in some milliseconds. */
    int leastPart();

    /** The size of the largest. */
    int mostPart();

    /** Runs a part of a size on the vector kernel; where there are several parts, they take turns. */
    void part(int size, long turn);

    /** Runs all of it, as a call does; the ways that calls differ in take turns. */
    void whole(long turn);
}
