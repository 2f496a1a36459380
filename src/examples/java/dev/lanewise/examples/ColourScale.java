package dev.lanewise.examples;

import java.awt.Color;

/** White for 0 through blue to nearly black for the largest value: darker is always more. */
final class ColourScale {
    private static final Color[] STOPS = {new Color(0xffffff), new Color(0xc6dbef), new Color(0x6baed6),
        new Color(0x2171b5), new Color(0x08306b)};

    private final double largest;

    /** For values from 0 to the largest given, rounded up to tenths so that the ends can be labelled. */
    ColourScale(double largest) {
        this.largest = Math.max(1, Math.ceil(largest * 10)) / 10;
    }

    double largest() {
        return largest;
    }

    Color of(double value) {
        double place = Math.clamp(value / largest, 0, 1) * (STOPS.length - 1);
        int below = Math.min((int) place, STOPS.length - 2);
        return between(STOPS[below], STOPS[below + 1], place - below);
    }

    private static Color between(Color a, Color b, double fraction) {
        return new Color(mix(a.getRed(), b.getRed(), fraction), mix(a.getGreen(), b.getGreen(), fraction),
                mix(a.getBlue(), b.getBlue(), fraction));
    }

    private static int mix(int a, int b, double fraction) {
        return (int) Math.round(a + (b - a) * fraction);
    }
}
