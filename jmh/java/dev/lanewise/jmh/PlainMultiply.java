package dev.lanewise.jmh;

import java.util.Arrays;

/** The triple loop over float arrays, in the order whose innermost loop C2 vectorises. */
final class PlainMultiply implements Contender {
    private final MultiplyCall call;
    private final float[] a;
    private final float[] b;
    private final float[] product;

    PlainMultiply(MultiplyCall call) {
        this.call = call;
        a = call.a();
        b = call.b();
        product = new float[call.rows() * call.columns()];
    }

    @Override
    public void run() {
        int inner = call.inner();
        int columns = call.columns();
        Arrays.fill(product, 0);
        for (int i = 0; i < call.rows(); i++) {
            for (int p = 0; p < inner; p++) {
                float factor = a[i * inner + p];
                for (int j = 0; j < columns; j++) {
                    product[i * columns + j] += factor * b[p * columns + j];
                }
            }
        }
    }

    @Override
    public float[] result() {
        return product.clone();
    }
}
