package dev.lanewise.internal.plan;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Tag;
import net.jqwik.api.constraints.IntRange;

/** The cut of query rows into panels, at every register width. */
@Tag("width")
class QueryPanelsTest {
    private static final int LANES = StartUp.CHOICE.lanes();
    private final QueryPanels panels = new QueryPanels();

    @Property
    void everyQueryIsInOnePanelOfWholeVectors(@ForAll @IntRange(max = 3000) int queries, @ForAll boolean level) {
        panels.cut(queries, level);
        int query = 0;
        for (int i = 0; i < panels.count(); i++) {
            assertEquals(query, panels.first(i), "the first query of panel " + i);
            int end = panels.first(i + 1);
            assertTrue(end > query && end - query <= QueryPanels.WIDEST_QUERIES, query + " to " + end);
            assertTrue(end == queries || (end - query) % LANES == 0, query + " to " + end + " of " + queries);
            query = end;
        }
        assertEquals(queries, query);
        assertTrue(panels.count() <= QueryPanels.most(queries), panels.count() + " panels");
    }

    @Property
    void aCausalCallHasItsNarrowPanelFirst(@ForAll @IntRange(min = 1, max = 3000) int queries) {
        panels.cut(queries, false);
        for (int i = 1; i < panels.count(); i++) {
            int width = (panels.first(i + 1) - panels.first(i) + LANES - 1) / LANES;
            assertEquals(StartUp.CHOICE.tileVectors(), width, "vectors of panel " + i);
        }
    }

    @Property
    void aLevelCallHasNoNarrowPanelIfItsRegistersHoldAWiderOne(@ForAll @IntRange(min = 1, max = 3000) int queries) {
        panels.cut(queries, true);
        int vectors = (queries + LANES - 1) / LANES;
        int tile = StartUp.CHOICE.tileVectors();
        boolean possible = StartUp.CHOICE.manyRegisters() && vectors >= tile && vectors != 5;
        for (int i = 0; possible && i < panels.count(); i++) {
            int width = (panels.first(i + 1) - panels.first(i) + LANES - 1) / LANES;
            assertTrue(width >= tile, "panel " + i + " of " + vectors + " vectors has " + width);
        }
    }

    @Property
    void aLevelCallOfFourVectorsOrMoreHasNoPanelOfOne(@ForAll @IntRange(min = 1, max = 3000) int queries) {
        panels.cut(queries, true);
        boolean possible = (queries + LANES - 1) / LANES >= 4;
        for (int i = 0; possible && i < panels.count(); i++) {
            int width = (panels.first(i + 1) - panels.first(i) + LANES - 1) / LANES;
            assertTrue(width > 1, "panel " + i + " of " + queries + " queries has " + width);
        }
    }
}
