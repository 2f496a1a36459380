package dev.lanewise.jmh;

import java.awt.Color;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import javax.imageio.ImageIO;
import org.HdrHistogram.Histogram;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.Styler.LegendLayout;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** Latency against percentile: the axis is logarithmic in 1/(1 − p), so that each further nine has as much room. */
final class LatencyChart {
    private static final int WIDTH = 1500;
    private static final int HEIGHT = 600;
    private static final int STEPS_A_NINE = 20;

    private LatencyChart() {
    }

    static void write(Path file, String title, Map<String, Histogram> latencies) throws IOException {
        XYChart chart = new XYChartBuilder().width(WIDTH)
                .height(HEIGHT)
                .title(title)
                .xAxisTitle("percentile")
                .yAxisTitle("microseconds")
                .build();
        chart.getStyler().setPlotGridVerticalLinesVisible(true);
        chart.getStyler().setChartBackgroundColor(Color.WHITE);
        chart.getStyler().setLegendPosition(LegendPosition.OutsideS).setLegendLayout(LegendLayout.Horizontal);
        chart.getStyler().setXAxisLogarithmic(true).setYAxisLogarithmic(true);
        chart.getStyler().setYAxisLogarithmicDecadeOnly(false);
        chart.getStyler().setYAxisTickLabelsFormattingFunction(Charts::tick);
        chart.getStyler().setXAxisTickLabelsFormattingFunction(LatencyChart::percentile);
        latencies.forEach((name, histogram) -> {
            List<Double> rarity = new ArrayList<>();
            List<Double> microseconds = new ArrayList<>();
            for (double nines = 0; Math.pow(10, nines) <= histogram.getTotalCount(); nines += 1.0 / STEPS_A_NINE) {
                rarity.add(Math.pow(10, nines));
                microseconds.add(histogram.getValueAtPercentile(100 - 100 / Math.pow(10, nines)) / 1e3);
            }
            XYSeries series = chart.addSeries(name, rarity, microseconds);
            series.setMarker(SeriesMarkers.NONE);
            series.setLineColor(Charts.COLORS.get(name));
        });
        ImageIO.write(BitmapEncoder.getBufferedImage(chart), "png", file.toFile());
    }

    private static String percentile(double rarity) {
        return String.format(Locale.ROOT, "%.4f", 100 - 100 / rarity).replaceFirst("\\.?0+$", "") + " %";
    }
}
