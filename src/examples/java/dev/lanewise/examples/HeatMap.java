package dev.lanewise.examples;

import dev.lanewise.Tensor;
import java.awt.Color;
import java.awt.Font;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.font.FontRenderContext;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.OutputStream;
import java.util.List;
import java.util.Locale;
import javax.imageio.ImageIO;

/** A picture of one head's weights: a row for each query, a column for each key, and a bar that says what the colours mean. */
final class HeatMap {
    private static final int CELL = 28;
    private static final int MARGIN = 24;
    private static final int GAP = 8;
    private static final int LINE = 22;
    private static final int BAR = 18;
    private static final Font LABEL = new Font(Font.SANS_SERIF, Font.PLAIN, 14);
    private static final Font TITLE = LABEL.deriveFont(Font.BOLD);
    private static final FontRenderContext SMOOTH = new FontRenderContext(null, true, true);
    private static final Color INK = new Color(0x222222);
    private static final Color GRID = new Color(0xdddddd);

    private final String title;
    private final List<String> tokens;
    private final Tensor weights;
    private final ColourScale colours;
    private final int left;
    private final int top;
    private final int side;

    /**
     * The weights are (tokens, tokens).
     *
     * @throws IOException if this machine has no fonts
     */
    HeatMap(String title, List<String> tokens, Tensor weights) throws IOException {
        requireFonts();
        this.title = title;
        this.tokens = tokens;
        this.weights = weights;
        float largest = 0;
        for (float weight : weights.toFloats()) {
            largest = Math.max(largest, weight);
        }
        colours = new ColourScale(largest);
        int longest = tokens.stream().mapToInt(token -> width(LABEL, token)).max().orElse(0);
        left = MARGIN + LINE + longest + GAP;
        top = MARGIN + 2 * LINE + longest + 2 * GAP;
        side = CELL * tokens.size();
    }

    /** Where fontconfig, its files or all fonts are missing, Java's text fails with exceptions and errors of many types. */
    private static void requireFonts() throws IOException {
        try {
            width(TITLE, "M");
        } catch (RuntimeException | LinkageError | InternalError e) {
            throw new IOException("cannot be drawn, for this machine lacks fontconfig or fonts", e);
        }
    }

    private static int width(Font font, String text) {
        return (int) Math.ceil(font.getStringBounds(text, SMOOTH).getWidth());
    }

    void writeTo(OutputStream out) throws IOException {
        ImageIO.write(draw(), "png", out);
    }

    private BufferedImage draw() {
        int right = Math.max(left + side + 3 * GAP + BAR + GAP + width(LABEL, "0.0"), MARGIN + width(TITLE, title));
        BufferedImage image = new BufferedImage(right + MARGIN, top + side + MARGIN, BufferedImage.TYPE_INT_RGB);
        Graphics2D graphics = image.createGraphics();
        try {
            graphics.setRenderingHint(RenderingHints.KEY_TEXT_ANTIALIASING, RenderingHints.VALUE_TEXT_ANTIALIAS_ON);
            graphics.setColor(Color.WHITE);
            graphics.fillRect(0, 0, image.getWidth(), image.getHeight());
            graphics.setColor(INK);
            graphics.setFont(TITLE);
            graphics.drawString(title, MARGIN, MARGIN + LABEL.getSize());
            graphics.setFont(LABEL);
            drawLabels(graphics);
            drawCells(graphics);
            drawBar(graphics, left + side + 3 * GAP);
        } finally {
            graphics.dispose();
        }
        return image;
    }

    private void drawLabels(Graphics2D graphics) {
        String keys = "key: what is attended to";
        graphics.drawString(keys, left + (side - width(LABEL, keys)) / 2, MARGIN + LINE + GAP + LABEL.getSize());
        String queries = "query: what attends";
        drawUpwards(graphics, queries, MARGIN + LABEL.getSize(), top + (side + width(LABEL, queries)) / 2);
        int baseline = (CELL + LABEL.getSize()) / 2 - 2;
        for (int i = 0; i < tokens.size(); i++) {
            String token = tokens.get(i);
            graphics.drawString(token, left - GAP - width(LABEL, token), top + i * CELL + baseline);
            drawUpwards(graphics, token, left + i * CELL + baseline, top - GAP);
        }
    }

    private static void drawUpwards(Graphics2D graphics, String text, int x, int y) {
        Graphics2D turned = (Graphics2D) graphics.create();
        turned.translate(x, y);
        turned.rotate(-Math.PI / 2);
        turned.drawString(text, 0, 0);
        turned.dispose();
    }

    private void drawCells(Graphics2D graphics) {
        for (int query = 0; query < tokens.size(); query++) {
            for (int key = 0; key < tokens.size(); key++) {
                int x = left + key * CELL;
                int y = top + query * CELL;
                graphics.setColor(colours.of(weights.getFloat(query, key)));
                graphics.fillRect(x, y, CELL, CELL);
                graphics.setColor(GRID);
                graphics.drawRect(x, y, CELL, CELL);
            }
        }
    }

    private void drawBar(Graphics2D graphics, int x) {
        for (int y = 0; y <= side; y++) {
            graphics.setColor(colours.of(colours.largest() * (side - y) / side));
            graphics.drawLine(x, top + y, x + BAR - 1, top + y);
        }
        graphics.setColor(GRID);
        graphics.drawRect(x, top, BAR, side);
        graphics.setColor(INK);
        long tenths = Math.round(colours.largest() * 10);
        for (int tenth = 0; tenth <= tenths; tenth++) {
            int y = (int) (top + side - side * tenth / tenths);
            graphics.drawLine(x + BAR, y, x + BAR + GAP / 2, y);
            graphics.drawString(String.format(Locale.ROOT, "%.1f", tenth / 10.0), x + BAR + GAP,
                    y + LABEL.getSize() / 2 - 2);
        }
    }
}
