package dev.lanewise.internal.plan;

/**
 * How the query rows of a batch row are cut into panels of whole vectors. A panel of three or four vectors takes as long a query, one of one
 * twice as long, and one of two, with 32 registers, 20 % longer: their tiles have too few multiply-adds for their loads. So a remainder goes into
 * panels of four, with a register file for it; with 16 registers a remainder of one and a panel of three become two panels of two. But a causal
 * call computes about half a panel too much at the diagonal: it takes the remainder as a narrow first panel, which meets the fewest keys.
 */
public final class QueryPanels {
    private static final int LANES = StartUp.CHOICE.lanes();
    private static final int TILE = StartUp.CHOICE.tileVectors();
    private static final int WIDEST = StartUp.CHOICE.manyRegisters() ? TILE + 1 : TILE;
    /** Queries in the widest panel. */
    public static final int WIDEST_QUERIES = WIDEST * LANES;

    private int queries;
    private int count;
    /** The panels that come first and are not as wide as the tile. */
    private int odd;
    private int oddQueries;

    /** No queries yet. */
    public QueryPanels() {
        // All zero.
    }

    /**
     * Cuts.
     *
     * @param rows the queries
     * @param level whether all of them see as many keys
     */
    public void cut(int rows, boolean level) {
        queries = rows;
        int vectors = (rows + LANES - 1) / LANES;
        int rest = vectors % TILE;
        int whole = vectors / TILE;
        boolean widen = level && WIDEST > TILE && rest <= whole;
        boolean halve = level && !widen && rest == 1 && whole > 0;
        odd = widen ? rest : halve ? 2 : Math.min(rest, 1);
        oddQueries = (widen ? WIDEST : halve ? 2 : rest) * LANES;
        count = widen ? whole : (vectors + TILE - 1) / TILE;
    }

    /** The panels of so many queries, at most. */
    public static int most(int queries) {
        return (queries + TILE * LANES - 1) / (TILE * LANES);
    }

    /** The number of panels. */
    public int count() {
        return count;
    }

    /** The first query of a panel; of the one after the last, the number of queries. */
    public int first(int panel) {
        int before = Math.min(panel, odd);
        return Math.min(queries, before * oddQueries + (panel - before) * TILE * LANES);
    }
}
