/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.huggingface.hub;

import static io.github.djlmamba.zoo.huggingface.hub.HuggingFaceHubTest.bytes;
import static io.github.djlmamba.zoo.huggingface.hub.HuggingFaceHubTest.index;
import static io.github.djlmamba.zoo.huggingface.hub.HuggingFaceHubTest.model;
import static io.github.djlmamba.zoo.huggingface.hub.HuggingFaceHubTest.names;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What a network and a server can do wrong: it is mended or told, and leaves nothing half. */
class HubFailuresTest {

    private static final String REPOSITORY = "owner/name";
    private static final HubReference MAIN = HubReference.parse(REPOSITORY);
    private static final String WEIGHTS = "model.safetensors";

    @TempDir private Path cache;
    private FakeHub server;

    @BeforeEach
    void start() throws IOException {
        server = new FakeHub();
    }

    @AfterEach
    void stop() {
        server.close();
    }

    @Test
    void aCutDownloadGoesOnWhereItWasCut() throws IOException {
        server.commit(REPOSITORY, "main", model(1));
        server.cutAfter = 50_000;
        server.cuts.set(2);
        RecordingProgress progress = new RecordingProgress();
        assertWhole(hub().fetch(MAIN, progress));
        List<FakeHub.Request> parts =
                server.requests().stream().filter(request -> !request.hub()).toList();
        assertEquals(3, parts.size());
        assertNull(parts.get(0).header("Range"));
        assertEquals("bytes=50000-", parts.get(1).header("Range"));
        assertEquals("bytes=100000-", parts.get(2).header("Range"));
        assertEquals(150_000, progress.most);
    }

    @Test
    void aServerWithoutRangesSendsItAllAgain() throws IOException {
        server.commit(REPOSITORY, "main", model(1));
        server.cutAfter = 50_000;
        server.cuts.set(2);
        server.ignoresRanges = true;
        RecordingProgress progress = new RecordingProgress();
        assertWhole(hub().fetch(MAIN, progress));
        assertEquals(150_000, progress.most);
    }

    @Test
    void aDownloadThatIsAlwaysCutEnds() throws IOException {
        server.commit(REPOSITORY, "main", model(1));
        server.cutAfter = 0;
        server.cuts.set(1000);
        Exception e = assertThrows(IOException.class, () -> hub().fetch(MAIN, null));
        assertTrue(e.getMessage().contains("connection"), e.getMessage());
        assertTrue(server.requests().size() < 30, "asked " + server.requests().size() + " times");
        assertNothingHalf();
        server.cuts.set(0);
        assertWhole(hub().fetch(MAIN, null));
    }

    @Test
    void wrongContentIsFetchedOnceMore() throws IOException {
        server.commit(REPOSITORY, "main", model(1));
        server.corruptions.set(1);
        assertWhole(hub().fetch(MAIN, null));
    }

    @Test
    void contentThatStaysWrongIsRefused() throws IOException {
        server.commit(REPOSITORY, "main", model(1));
        server.corruptions.set(1000);
        Exception e = assertThrows(IOException.class, () -> hub().fetch(MAIN, null));
        assertTrue(e.getMessage().contains("has the hash"), e.getMessage());
        assertEquals(998, server.corruptions.get());
        assertNothingHalf();
    }

    @Test
    void smallFilesAreCheckedToo() throws IOException {
        server.commit(REPOSITORY, "main", model(1));
        server.overrides.put("ETag", "\"" + "0".repeat(40) + "\"");
        Exception e = assertThrows(IOException.class, () -> hub().fetch(MAIN, null));
        assertTrue(e.getMessage().contains("has the hash"), e.getMessage());
        assertNothingHalf();
    }

