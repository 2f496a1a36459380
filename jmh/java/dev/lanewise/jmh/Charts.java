package dev.lanewise.jmh;

import java.awt.BasicStroke;
import java.awt.Color;
import java.io.IOException;
import java.math.BigDecimal;
import java.math.MathContext;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.ToDoubleFunction;
import javax.imageio.ImageIO;
import org.knowm.xchart.AnnotationLine;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.CategoryChart;
import org.knowm.xchart.CategoryChartBuilder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.internal.chartpart.IChart;
import org.knowm.xchart.style.AxesChartStyler;
import org.knowm.xchart.style.Styler.LegendLayout;
import org.knowm.xchart.style.Styler.LegendPosition;

/** One chart a topic: rates under the machine's limit, times of tiny calls, or times against the sequence length. */
final class Charts {
    private static final int WIDTH = 1500;
    private static final int HEIGHT = 600;
    private static final Color LIMIT = new Color(0xb00020);
    /** A contender has the same colour in every chart. */
    static final Map<String, Color> COLORS = Map.ofEntries(Map.entry("lanewise", new Color(0x08519c)),
            Map.entry("lanewise-1", new Color(0x08519c)),
            Map.entry("lanewise-2", new Color(0x6baed6)), Map.entry("lanewise-packed", new Color(0x6baed6)),
            Map.entry("onnx-mha", new Color(0xe6550d)),
            Map.entry("onnx-mha-batch", new Color(0xa63603)),
            Map.entry("onnx", new Color(0xe6550d)), Map.entry("onnx-attention", new Color(0xfdae6b)),
            Map.entry("onnx-packed", new Color(0xfdae6b)), Map.entry("pytorch", new Color(0x31a354)),
            Map.entry("openblas", new Color(0x756bb1)), Map.entry("jlama", new Color(0x8c564b)),
            Map.entry("plain-java", new Color(0x969696)));

    private Charts() {
    }

    /** Nothing if nothing was measured. The limit is the machine's, in the topic's unit. */
    static void write(Path directory, Topic topic, List<Measurement> measurements, double limit) throws IOException {
        if (measurements.isEmpty()) {
            return;
        }
        IChart chart = switch (topic) {
            case SEQUENCE_LENGTH -> lengths(topic, measurements);
            case TINY_CALLS -> latencies(topic, measurements);
            default -> rates(topic, measurements, limit);
        };
        Path file = directory.resolve(topic.benchmark.getSimpleName() + ".png");
        ImageIO.write(BitmapEncoder.getBufferedImage(chart), "png", file.toFile());
    }

    private static CategoryChart rates(Topic topic, List<Measurement> measurements, double limit) {
        CategoryChart chart = bars(topic, topic.unit(), measurements, Measurement::rate);
        double highest = measurements.stream().mapToDouble(Measurement::rate).max().orElseThrow();
        double top = 1.1 * Math.max(limit, highest);
        chart.getStyler().setYAxisMin(0.0).setYAxisMax(top);
        chart.addAnnotation(new AnnotationLine(limit, false, false));
        String name = String.format(Locale.ROOT, "%s %.1f", topic.computes ? "FMA peak" : "read stream", limit);
        chart.setTitle(topic.title + ", line: " + name + " " + topic.unit());
        return chart;
    }

    private static CategoryChart latencies(Topic topic, List<Measurement> measurements) {
        CategoryChart chart = bars(topic, "microseconds a call", measurements, one -> one.median() / 1e3);
        double lowest = measurements.stream().mapToDouble(Measurement::median).min().orElseThrow() / 1e3;
        logarithmic(chart.getStyler());
        chart.getStyler().setYAxisMin(Math.pow(10, Math.floor(Math.log10(lowest))));
        return chart;
    }

    private static CategoryChart bars(Topic topic, String unit, List<Measurement> measurements,
            ToDoubleFunction<Measurement> height) {
        CategoryChart chart = new CategoryChartBuilder().width(WIDTH)
                .height(HEIGHT)
                .title(topic.title)
                .yAxisTitle(unit)
                .build();
        style(chart.getStyler());
        chart.getStyler().setAvailableSpaceFill(0.85);
        List<String> calls = calls(measurements);
        for (String contender : contenders(measurements)) {
            List<Double> heights = new ArrayList<>(Collections.nCopies(calls.size(), null));
            for (Measurement one : measurements) {
                if (one.contender().equals(contender)) {
                    heights.set(calls.indexOf(one.call()), height.applyAsDouble(one));
                }
            }
            chart.addSeries(contender, calls, heights).setFillColor(COLORS.get(contender));
        }
        return chart;
    }

    private static XYChart lengths(Topic topic, List<Measurement> measurements) {
        XYChart chart = new XYChartBuilder().width(WIDTH)
                .height(HEIGHT)
                .title(topic.title)
                .xAxisTitle("sequence length")
                .yAxisTitle("milliseconds a call")
                .build();
        style(chart.getStyler());
        logarithmic(chart.getStyler());
        chart.getStyler().setXAxisLogarithmic(true).setXAxisTickLabelsFormattingFunction(Charts::tick);
        for (String contender : contenders(measurements)) {
            List<Measurement> own = measurements.stream().filter(one -> one.contender().equals(contender)).toList();
            double[] lengths = own.stream().mapToDouble(one -> AttentionCall.parse(one.call(), false).keys()).toArray();
            double[] times = own.stream().mapToDouble(one -> one.median() / 1e6).toArray();
            XYSeries series = chart.addSeries(contender, lengths, times);
            series.setMarkerColor(COLORS.get(contender));
            series.setLineColor(COLORS.get(contender));
        }
        return chart;
    }

    private static void style(AxesChartStyler styler) {
        styler.setPlotGridVerticalLinesVisible(false);
        styler.setAnnotationLineColor(LIMIT).setAnnotationLineStroke(new BasicStroke(2));
        styler.setChartBackgroundColor(Color.WHITE);
        styler.setLegendPosition(LegendPosition.OutsideS).setLegendLayout(LegendLayout.Horizontal);
    }

    /** Ticks of 1, 2 and 5 times a power of ten have room on an axis. */
    private static void logarithmic(AxesChartStyler styler) {
        styler.setYAxisLogarithmic(true).setYAxisLogarithmicDecadeOnly(false).setXAxisLogarithmicDecadeOnly(false);
        styler.setYAxisTickLabelsFormattingFunction(Charts::tick);
    }

    static String tick(double value) {
        BigDecimal digits = BigDecimal.valueOf(value).round(new MathContext(2)).stripTrailingZeros();
        return Set.of("1", "2", "5").contains(digits.unscaledValue().toString()) ? digits.toPlainString() : "";
    }

    private static List<String> calls(List<Measurement> measurements) {
        return measurements.stream().map(Measurement::call).distinct().toList();
    }

    private static List<String> contenders(List<Measurement> measurements) {
        return measurements.stream().map(Measurement::contender).distinct().toList();
    }
}
