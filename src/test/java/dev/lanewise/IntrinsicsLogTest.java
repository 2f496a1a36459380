package dev.lanewise;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Set;
import org.junit.jupiter.api.Test;

class IntrinsicsLogTest {
    private static final String LOG = """
              23781 2699    b  4       java.lang.Math::max (11 bytes)
                                    @ 4   jdk.internal.vm.vector.VectorSupport::store (38 bytes)   failed to inline: failed to inline (intrinsic)
              24395 2568 %  b  4       dev.lanewise.internal.kernel.Tile8x1::multiply @ 54 (301 bytes)
                                    @ 29   jdk.internal.vm.vector.VectorSupport::store (38 bytes)   failed to inline: failed to inline (intrinsic)
              24401 2716    b  4       dev.lanewise.internal.kernel.Tile4x2::multiply (40 bytes)   made not entrant: uncommon trap
              24405 2717   !b  4       dev.lanewise.internal.kernel.Context::scale (52 bytes)
              ** missing constant: vclass=DecodeN etype=ConP vlen=LoadI bitwise=ConI
              24406 2718    b  3       dev.lanewise.internal.kernel.Tile4x2::multiply (40 bytes)
                                    @ 4   dev.lanewise.internal.kernel.Context::fill (52 bytes)   inline (hot)
                                    @ 9   dev.lanewise.internal.kernel.Context::multiply (52 bytes)   failed to inline: too big
                                      @ 29   jdk.internal.vm.vector.VectorSupport::load (35 bytes)   failed to inline: failed to inline (intrinsic)   (intrinsic)   late inline succeeded
                                      @ 36   jdk.internal.vm.vector.VectorSupport::compare (39 bytes)   failed to inline: failed to inline (intrinsic)
                                      @ 39   jdk.incubator.vector.FloatVector::add (0 bytes)   failed to inline: virtual call
            """;

    @Test
    void anOperationBelongsToTheMethodWhoseCompilationItStandsIn() {
        IntrinsicsLog log = IntrinsicsLog.parse(LOG.lines());
        assertEquals(Set.of("Context::scale", "Context::fill"), log.compiled());
        assertEquals(Set.of(
                "Context::scale: jdk.internal.vm.vector.VectorSupport::compare failed to inline: failed to inline (intrinsic)",
                "Context::scale: jdk.incubator.vector.FloatVector::add failed to inline: virtual call"), log.missed());
    }

    @Test
    void aLoopThatWasNotCompiledIsNamed() {
        assertTrue(IntrinsicsLog.parse(LOG.lines()).absent().contains("Tile8x2::multiply"));
    }
}
