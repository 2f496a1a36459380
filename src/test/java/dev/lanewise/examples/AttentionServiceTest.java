package dev.lanewise.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The service, by requests. */
class AttentionServiceTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final HttpClient CLIENT = HttpClient.newHttpClient();
    /** Two keys of equal score: the mean of the values. */
    private static final String GOOD = "{\"q\": [[0, 0]], \"k\": [[1, 2], [3, 4]], \"v\": [[1], [5]]}";
    private static AttentionService service;

    @BeforeAll
    static void startAndWarm() throws IOException, InterruptedException {
        service = AttentionService.start(0);
        assertEquals(503, CLIENT.send(get("/health"), BodyHandlers.ofString()).statusCode());
        assertEquals(503, post(GOOD).statusCode());
        service.warmUp();
    }

    @AfterAll
    static void stop() {
        service.close();
    }

    private static HttpRequest.Builder to(String path) {
        return HttpRequest.newBuilder(URI.create("http://localhost:" + service.port() + path));
    }

    private static HttpRequest get(String path) {
        return to(path).build();
    }

    private static HttpResponse<String> post(String body) throws IOException, InterruptedException {
        return CLIENT.send(to("/attention").POST(BodyPublishers.ofString(body)).build(), BodyHandlers.ofString());
    }

    private static double context(String body, int row, int column) throws IOException {
        return JSON.readTree(body).get("context").get(row).get(column).asDouble();
    }

    @Test
    void itIsReadyOnceWarm() throws IOException, InterruptedException {
        HttpResponse<String> health = CLIENT.send(get("/health"), BodyHandlers.ofString());
        assertEquals(200, health.statusCode());
        assertTrue(JSON.readTree(health.body()).get("ready").asBoolean());
    }

    @Test
    void itAnswers() throws IOException, InterruptedException {
        HttpResponse<String> answer = post(GOOD);
        assertEquals(200, answer.statusCode(), answer::body);
        assertEquals(3, context(answer.body(), 0, 0), 1e-6);
    }

    @Test
    void causalIsBottomRight() throws IOException, InterruptedException {
        String body = post("{\"q\": [[0], [0]], \"k\": [[1], [2]], \"v\": [[1], [5]], \"causal\": true}").body();
        assertEquals(1, context(body, 0, 0), 1e-6);
        assertEquals(3, context(body, 1, 0), 1e-6);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {"'' | body", "null | body: null", "{\"q\": [[1]]} | k: no rows",
        "{\"q\": [[1]], \"k\": [[1]], \"v\": | body: Unexpected end-of-input",
        "{\"q\": [[1, 2], [3]], \"k\": [[1]], \"v\": [[1]]} | q: row 1 has 1 values, wanted 2 as in row 0",
        "{\"q\": [[1, 2]], \"k\": [[1]], \"v\": [[1]]} | k: axis 1 has 1 elements, wanted q's 2",
        "{\"q\": [[\"x\"]], \"k\": [[1]], \"v\": [[1]]} | body: Cannot deserialize",
        "{\"q\": [[]], \"k\": [[]], \"v\": [[1]]} | q and v: head dimensions 0 and 1",
        "{\"q\": [[1]], \"k\": [[1]], \"v\": [[1]], \"more\": 1} | body: Unrecognized field"})
    void aBrokenRequestIsNamed(String body, String reason) throws IOException, InterruptedException {
        HttpResponse<String> answer = post(body == null ? "" : body);
        assertEquals(400, answer.statusCode(), answer::body);
        String error = JSON.readTree(answer.body()).get("error").asText();
        assertTrue(error.startsWith(reason), error);
    }

    @Test
    void anotherMethodIsRefused() throws IOException, InterruptedException {
        assertEquals(405, CLIENT.send(get("/attention"), BodyHandlers.ofString()).statusCode());
    }

    @Test
    void aBodyThatIsTooLongIsRefused() throws IOException, InterruptedException {
        assertEquals(413, post(" ".repeat(AttentionService.MAX_BODY + 1)).statusCode());
    }

    @Test
    void manyAtOnceGetTheirOwnAnswers() throws IOException {
        List<CompletableFuture<HttpResponse<String>>> answers = new ArrayList<>();
        for (int i = 0; i < 200; i++) {
            String body = i % 5 == 0 ? "{" : "{\"q\": [[0]], \"k\": [[1], [2]], \"v\": [[" + i + "], [" + i + "]]}";
            answers.add(CLIENT.sendAsync(to("/attention").POST(BodyPublishers.ofString(body)).build(),
                    BodyHandlers.ofString()));
        }
        for (int i = 0; i < answers.size(); i++) {
            HttpResponse<String> answer = answers.get(i).join();
            assertEquals(i % 5 == 0 ? 400 : 200, answer.statusCode(), answer::body);
            JsonNode context = JSON.readTree(answer.body()).get("context");
            assertEquals(i % 5 == 0 ? null : i, context == null ? null : context.get(0).get(0).asInt());
        }
    }
}
