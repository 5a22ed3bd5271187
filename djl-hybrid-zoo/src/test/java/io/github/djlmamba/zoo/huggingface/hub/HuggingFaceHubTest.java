/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.huggingface.hub;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is fetched, where it is put, and what is taken from the cache instead. */
class HuggingFaceHubTest {

    private static final String REPOSITORY = "some_owner/tiny-model";
    private static final HubReference MAIN = HubReference.parse(REPOSITORY);

    @TempDir private Path folder;
    private Path cache;
    private FakeHub server;

    @BeforeEach
    void start() throws IOException {
        cache = folder.resolve("hub");
        server = new FakeHub();
    }

    @AfterEach
    void stop() {
        server.close();
    }

    @Test
    void putsFilesWhereTheLibraryHasThem() throws IOException {
        Map<String, byte[]> files = model(1);
        files.put("pytorch_model.bin", bytes(10, 2));
        files.put("README.md", bytes(10, 3));
        String commit = server.commit(REPOSITORY, "main", files);
        Path snapshot = hub().fetch(MAIN, null);

        Path repository = cache.resolve("models--some_owner--tiny-model");
        assertEquals(repository.resolve("snapshots").resolve(commit), snapshot);
        assertEquals(commit, Files.readString(repository.resolve("refs/main")));
        assertEquals(
                List.of("config.json", "model.safetensors", "tokenizer.json"), names(snapshot));
        for (String name : names(snapshot)) {
            byte[] content = files.get(name);
            assertArrayEquals(content, Files.readAllBytes(snapshot.resolve(name)));
            Path blob = repository.resolve("blobs").resolve(FakeHub.hash(name, content));
            assertTrue(Files.isSameFile(blob, snapshot.resolve(name)));
        }
        assertEquals(3, names(repository.resolve("blobs")).size());
        assertTrue(
                Files.exists(
                        repository.resolve(".no_exist/" + commit + "/generation_config.json")));
    }

    @Test
    @DisabledOnOs(value = OS.WINDOWS, disabledReason = "links need a privilege there")
    void linksAreRelative() throws IOException {
        server.commit(REPOSITORY, "main", model(1));
        Path snapshot = hub().fetch(MAIN, null);
        String hash = FakeHub.hash("config.json", model(1).get("config.json"));
        assertEquals(
                Path.of("../../blobs/" + hash),
                Files.readSymbolicLink(snapshot.resolve("config.json")));
        Path moved = folder.resolve("moved");
        Files.move(cache, moved);
        assertTrue(new HuggingFaceHub(server.settings(moved)).cached(MAIN).isPresent());
    }

    @Test
    void worksWithoutSymbolicLinks() throws IOException {
        server.commit(REPOSITORY, "main", model(1));
        HubSettings settings = server.settings(cache);
        HubSettings withoutLinks =
                new HubSettings(
                        settings.endpoint(),
                        cache,
                        null,
                        false,
                        false,
                        settings.metadataTimeout(),
                        settings.downloadTimeout());
        Path snapshot = new HuggingFaceHub(withoutLinks).fetch(MAIN, null);
        for (String name : names(snapshot)) {
            assertFalse(Files.isSymbolicLink(snapshot.resolve(name)));
            assertArrayEquals(model(1).get(name), Files.readAllBytes(snapshot.resolve(name)), name);
        }
    }

    @Test
    void fetchesTheShardsThatTheIndexNames() throws IOException {
        Map<String, byte[]> files = model(1);
        files.remove("model.safetensors");
        files.put("model.safetensors.index.json", index("a.safetensors", "b.safetensors"));
        files.put("a.safetensors", bytes(100_000, 4));
        files.put("b.safetensors", bytes(70_000, 5));
        files.put("c.safetensors", bytes(70_000, 6));
        server.commit(REPOSITORY, "main", files);
        Path snapshot = hub().fetch(MAIN, null);
        assertArrayEquals(
                files.get("b.safetensors"), Files.readAllBytes(snapshot.resolve("b.safetensors")));
        assertFalse(Files.exists(snapshot.resolve("c.safetensors")));

        Files.delete(snapshot.resolve("a.safetensors"));
        Exception e = assertThrows(FileNotFoundException.class, () -> offline().fetch(MAIN, null));
        assertTrue(e.getMessage().contains("a.safetensors"), e.getMessage());
        hub().fetch(MAIN, null);
        assertEquals(snapshot, offline().fetch(MAIN, null));
        assertEquals(1, server.asked("GET", FakeHub.hash("a.safetensors", bytes(100_000, 4))));
    }

    @Test
    void aSingleFileIsPreferredToShards() throws IOException {
        Map<String, byte[]> files = model(1);
        files.put("model.safetensors.index.json", index("a.safetensors"));
        files.put("a.safetensors", bytes(100, 4));
        server.commit(REPOSITORY, "main", files);
        Path snapshot = hub().fetch(MAIN, null);
        assertEquals(
                List.of("config.json", "model.safetensors", "tokenizer.json"), names(snapshot));
    }

