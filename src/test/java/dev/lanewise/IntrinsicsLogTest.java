package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Set;
import org.junit.jupiter.api.Test;

class IntrinsicsLogTest {
    private static final String LOG = """
              23781 2699             java.lang.Math::max (11 bytes)
              ** missing constant: vclass=DecodeN etype=ConP vlen=LoadI bitwise=ConI
              24395 2568 %           dev.lanewise.internal.kernel.Tile8x1::multiply @ 54 (301 bytes)
              ** not supported: arity=1 op=store vlen=4 etype=float atype=byte ismask=yes
                                    @ 4   jdk.incubator.vector.Float128Vector::lanewise (8 bytes)   force inline by annotation
              24401 2716             dev.lanewise.internal.kernel.Tile4x2::multiply (40 bytes)   made not entrant: uncommon trap
              24405 2717   !         dev.lanewise.internal.kernel.Context::fill (52 bytes)
            """;

    @Test
    void anOperationBelongsToTheMethodWhoseCompilationItStandsIn() {
        IntrinsicsLog log = IntrinsicsLog.parse(LOG.lines());
        assertEquals(Set.of("Tile8x1::multiply", "Context::fill"), log.compiled());
        assertEquals(
                Set.of("Tile8x1::multiply: not supported: arity=1 op=store vlen=4 etype=float atype=byte ismask=yes"),
                log.missed());
    }

    @Test
    void aLoopThatWasNotCompiledIsNamed() {
        assertTrue(IntrinsicsLog.parse(LOG.lines()).absent().contains("Tile8x2::multiply"));
    }
}
