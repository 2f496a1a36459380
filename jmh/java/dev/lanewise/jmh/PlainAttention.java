package dev.lanewise.jmh;

import java.util.Arrays;

/** What one writes first in Java: float arrays and loops, one score row at a time; C2 vectorises the sum over values. */
final class PlainAttention implements Contender {
    private final AttentionCall call;
    private final float[] q;
    private final float[] k;
    private final float[] v;
    private final float[] context;
    private final float[] weights;

    PlainAttention(AttentionCall call) {
        this.call = call;
        q = call.q();
        k = call.k();
        v = call.v();
        context = new float[q.length];
        weights = new float[call.keys()];
    }

    @Override
    public void run() {
        for (int row = 0; row < call.heads() * call.queries(); row++) {
            int firstKey = row / call.queries() * call.keys();
            int visible = call.causal() ? row % call.queries() + 1 : call.keys();
            float maximum = score(row, firstKey, visible);
            mix(row, firstKey, visible, maximum);
        }
    }

    private float score(int row, int firstKey, int visible) {
        int depth = call.depth();
        float scale = (float) (1 / Math.sqrt(depth));
        float maximum = Float.NEGATIVE_INFINITY;
        for (int j = 0; j < visible; j++) {
            float score = 0;
            for (int d = 0; d < depth; d++) {
                score += q[row * depth + d] * k[(firstKey + j) * depth + d];
            }
            weights[j] = score * scale;
            maximum = Math.max(maximum, weights[j]);
        }
        return maximum;
    }

    private void mix(int row, int firstKey, int visible, float maximum) {
        int depth = call.depth();
        Arrays.fill(context, row * depth, (row + 1) * depth, 0);
        float sum = 0;
        for (int j = 0; j < visible; j++) {
            float weight = (float) Math.exp(weights[j] - maximum);
            sum += weight;
            for (int d = 0; d < depth; d++) {
                context[row * depth + d] += weight * v[(firstKey + j) * depth + d];
            }
        }
        for (int d = 0; d < depth; d++) {
            context[row * depth + d] /= sum;
        }
    }

    @Override
    public float[] result() {
        return context.clone();
    }
}
