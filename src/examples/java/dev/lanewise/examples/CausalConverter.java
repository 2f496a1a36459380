package dev.lanewise.examples;

import dev.lanewise.PositionOffset;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads where the queries stand among the keys. */
final class CausalConverter implements ITypeConverter<PositionOffset> {
    static final String TOP_LEFT = "top-left";
    static final String BOTTOM_RIGHT = "bottom-right";

    @Override
    public PositionOffset convert(String value) {
        return switch (value) {
            case TOP_LEFT -> PositionOffset.topLeft();
            case BOTTOM_RIGHT -> PositionOffset.bottomRight();
            default -> offset(value);
        };
    }

    private static PositionOffset offset(String value) {
        try {
            return PositionOffset.of(Long.parseLong(value));
        } catch (NumberFormatException _) {
            throw new TypeConversionException(
                    "'" + value + "', wanted " + TOP_LEFT + ", " + BOTTOM_RIGHT + " or a whole number");
        } catch (IllegalArgumentException e) {
            throw new TypeConversionException(e.getMessage());
        }
    }
}