    @Test
    void whatIsThereCostsOneQuestion() throws IOException {
        server.commit(REPOSITORY, "main", model(1));
        Path snapshot = hub().fetch(MAIN, null);
        server.requests().clear();
        assertEquals(snapshot, hub().fetch(MAIN, null));
        assertEquals(1, server.requests().size());
        assertEquals(1, server.asked("GET", "/api/models/" + REPOSITORY + "/revision/main"));
    }

    @Test
    void aCommitThatIsThereCostsNoQuestion() throws IOException {
        String commit = server.commit(REPOSITORY, "main", model(1));
        HubReference pinned = HubReference.parse(REPOSITORY + "@" + commit);
        Path snapshot = hub().fetch(pinned, null);
        server.requests().clear();
        assertEquals(snapshot, hub().fetch(pinned, null));
        assertEquals(List.of(), server.requests());
        // No name leads to a commit.
        assertFalse(Files.exists(snapshot.getParent().resolveSibling("refs")));
    }

    @Test
    void aCommitOfWhichOthersFetchedAPartIsCompleted() throws IOException {
        String commit = server.commit(REPOSITORY, "main", model(1));
        HubReference pinned = HubReference.parse(REPOSITORY + "@" + commit);
        Path snapshot = hub().fetch(pinned, null);
        Files.delete(snapshot.resolve("tokenizer.json"));
        hub().fetch(pinned, null);
        assertArrayEquals(
                model(1).get("tokenizer.json"),
                Files.readAllBytes(snapshot.resolve("tokenizer.json")));
    }

    @Test
    void followsARevisionThatMoves() throws IOException {
        String first = server.commit(REPOSITORY, "main", model(1));
        Path old = hub().fetch(MAIN, null);
        Map<String, byte[]> files = model(1);
        files.put("model.safetensors", bytes(200_000, 9));
        String second = server.commit(REPOSITORY, "main", files);
        server.requests().clear();
        Path snapshot = hub().fetch(MAIN, null);
        assertEquals(second, snapshot.getFileName().toString());
        assertEquals(first, old.getFileName().toString());
        assertArrayEquals(
                files.get("model.safetensors"),
                Files.readAllBytes(snapshot.resolve("model.safetensors")));
        assertArrayEquals(
                model(1).get("model.safetensors"),
                Files.readAllBytes(old.resolve("model.safetensors")));
        // What is the same in both is shared.
        assertEquals(0, server.asked("GET", "config.json"));
        assertEquals(snapshot, offline().fetch(MAIN, null));
        assertEquals(
                Optional.of(old), offline().cached(HubReference.parse(REPOSITORY + "@" + first)));
    }

    @ParameterizedTest
    @ValueSource(strings = {"v1.0", "feature/long names", "refs/pr/1", "a@b", "x%2Fy+z", "0123abc"})
    void knowsAllKindsOfRevisions(String text) throws IOException {
        String revision = text.replace(' ', '-');
        server.commit(REPOSITORY, "main", model(1));
        String commit = server.commit(REPOSITORY, revision, model(2));
        HubReference reference = HubReference.parse("hf://" + REPOSITORY + "@" + revision);
        Path snapshot = hub().fetch(reference, null);
        assertEquals(commit, snapshot.getFileName().toString());
        assertEquals(
                commit,
                Files.readString(
                        cache.resolve("models--some_owner--tiny-model/refs").resolve(revision)));
        assertEquals(snapshot, offline().fetch(reference, null));
        assertEquals(Optional.empty(), offline().cached(MAIN));
    }

    @Test
    void offlineAsksNothingAndSaysWhatIsMissing() throws IOException {
        String commit = server.commit(REPOSITORY, "main", model(1));
        Exception e = assertThrows(FileNotFoundException.class, () -> offline().fetch(MAIN, null));
        assertTrue(e.getMessage().contains("not in the cache"), e.getMessage());
        assertTrue(e.getMessage().contains("HF_HUB_OFFLINE"), e.getMessage());
        assertEquals(List.of(), server.requests());

        Path snapshot = hub().fetch(MAIN, null);
        server.requests().clear();
        assertEquals(snapshot, offline().fetch(MAIN, null));
        Files.delete(snapshot.resolve("model.safetensors"));
        e = assertThrows(FileNotFoundException.class, () -> offline().fetch(MAIN, null));
        assertTrue(
                e.getMessage().contains("model.safetensors of commit " + commit), e.getMessage());
        assertEquals(List.of(), server.requests());
    }

    @Test
    void aHubThatDoesNotAnswerIsReplacedByTheCache() throws IOException {
        server.commit(REPOSITORY, "main", model(1));
        Path snapshot = hub().fetch(MAIN, null);
        server.failures.set(1);
        server.failure = 503;
        assertEquals(snapshot, hub().fetch(MAIN, null));
        server.close();
        assertEquals(snapshot, hub().fetch(MAIN, null));
        Exception e =
                assertThrows(
                        IOException.class,
                        () -> hub().fetch(HubReference.parse(REPOSITORY + "@other"), null));
        assertTrue(e.getMessage().contains("no connection to http://localhost"), e.getMessage());
    }

