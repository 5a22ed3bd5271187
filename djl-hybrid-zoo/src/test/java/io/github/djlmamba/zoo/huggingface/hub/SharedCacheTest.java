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
import static io.github.djlmamba.zoo.huggingface.hub.HuggingFaceHubTest.names;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/**
 * Threads and processes that share a cache: they fetch a file once, one that is killed leaves
 * nothing that is read, and a reader never sees half a file.
 */
class SharedCacheTest {

    private static final HubReference MODEL = HubReference.parse("owner/name");
    private static final String WEIGHTS = "model.safetensors";
    private static final byte[] CONTENT = bytes(3_000_000, 1);

    @TempDir private Path cache;
    private FakeHub server;

    @BeforeEach
    void start() throws IOException {
        server = new FakeHub();
        server.commit(
                MODEL.repository(),
                "main",
                Map.of("config.json", "{}".getBytes(StandardCharsets.UTF_8), WEIGHTS, CONTENT));
        server.pause = Duration.ofMillis(2);
    }

    @AfterEach
    void stop() {
        server.close();
    }

    @Test
    void threadsFetchAFileOnce() throws Exception {
        ExecutorService executor = Executors.newFixedThreadPool(8);
        try {
            // Half of them share a hub, the others have one each.
            HuggingFaceHub shared = new HuggingFaceHub(server.settings(cache));
            List<Future<Path>> results = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                HuggingFaceHub hub =
                        i % 2 == 0 ? shared : new HuggingFaceHub(server.settings(cache));
                results.add(executor.submit(() -> hub.fetch(MODEL, null)));
            }
            for (Future<Path> result : results) {
                assertWhole(result.get(1, TimeUnit.MINUTES));
            }
        } finally {
            executor.shutdownNow();
        }
        assertEquals(1, downloads());
        assertNoPartialFile();
    }

    @Test
    void processesFetchAFileOnce() throws Exception {
        List<Process> processes = List.of(fetcher(), fetcher(), fetcher());
        while (processes.stream().anyMatch(Process::isAlive)) {
            assertNoHalfFileIsSeen();
            Thread.sleep(1);
        }
        for (Process process : processes) {
            assertEquals(0, process.waitFor());
        }
        assertWhole(
                new HuggingFaceHub(server.settings(cache).withOffline(true)).fetch(MODEL, null));
        assertEquals(1, downloads());
        assertNoPartialFile();
    }

    @Test
    @DisabledOnOs(value = OS.WINDOWS, disabledReason = "kills processes by SIGKILL")
    void aKilledProcessLeavesNothingThatIsRead() throws Exception {
        for (int kill = 0; kill < 3; kill++) {
            Process process = fetcher();
            try {
                long enough = CONTENT.length / 4L * (kill + 1);
                while (process.isAlive() && partialBytes() < enough) {
                    assertNoHalfFileIsSeen();
                    Thread.sleep(1);
                }
            } finally {
                process.destroyForcibly();
            }
            assertEquals(128 + 9, process.waitFor(), "it ended before it was killed");
            assertTrue(partialBytes() > 0);
            assertNoHalfFileIsSeen();
            assertTrue(
                    new HuggingFaceHub(server.settings(cache).withOffline(true))
                            .cached(MODEL)
                            .isEmpty());
        }
        // What they have left is removed, and no lock of theirs is in the way.
        assertEquals(0, finish(fetcher()));
        assertNoPartialFile();
        assertWhole(new HuggingFaceHub(server.settings(cache)).fetch(MODEL, null));
    }

    @Test
    @DisabledOnOs(value = OS.WINDOWS, disabledReason = "stops processes by SIGSTOP")
    void nobodyWaitsForAProcessThatHasStopped() throws Exception {
        Process process = fetcher();
        try {
            while (process.isAlive() && partialBytes() == 0) {
                Thread.sleep(1);
            }
            signal(process, "STOP");
            HubSettings settings = server.settings(cache);
            HubSettings impatient =
                    new HubSettings(
                            settings.endpoint(),
                            cache,
                            null,
                            false,
                            true,
                            Duration.ofSeconds(1),
                            Duration.ofMillis(500));
            assertWhole(new HuggingFaceHub(impatient).fetch(MODEL, null));
            signal(process, "CONT");
            assertEquals(0, finish(process));
        } finally {
            process.destroyForcibly();
        }
        assertWhole(new HuggingFaceHub(server.settings(cache)).fetch(MODEL, null));
        assertNoPartialFile();
    }

    /** Fetches in a process of its own: the address of the Hub, then the folder of the cache. */
    public static void main(String[] arguments) throws IOException {
        HubSettings settings =
                new HubSettings(
                        URI.create(arguments[0]),
                        Path.of(arguments[1]),
                        null,
                        false,
                        true,
                        Duration.ofSeconds(30),
                        Duration.ofSeconds(30));
        Path snapshot = new HuggingFaceHub(settings).fetch(MODEL, null);
        assertArrayEquals(CONTENT, Files.readAllBytes(snapshot.resolve(WEIGHTS)));
    }

    private Process fetcher() throws IOException {
        return new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx64m",
                        "-XX:TieredStopAtLevel=1",
                        "-cp",
                        System.getProperty("java.class.path"),
                        SharedCacheTest.class.getName(),
                        server.endpoint().toString(),
                        cache.toString())
                .inheritIO()
                .start();
    }

    private static int finish(Process process) throws InterruptedException {
        if (!process.waitFor(2, TimeUnit.MINUTES)) {
            process.destroyForcibly();
        }
        return process.waitFor();
    }

    private static void signal(Process process, String name) throws Exception {
        String pid = Long.toString(process.pid());
        assertEquals(0, finish(new ProcessBuilder("kill", "-" + name, pid).inheritIO().start()));
    }

    /** How often the weights were asked for, from their beginning. */
    private long downloads() {
        return server.requests().stream()
                .filter(request -> !request.hub() && request.header("Range") == null)
                .count();
    }

    private void assertWhole(Path snapshot) throws IOException {
        assertArrayEquals(CONTENT, Files.readAllBytes(snapshot.resolve(WEIGHTS)));
        assertArrayEquals(
                "{}".getBytes(StandardCharsets.UTF_8),
                Files.readAllBytes(snapshot.resolve("config.json")));
    }

    /** What has the name of a blob, or is in a snapshot, is whole whenever it is looked at. */
    private void assertNoHalfFileIsSeen() throws IOException {
        Path repository = cache.resolve("models--owner--name");
        for (Path file : files(repository.resolve("blobs"))) {
            if (file.getFileName().toString().matches("[0-9a-f]+")) {
                int length = file.getFileName().toString().length();
                assertEquals(length == 64 ? CONTENT.length : 2, Files.size(file));
            }
        }
        for (Path snapshot : files(repository.resolve("snapshots"))) {
            Path weights = snapshot.resolve(WEIGHTS);
            assertTrue(!Files.exists(weights) || Files.size(weights) == CONTENT.length);
        }
    }

    private void assertNoPartialFile() throws IOException {
        for (String name : names(cache.resolve("models--owner--name/blobs"))) {
            assertFalse(name.endsWith(".incomplete"), name);
        }
    }

    private long partialBytes() throws IOException {
        long bytes = 0;
        for (Path file : files(cache.resolve("models--owner--name/blobs"))) {
            boolean partial = file.getFileName().toString().matches("[0-9a-f]{64}[.].*");
            bytes = Math.max(bytes, partial ? Files.size(file) : 0);
        }
        return bytes;
    }

    private static List<Path> files(Path folder) throws IOException {
        if (!Files.isDirectory(folder)) {
            return List.of();
        }
        try (Stream<Path> files = Files.list(folder)) {
            return files.toList();
        }
    }
}
