package dev.lanewise.examples;

/**
 * The sizes of a decoder.
 *
 * @param layers layers
 * @param heads query heads
 * @param kvHeads key/value heads
 * @param features the head dimension D
 * @param hidden the width of the feed-forward network
 * @param vocabulary tokens there are
 */
record DecoderSize(int layers, int heads, int kvHeads, int features, int hidden, int vocabulary) {
    /** The width of a token's state. */
    int width() {
        return heads * features;
    }
}
