package dev.lanewise.jmh;

/** Three loops a row over float arrays and {@link Math#exp}. */
final class PlainSoftmax implements Contender {
    private final SoftmaxCall call;
    private final float[] input;
    private final float[] weights;

    PlainSoftmax(SoftmaxCall call) {
        this.call = call;
        input = call.input();
        weights = new float[input.length];
    }

    @Override
    public void run() {
        int columns = call.columns();
        for (int start = 0; start < input.length; start += columns) {
            float maximum = Float.NEGATIVE_INFINITY;
            for (int j = start; j < start + columns; j++) {
                maximum = Math.max(maximum, input[j]);
            }
            float sum = 0;
            for (int j = start; j < start + columns; j++) {
                weights[j] = (float) Math.exp(input[j] - maximum);
                sum += weights[j];
            }
            for (int j = start; j < start + columns; j++) {
                weights[j] /= sum;
            }
        }
    }

    @Override
    public float[] result() {
        return weights.clone();
    }
}
