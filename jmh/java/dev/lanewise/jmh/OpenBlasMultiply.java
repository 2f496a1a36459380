package dev.lanewise.jmh;

import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.openblas.global.openblas;

/** OpenBLAS by JavaCPP, on native memory. {@link Run} holds it to one thread and lets it choose its kernel by the processor. */
final class OpenBlasMultiply implements Contender {
    private final MultiplyCall call;
    private final FloatPointer a;
    private final FloatPointer b;
    private final FloatPointer product;

    OpenBlasMultiply(MultiplyCall call) {
        this.call = call;
        a = new FloatPointer(call.a());
        b = new FloatPointer(call.b());
        product = new FloatPointer((long) call.rows() * call.columns());
    }

    @Override
    public void run() {
        openblas.cblas_sgemm(openblas.CblasRowMajor, openblas.CblasNoTrans, openblas.CblasNoTrans, call.rows(),
                call.columns(), call.inner(), 1, a, call.inner(), b, call.columns(), 0, product, call.columns());
    }

    @Override
    public float[] result() {
        float[] values = new float[call.rows() * call.columns()];
        product.get(values);
        return values;
    }
}
