package dev.lanewise.jmh;

/** One operation on operands of given sizes and always the same values. */
interface Call {
    /** Useful work of one run: floating-point operations, or bytes where the operation has few for each. */
    double work();

    /** A contender of that name, loaded with the operands. */
    Contender contender(String name) throws Exception;

    /** Fails unless the answer is right within the bound that the implementation states. */
    void check(float[] answer);
}