    @Test
    void aCacheThatMayOnlyBeReadServes() throws IOException {
        server.commit(REPOSITORY, "main", model(1));
        Path snapshot = hub().fetch(MAIN, null);
        Map<Path, String> before = tree();
        assertEquals(snapshot, hub().fetch(MAIN, null));
        assertEquals(before, tree());
        // The revision moves to a commit that another name has brought already.
        String second = server.commit(REPOSITORY, "next", model(2));
        hub().fetch(HubReference.parse(REPOSITORY + "@next"), null);
        server.commit(REPOSITORY, "main", model(2));
        Path refs = cache.resolve("models--some_owner--tiny-model/refs");
        Files.delete(refs.resolve("main"));
        Files.createDirectories(refs.resolve("main"));
        assertEquals(second, hub().fetch(MAIN, null).getFileName().toString());
    }

    @Test
    void aBlobOfTheWrongSizeIsFetchedAgain() throws IOException {
        String commit = server.commit(REPOSITORY, "main", model(1));
        byte[] content = model(1).get("model.safetensors");
        Path repository = cache.resolve("models--some_owner--tiny-model");
        Path blob = repository.resolve("blobs").resolve(FakeHub.hash("model.safetensors", content));
        Files.createDirectories(blob.getParent());
        Files.write(blob, bytes(5, 1));
        Path snapshot = hub().fetch(MAIN, null);
        assertEquals(commit, snapshot.getFileName().toString());
        assertArrayEquals(content, Files.readAllBytes(blob));
    }

    @Test
    void usesWhatTheLibraryHasFetched() throws IOException {
        String commit = server.commit(REPOSITORY, "main", model(1));
        Path repository = cache.resolve("models--some_owner--tiny-model");
        Path snapshot = Files.createDirectories(repository.resolve("snapshots").resolve(commit));
        Files.createDirectories(repository.resolve("blobs"));
        for (Map.Entry<String, byte[]> file : model(1).entrySet()) {
            String hash = FakeHub.hash(file.getKey(), file.getValue());
            Files.write(repository.resolve("blobs").resolve(hash), file.getValue());
            Files.createSymbolicLink(snapshot.resolve(file.getKey()), Path.of("../../blobs", hash));
        }
        Files.createDirectories(repository.resolve("refs"));
        Files.writeString(repository.resolve("refs/main"), commit);
        assertEquals(snapshot, offline().fetch(MAIN, null));
        assertEquals(snapshot, hub().fetch(MAIN, null));
        assertEquals(1, server.requests().size());
    }

    @Test
    void showsTheBytesOfTheWeights() throws IOException {
        server.commit(REPOSITORY, "main", model(1));
        RecordingProgress progress = new RecordingProgress();
        hub().fetch(MAIN, progress);
        long size = model(1).get("model.safetensors").length;
        assertEquals(size, progress.max);
        assertEquals(size, progress.last);
        assertTrue(progress.message.contains(REPOSITORY), progress.message);
        assertEquals(1, progress.ends);
        RecordingProgress second = new RecordingProgress();
        hub().fetch(MAIN, second);
        assertEquals(0, second.max);
    }

    private HuggingFaceHub hub() {
        return new HuggingFaceHub(
                server.settings(cache),
                new RetryPolicy(3, Duration.ofMillis(1), Duration.ofMillis(10)));
    }

    private HuggingFaceHub offline() {
        return new HuggingFaceHub(server.settings(cache).withOffline(true));
    }

    private Map<Path, String> tree() throws IOException {
        Map<Path, String> tree = new HashMap<>();
        try (Stream<Path> all = Files.walk(cache)) {
            for (Path path : all.toList()) {
                tree.put(path, Files.getLastModifiedTime(path).toString());
            }
        }
        return tree;
    }

    /** The files of a small model. */
    static Map<String, byte[]> model(int seed) {
        Map<String, byte[]> files = new HashMap<>();
        files.put("config.json", "{\"model_type\": \"mamba\"}".getBytes(StandardCharsets.UTF_8));
        files.put("tokenizer.json", bytes(30_000, 17));
        files.put("model.safetensors", bytes(150_000, seed));
        return files;
    }

    static byte[] index(String... shards) {
        StringBuilder map = new StringBuilder();
        for (String shard : shards) {
            map.append(map.isEmpty() ? "" : ",")
                    .append("\"tensor of " + shard + "\":\"" + shard + "\"");
        }
        return ("{\"metadata\":{\"total_size\":1},\"weight_map\":{" + map + "}}")
                .getBytes(StandardCharsets.UTF_8);
    }

    static byte[] bytes(int size, int seed) {
        byte[] bytes = new byte[size];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    static List<String> names(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }
}
