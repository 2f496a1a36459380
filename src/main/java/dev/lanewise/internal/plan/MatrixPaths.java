package dev.lanewise.internal.plan;

import dev.lanewise.internal.kernel.MatMulProblem;
import dev.lanewise.internal.kernel.VectorSoftmax;
import dev.lanewise.internal.memory.Operand;

/** The code paths of a multiply or a softmax of rows, as {@link VectorPaths} are those of attention. */
public final class MatrixPaths {
    /** Bits of a layout. */
    private static final int LAYOUT = 5;
    /** A softmax has a field of its own: what it runs no multiply does. */
    private static final int SOFTMAX = 44;
    /** Whatever number of rows is left, tiles of six and of four divide this one. */
    private static final int TILES = 12;
    /** Set for a softmax whose rows {@linkplain #fitsRegisters stay in registers}. */
    private static final long IN_REGISTERS = 1L << SOFTMAX;
    /** Vectors of such a row. */
    private static final int REGISTER_VECTORS = 8;
    /** Terms of a sum that make a tile's loop long. */
    private static final int TERMS = 256;
    private static final int LANES = StartUp.CHOICE.lanes();
    private static final int PANEL = StartUp.CHOICE.multiplyVectors() * LANES;
    private static final int INNER = MatMulBlocks.of(StartUp.CHOICE.facts(), PANEL).inner();

    private MatrixPaths() {
    }

    /** The paths of a multiply. */
    public static long multiply(MatMulProblem p) {
        long paths = oneRow(p) ? 1L << 16 : tiles(p);
        int at = 17;
        paths |= VectorPaths.layout(p.a) << at;
        at += LAYOUT;
        paths |= p.packed != null ? 0 : VectorPaths.layout(p.b) << at;
        at += LAYOUT;
        paths |= VectorPaths.layout(p.out) << at;
        at += LAYOUT;
        paths |= bit(p.packed != null, at++);
        paths |= bit(p.bias.present(), at++);
        paths |= bit(p.a.rowStride == Float.BYTES, at++);
        paths |= bit(p.packed == null && p.b.rowStride == Float.BYTES, at++);
        paths |= bit(p.n > PANEL, at++);
        paths |= bit(p.n < LANES, at++);
        paths |= bit(packs(p), at++);
        return paths | bit(p.k > INNER, at);
    }

    /** Whether a multiply has the form that the kernel for one row takes. */
    public static boolean oneRow(MatMulProblem p) {
        return p.m <= 1 && p.n >= LANES && p.packed == null && p.a.direct && p.b.inPlace() && p.out.inPlace();
    }

    private static boolean packs(MatMulProblem p) {
        return p.packed == null && p.m > MatMulBlocks.UNPACKED_ROWS;
    }

    /** Whether rows are computed so many at a time in scratch. */
    private static boolean chunks(MatMulProblem p) {
        return p.k > INNER || !p.out.direct || p.out.columnStride != Float.BYTES;
    }

    /** Four bits for each width in vectors that a panel has: which tiles its rows are cut into. */
    private static long tiles(MatMulProblem p) {
        int rest = p.n % PANEL;
        long whole = p.n >= PANEL ? tiles(p, PANEL / LANES) : 0;
        return whole | (rest == 0 ? 0 : tiles(p, (rest - 1) / LANES + 1));
    }

    private static long tiles(MatMulProblem p, int vectors) {
        int chunk = chunks(p) ? MatMulBlocks.CHUNK_ROWS : p.m;
        return p.m <= chunk ? rows(p.m, vectors) : rows(chunk, vectors) | rows(p.m % chunk, vectors);
    }

    private static long rows(int m, int vectors) {
        int rest = vectors == 4 ? m % 6 : m;
        long rows = (rest < m ? 1 : 0) | (rest >= 4 ? 2 : 0) | (rest % 4 >= 2 ? 4 : 0) | (rest % 2 == 1 ? 8 : 0);
        return rows << 4 * (vectors - 1);
    }

    /** A number of rows with which a multiply takes the same paths. */
    public static int fewerRows(MatMulProblem p) {
        int least = chunks(p) ? MatMulBlocks.CHUNK_ROWS : TILES;
        int some = p.m < 2 * least ? p.m : least + p.m % least;
        int more = (MatMulBlocks.UNPACKED_ROWS - some) / least + 1;
        return packs(p) ? some + more * least : some;
    }

    /** The same of columns. */
    public static int fewerColumns(MatMulProblem p) {
        return p.n < 3 * PANEL ? p.n : 2 * PANEL + p.n % PANEL;
    }

    /** The same of terms. */
    public static int fewerTerms(MatMulProblem p) {
        return p.k > INNER ? INNER + Math.min(p.k - INNER, TERMS) : Math.min(p.k, TERMS);
    }

    /** The paths of a softmax. */
    public static long softmax(Operand in, Operand out, int rows, int columns) {
        boolean inPlace = in.inPlace() && out.inPlace() && columns >= LANES;
        int width = inPlace ? columns : Math.ceilDiv(columns, LANES) * LANES;
        boolean shortRows = width / LANES <= VectorSoftmax.QUAD_VECTORS;
        int at = SOFTMAX + 1;
        long paths = fitsRegisters(width) ? IN_REGISTERS : 0;
        paths |= bit(shortRows && rows >= VectorSoftmax.QUAD_ROWS, at++);
        paths |= bit(shortRows && rows % VectorSoftmax.QUAD_ROWS != 0, at++);
        paths |= bit(!shortRows, at++);
        if (inPlace) {
            return paths | bit(true, at) | bit(columns % LANES != 0, at + 1);
        }
        at += 2;
        return paths | bit(true, at++) | VectorPaths.layout(in) << at | VectorPaths.layout(out) << at + LAYOUT;
    }

    /**
     * Whether rows of whole vectors, so many elements long, stay in registers: that takes more than 16 of them, as there are with 16 lanes. With 8 C2 boxed
     * some in JVMs that had run others' vector code, and with 4 it left a check of species in the loop on NEON.
     */
    public static boolean fitsRegisters(int width) {
        return LANES >= 16 && width == REGISTER_VECTORS * LANES;
    }

    /** Whether the paths of a softmax are those of such rows. */
    public static boolean inRegisters(long paths) {
        return (paths & IN_REGISTERS) != 0;
    }

    /** Rows of a part of a softmax of so many: of each kind that they are taken in. */
    public static int partRows(int rows, int columns) {
        int quad = VectorSoftmax.QUAD_ROWS;
        return columns / LANES > VectorSoftmax.QUAD_VECTORS ? 1 : Math.min(rows, quad + rows % quad);
    }

    private static long bit(boolean condition, int at) {
        return condition ? 1L << at : 0;
    }
}
