package dev.lanewise.examples;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.lanewise.Attention;
import dev.lanewise.AttentionInputs;
import dev.lanewise.AttentionOutputs;
import dev.lanewise.ElementType;
import dev.lanewise.PositionOffset;
import dev.lanewise.RuntimeInfo;
import dev.lanewise.Tensor;
import dev.lanewise.WarmUp;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * A small HTTP service around one operator, on the JDK's own server and virtual threads: POST q, k and v of one head to
 * {@code /attention} as JSON and get the context; GET {@code /health} tells whether it is warm.
 */
public final class AttentionService implements AutoCloseable {
    /** Longer bodies are refused before they are read. */
    static final int MAX_BODY = 8 << 20;
    private static final Duration WARM_UP_LIMIT = Duration.ofSeconds(10);
    private static final int WARM_LENGTH = 128;
    private static final int WARM_DEPTH = 64;
    private static final int OK = 200;
    private static final int BAD_REQUEST = 400;
    private static final int NOT_ALLOWED = 405;
    private static final int TOO_LARGE = 413;
    private static final int FAILED = 500;
    private static final int NOT_READY = 503;

    private static final ObjectMapper JSON = new ObjectMapper()
            .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES);

    private final Attention plain = Attention.builder().build();
    private final Attention causal = Attention.builder().causal(PositionOffset.bottomRight()).build();
    private final ExecutorService executor = Executors.newVirtualThreadPerTaskExecutor();
    private final HttpServer server;
    private volatile boolean ready;

    /** What is asked: rows of q (Lq, D), k (Lk, D) and v (Lk, Dv); causal may be absent. */
    record Request(float[][] q, float[][] k, float[][] v, Boolean causal) {
    }

    private AttentionService(int port) throws IOException {
        server = HttpServer.create(new InetSocketAddress("localhost", port), 0);
        server.setExecutor(executor);
        server.createContext("/attention", this::attention);
        server.createContext("/health", this::health);
    }

    /** The argument is the port; 8080 without. */
    public static void main(String[] args) throws IOException {
        AttentionService service = start(args.length == 0 ? 8080 : Integer.parseInt(args[0]));
        service.warmUp();
        System.out.println("ready on port " + service.port() + ": " + RuntimeInfo.current().kernelName());
    }

    /** Answers from now on, but is not ready before {@link #warmUp}. Port 0 takes any that is free. */
    static AttentionService start(int port) throws IOException {
        AttentionService service = new AttentionService(port);
        service.server.start();
        return service;
    }

    int port() {
        return server.getAddress().getPort();
    }

    /** Gets the kernels compiled for what requests look like; then it is ready, if only more slowly where that took too long. */
    void warmUp() {
        try (Arena arena = Arena.ofConfined()) {
            Tensor rows = Tensor.allocate(arena, ElementType.FLOAT32, WARM_LENGTH, WARM_DEPTH);
            AttentionOutputs outputs = AttentionOutputs
                    .of(Tensor.allocate(arena, ElementType.FLOAT32, WARM_LENGTH, WARM_DEPTH));
            for (Attention operator : List.of(plain, causal)) {
                WarmUp.Report report = WarmUp.of(operator, AttentionInputs.of(rows, rows, rows), outputs)
                        .run(WARM_UP_LIMIT);
                System.out.println(report);
            }
        }
        ready = true;
    }

    private void health(HttpExchange exchange) throws IOException {
        answer(exchange, ready ? OK : NOT_READY,
                Map.of("ready", ready, "kernel", RuntimeInfo.current().kernelName()));
    }

    private void attention(HttpExchange exchange) throws IOException {
        if (!exchange.getRequestMethod().equals("POST")) {
            fail(exchange, NOT_ALLOWED, "method: " + exchange.getRequestMethod() + ", wanted POST");
            return;
        }
        if (!ready) {
            fail(exchange, NOT_READY, "warming up");
            return;
        }
        byte[] body = exchange.getRequestBody().readNBytes(MAX_BODY + 1);
        if (body.length > MAX_BODY) {
            fail(exchange, TOO_LARGE, "body: wanted at most " + MAX_BODY + " bytes");
            return;
        }
        try {
            Request request = JSON.readValue(body, Request.class);
            if (request == null) {
                throw new IllegalArgumentException("body: null, wanted an object with q, k and v");
            }
            answer(exchange, OK, Map.of("context", context(request)));
        } catch (JsonProcessingException malformed) {
            fail(exchange, BAD_REQUEST, "body: " + malformed.getOriginalMessage());
        } catch (IllegalArgumentException refused) {
            fail(exchange, BAD_REQUEST, refused.getMessage());
        } catch (RuntimeException | OutOfMemoryError failure) {
            fail(exchange, FAILED, failure.toString());
        }
    }

    private float[][] context(Request request) {
        try (Arena arena = Arena.ofConfined()) {
            Tensor q = tensor(arena, "q", request.q());
            Tensor k = tensor(arena, "k", request.k());
            Tensor v = tensor(arena, "v", request.v());
            int queries = (int) q.size(0);
            int depth = (int) v.size(1);
            Tensor context = Tensor.allocate(arena, ElementType.FLOAT32, queries, depth);
            (Boolean.TRUE.equals(request.causal()) ? causal : plain).run(q, k, v, context);
            float[] values = context.toFloats();
            float[][] rows = new float[queries][depth];
            for (int i = 0; i < queries; i++) {
                System.arraycopy(values, i * depth, rows[i], 0, depth);
            }
            return rows;
        }
    }

    private static Tensor tensor(Arena arena, String name, float[][] rows) {
        if (rows == null || rows.length == 0 || rows[0] == null) {
            throw new IllegalArgumentException(name + ": no rows, wanted at least one");
        }
        int columns = rows[0].length;
        float[] values = new float[Math.multiplyExact(rows.length, columns)];
        for (int i = 0; i < rows.length; i++) {
            if (rows[i] == null || rows[i].length != columns) {
                throw new IllegalArgumentException(name + ": row " + i + " has "
                        + (rows[i] == null ? 0 : rows[i].length) + " values, wanted " + columns + " as in row 0");
            }
            System.arraycopy(rows[i], 0, values, i * columns, columns);
        }
        return Tensor.ofFloats(arena, values, rows.length, columns);
    }

    private static void fail(HttpExchange exchange, int status, String reason) throws IOException {
        answer(exchange, status, Map.of("error", reason));
    }

    private static void answer(HttpExchange exchange, int status, Map<String, ?> content) throws IOException {
        byte[] body = JSON.writeValueAsString(content).getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("Content-Type", "application/json");
        try (exchange) {
            exchange.sendResponseHeaders(status, body.length);
            exchange.getResponseBody().write(body);
        }
    }

    @Override
    public void close() {
        server.stop(0);
        executor.shutdownNow();
    }
}
