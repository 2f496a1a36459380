package dev.lanewise.examples;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * The Python dictionary literal in an .npy header: exactly the keys descr, fortran_order and shape, in any order, with any white
 * space and an optional last comma. Whatever the bytes are, parsing ends in a dictionary or an {@link NpyException}.
 */
final class NpyDictionary {
    /** The most axes a NumPy array can have. */
    private static final int MAX_RANK = 64;
    /** Type names are a few characters; the limit keeps messages short. */
    private static final int MAX_STRING = 32;

    private final byte[] text;
    private int position;
    private String descr;
    private Boolean fortranOrder;
    private long[] shape;

    private NpyDictionary(byte[] text) {
        this.text = text;
    }

    static NpyDictionary parse(byte[] text) throws NpyException {
        NpyDictionary dictionary = new NpyDictionary(text);
        dictionary.parse();
        return dictionary;
    }

    String descr() {
        return descr;
    }

    boolean fortranOrder() {
        return fortranOrder;
    }

    long[] shape() {
        return shape.clone();
    }

    private void parse() throws NpyException {
        expect('{');
        while (!accept('}')) {
            entry();
            if (!accept(',')) {
                expect('}');
                break;
            }
        }
        skipSpace();
        if (position < text.length) {
            throw unexpected("the end");
        }
        if (descr == null || fortranOrder == null || shape == null) {
            throw new NpyException(
                    "malformed header: no " + (descr == null ? "descr" : shape == null ? "shape" : "fortran_order"));
        }
    }

    private void entry() throws NpyException {
        String key = string("a key");
        expect(':');
        switch (key) {
            case "descr" -> {
                requireFirst(key, descr);
                if (next() == '[') {
                    throw new NpyException("structured type, wanted '<f4' (float32) or '|b1' (bool)");
                }
                descr = string("a type name");
            }
            case "fortran_order" -> {
                requireFirst(key, fortranOrder);
                fortranOrder = truth();
            }
            case "shape" -> {
                requireFirst(key, shape);
                shape = tuple();
            }
            default -> throw new NpyException("malformed header: unknown key '" + key + "'");
        }
    }

    private static void requireFirst(String key, Object earlier) throws NpyException {
        if (earlier != null) {
            throw new NpyException("malformed header: two entries of " + key);
        }
    }

    private String string(String wanted) throws NpyException {
        int quote = next();
        if (quote != '\'' && quote != '"') {
            throw unexpected(wanted + " in quotes");
        }
        int start = ++position;
        while (position < text.length && text[position] != quote) {
            if (text[position] < ' ' || text[position] > '~' || text[position] == '\\'
                    || position - start == MAX_STRING) {
                throw unexpected(wanted + " of at most " + MAX_STRING + " plain characters");
            }
            position++;
        }
        if (position == text.length) {
            throw unexpected("a closing quote");
        }
        return new String(text, start, position++ - start, StandardCharsets.US_ASCII);
    }

    private boolean truth() throws NpyException {
        skipSpace();
        if (acceptWord("True")) {
            return true;
        }
        if (acceptWord("False")) {
            return false;
        }
        throw unexpected("True or False");
    }

    private boolean acceptWord(String word) {
        byte[] bytes = word.getBytes(StandardCharsets.US_ASCII);
        if (text.length - position < bytes.length) {
            return false;
        }
        for (int i = 0; i < bytes.length; i++) {
            if (text[position + i] != bytes[i]) {
                return false;
            }
        }
        position += bytes.length;
        return true;
    }

    private long[] tuple() throws NpyException {
        expect('(');
        List<Long> sizes = new ArrayList<>();
        boolean comma = true;
        while (!accept(')')) {
            if (!comma) {
                throw unexpected("',' or ')'");
            }
            if (sizes.size() == MAX_RANK) {
                throw new NpyException("shape has more than " + MAX_RANK + " axes");
            }
            sizes.add(size());
            comma = accept(',');
        }
        if (sizes.size() == 1 && !comma) {
            throw new NpyException("malformed header: the shape is no tuple; one axis is written (n,)");
        }
        return sizes.stream().mapToLong(Long::longValue).toArray();
    }

    private long size() throws NpyException {
        if (next() == '-') {
            throw new NpyException("negative size in the shape");
        }
        int start = position;
        long value = 0;
        try {
            for (; position < text.length && text[position] >= '0' && text[position] <= '9'; position++) {
                value = Math.addExact(Math.multiplyExact(value, 10), text[position] - '0');
            }
        } catch (ArithmeticException _) {
            throw new NpyException("a size in the shape does not fit 64 bits");
        }
        if (position == start || text[start] == '0' && position - start > 1) {
            position = start;
            throw unexpected("a whole number without leading zeros");
        }
        return value;
    }

    private boolean accept(char character) {
        if (next() != character) {
            return false;
        }
        position++;
        return true;
    }

    private void expect(char character) throws NpyException {
        if (!accept(character)) {
            throw unexpected("'" + character + "'");
        }
    }

    /** The next byte that is not white space, without taking it; −1 at the end. */
    private int next() {
        skipSpace();
        return position < text.length ? text[position] & 0xff : -1;
    }

    private void skipSpace() {
        while (position < text.length && " \t\n\r\f".indexOf(text[position]) >= 0) {
            position++;
        }
    }

    private NpyException unexpected(String wanted) {
        String found = position < text.length ? String.format("byte 0x%02x", text[position] & 0xff) : "its end";
        return new NpyException("malformed header: " + found + " at place " + position + ", wanted " + wanted);
    }
}