    @ParameterizedTest
    @CsvSource({
        "X-Linked-Size, 149999, more bytes come",
        "X-Linked-Size, 150001, HTTP 416",
        "X-Linked-Size, 9223372036854775807, does not say the size",
        "X-Linked-Size, 999999999999999999, are free",
        "X-Linked-Size, -1, does not say the size",
        "X-Linked-Size, '', does not say the size",
        "X-Linked-Etag, ../../../x, does not say the hash",
        "X-Linked-Etag, \"/etc/passwd\", does not say the hash",
        "X-Repo-Commit, ../x, answers with commit",
        "Location, file:///etc/passwd, redirects to",
        "Location, '', redirects to",
    })
    void whatTheHubSaysIsChecked(String header, String value, String message) throws IOException {
        server.commit(REPOSITORY, "main", model(1));
        server.overrides.put(header, value);
        Exception e = assertThrows(IOException.class, () -> hub().fetch(MAIN, null));
        assertTrue(e.getMessage().contains(message), e.getMessage());
        assertNothingHalf();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "../../../../evil.safetensors",
                "/evil.safetensors",
                "..\\\\evil.safetensors",
                "a/b.safetensors",
                "C:evil.safetensors",
                ".evil.safetensors",
                "evil.safetensors\\u0000",
                ""
            })
    void namesOfShardsThatLeadElsewhereAreRefused(String name) throws IOException {
        Map<String, byte[]> files = model(1);
        files.remove(WEIGHTS);
        files.put("model.safetensors.index.json", index(name));
        files.put(name, bytes(10, 1));
        files.put(name.replace("\\\\", "\\"), bytes(10, 1));
        server.commit(REPOSITORY, "main", files);
        Exception e = assertThrows(IOException.class, () -> hub().fetch(MAIN, null));
        assertTrue(e.getMessage().contains("plain file name"), e.getMessage());
        assertNothingHalf();
    }

    @Test
    void namesOfOtherFilesAreLeftAlone() throws IOException {
        Map<String, byte[]> files = model(1);
        files.put("../../../../evil", bytes(10, 1));
        files.put("sub/config.json", bytes(10, 1));
        server.commit(REPOSITORY, "main", files);
        Path snapshot = hub().fetch(MAIN, null);
        assertEquals(List.of("config.json", WEIGHTS, "tokenizer.json"), names(snapshot));
        assertEquals(List.of(".locks", "models--owner--name"), names(cache));
    }

    @Test
    void aShardThatIsNotThereIsNamed() throws IOException {
        Map<String, byte[]> files = model(1);
        files.remove(WEIGHTS);
        files.put("model.safetensors.index.json", index("a.safetensors"));
        server.commit(REPOSITORY, "main", files);
        Exception e = assertThrows(HubException.class, () -> hub().fetch(MAIN, null));
        assertTrue(e.getMessage().contains("a.safetensors"), e.getMessage());
    }

    @Test
    void aRepositoryWithoutAModelIsTold() throws IOException {
        server.commit(REPOSITORY, "main", Map.of("README.md", bytes(5, 1)));
        Exception e = assertThrows(HubException.class, () -> hub().fetch(MAIN, null));
        assertTrue(e.getMessage().contains("has no config.json"), e.getMessage());
        server.commit(
                REPOSITORY,
                "main",
                Map.of("config.json", bytes(5, 1), "pytorch_model.bin\n\u001b[31m", bytes(5, 2)));
        e = assertThrows(HubException.class, () -> hub().fetch(MAIN, null));
        assertTrue(e.getMessage().contains("no model.safetensors"), e.getMessage());
        assertTrue(e.getMessage().contains("pytorch_model.bin"), e.getMessage());
        assertFalse(e.getMessage().contains("\u001b"), e.getMessage());
    }

    @ParameterizedTest
    @ValueSource(ints = {408, 429, 500, 502, 503, 504})
    void whatMayPassIsTriedAgain(int status) throws IOException {
        server.commit(REPOSITORY, "main", model(1));
        server.failure = status;
        server.failures.set(2);
        assertWhole(hub().fetch(MAIN, null));
        server.failures.set(1000);
        HubException e =
                assertThrows(
                        HubException.class,
                        () -> hub().fetch(HubReference.parse("owner/other"), null));
        assertEquals(status, e.getStatusCode());
        assertEquals(997, server.failures.get());
    }

    @ParameterizedTest
    @ValueSource(ints = {400, 410, 416, 451, 501})
    void whatLastsIsNotTriedAgain(int status) throws IOException {
        server.commit(REPOSITORY, "main", model(1));
        server.failure = status;
        server.failures.set(1000);
        HubException e = assertThrows(HubException.class, () -> hub().fetch(MAIN, null));
        assertEquals(status, e.getStatusCode());
        assertEquals(999, server.failures.get());
    }

    @Test
    void refusalsSayWhatToDo() throws IOException {
        server.commit(REPOSITORY, "main", model(1));
        assertRefused(404, "no owner/no@main", "owner/no", null);
        assertRefused(404, "owner/name has no revision v9", "owner/name@v9", null);
        server.token = "hf_right";
        assertRefused(401, "give an access token by HF_TOKEN", REPOSITORY, null);
        assertRefused(401, "wrong or has expired", REPOSITORY, "hf_wrong");
        server.gated = true;
        assertRefused(401, "gated: ask for access at " + server.endpoint(), REPOSITORY, null);
        assertRefused(403, "has no access yet", REPOSITORY, "hf_right");
        assertNothingHalf();
    }

    @Test
    void theTokenGoesToTheHubAlone() throws IOException {
        server.commit(REPOSITORY, "main", model(1));
        server.token = "hf_right";
        assertWhole(hub("hf_right").fetch(MAIN, null));
        assertTrue(server.requests().stream().anyMatch(request -> !request.hub()));
        for (FakeHub.Request request : server.requests()) {
            assertEquals(request.hub() ? "Bearer hf_right" : null, request.header("Authorization"));
        }
    }

    @Test
    void aRenamedRepositoryIsFollowed() throws IOException {
        server.commit(REPOSITORY, "main", model(1));
        server.commit("other/name", "main", model(1));
        server.token = "hf_right";
        String commit = server.commit(REPOSITORY, "main", model(1));
        server.copy(REPOSITORY, "other/name", commit);
        server.renamedTo = "other/name";
        assertWhole(hub("hf_right").fetch(MAIN, null));
        assertTrue(server.asked("HEAD", "/other/name/resolve/" + commit + "/" + WEIGHTS) > 0);
    }

    @Test
    void redirectsInACircleEnd() throws IOException {
        server.commit(REPOSITORY, "main", model(1));
        server.renamedTo = "a/b";
        server.renamesAlways = true;
        Exception e = assertThrows(HubException.class, () -> hub().fetch(MAIN, null));
        assertTrue(e.getMessage().contains("redirects"), e.getMessage());
        assertTrue(server.requests().size() < 20);
    }

    @Test
    void aServerThatStopsInTheMiddleIsLeft() throws IOException {
        server.commit(REPOSITORY, "main", model(1));
        server.stallAfter = 60_000;
        HubSettings impatient = impatient(server.endpoint());
        Exception e =
                assertTimeoutPreemptively(
                        Duration.ofSeconds(30),
                        () ->
                                assertThrows(
                                        IOException.class, () -> hub(impatient).fetch(MAIN, null)));
        assertTrue(e.getMessage().contains("no more bytes came"), e.getMessage());
        assertNothingHalf();
    }

    @Test
    void aSlowServerIsWaitedFor() throws IOException {
        server.commit(REPOSITORY, "main", model(1));
        // In all more than the timeout, which is that of each piece.
        server.pause = Duration.ofMillis(150);
        assertWhole(hub(impatient(server.endpoint())).fetch(MAIN, null));
    }

    @Test
    void aServerThatNeverAnswersIsLeft() throws IOException {
        try (ServerSocket silent = new ServerSocket(0)) {
            URI endpoint = URI.create("http://localhost:" + silent.getLocalPort());
            Exception e =
                    assertTimeoutPreemptively(
                            Duration.ofSeconds(30),
                            () ->
                                    assertThrows(
                                            IOException.class,
                                            () -> hub(impatient(endpoint)).fetch(MAIN, null)));
            assertTrue(e.getMessage().contains("does not answer within"), e.getMessage());
        }
    }

    @Test
    void anotherKindOfServerIsTold() throws IOException {
        Map<String, byte[]> files = model(1);
        server.commit(REPOSITORY, "main", files);
        for (String json :
                List.of("<html>", "[]", "{\"sha\": \"../x\", \"siblings\": []}", "", "{")) {
            server.listing = json;
            Exception e = assertThrows(IOException.class, () -> hub().fetch(MAIN, null));
            assertTrue(e.getMessage().contains("is HF_ENDPOINT"), e.getMessage());
        }
        server.listing = "{\"sha\": \"" + "a".repeat(40) + "\", \"siblings\": [null, {}]}";
        Exception e = assertThrows(HubException.class, () -> hub().fetch(MAIN, null));
        assertTrue(e.getMessage().contains("has no config.json"), e.getMessage());
        HubReference pinned = HubReference.parse(REPOSITORY + "@" + "b".repeat(40));
        e = assertThrows(HubException.class, () -> hub().fetch(pinned, null));
        assertTrue(e.getMessage().contains("answers with commit aaaa"), e.getMessage());
        assertNothingHalf();
    }

    @Test
    void anInterruptEndsADownload() throws Exception {
        server.commit(REPOSITORY, "main", model(1));
        server.pause = Duration.ofMillis(500);
        Exception[] failure = new Exception[1];
        Thread thread =
                new Thread(
                        () ->
                                failure[0] =
                                        assertThrows(
                                                InterruptedIOException.class,
                                                () -> hub().fetch(MAIN, null)));
        thread.start();
        while (server.requests().stream().allMatch(FakeHub.Request::hub)) {
            Thread.sleep(5);
        }
        thread.interrupt();
        thread.join(10_000);
        assertFalse(thread.isAlive());
        assertEquals(InterruptedIOException.class, failure[0].getClass());
        assertNothingHalf();
    }

    private void assertWhole(Path snapshot) throws IOException {
        for (Map.Entry<String, byte[]> file : model(1).entrySet()) {
            assertArrayEquals(file.getValue(), Files.readAllBytes(snapshot.resolve(file.getKey())));
        }
        assertNothingHalf();
    }

    /** Every blob has the content that its name says, and there is nothing else. */
    private void assertNothingHalf() throws IOException {
        Path blobs = cache.resolve("models--owner--name/blobs");
        if (Files.isDirectory(blobs)) {
            for (String name : names(blobs)) {
                byte[] content = Files.readAllBytes(blobs.resolve(name));
                String kind = name.length() == 64 ? WEIGHTS : "config.json";
                assertEquals(FakeHub.hash(kind, content), name);
            }
        }
    }

    private void assertRefused(int status, String part, String reference, String token) {
        HubException e =
                assertThrows(
                        HubException.class,
                        () -> hub(token).fetch(HubReference.parse(reference), null));
        assertEquals(status, e.getStatusCode());
        assertTrue(e.getMessage().contains(part), e.getMessage());
        assertTrue(e.getMessage().contains("said by the server"), e.getMessage());
        assertTrue(token == null || !e.getMessage().contains(token), e.getMessage());
    }

    private HuggingFaceHub hub() {
        return hub(server.settings(cache));
    }

    private HuggingFaceHub hub(String token) {
        HubSettings settings = server.settings(cache);
        return hub(
                new HubSettings(
                        settings.endpoint(),
                        cache,
                        token,
                        false,
                        true,
                        settings.metadataTimeout(),
                        settings.downloadTimeout()));
    }

    private HubSettings impatient(URI endpoint) {
        return new HubSettings(
                endpoint, cache, null, false, true, Duration.ofSeconds(1), Duration.ofSeconds(1));
    }

    private static HuggingFaceHub hub(HubSettings settings) {
        return new HuggingFaceHub(
                settings, new RetryPolicy(3, Duration.ofMillis(1), Duration.ofMillis(10)));
    }
}
