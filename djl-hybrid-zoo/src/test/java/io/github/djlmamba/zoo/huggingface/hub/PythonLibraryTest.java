/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.huggingface.hub;

import static io.github.djlmamba.zoo.huggingface.hub.HuggingFaceHubTest.model;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The library huggingface_hub itself uses what is fetched here, and the reverse. Needs a Python
 * that has it: {@code DJLMAMBA_TEST_PYTHON} names the program, else it is python3.
 */
class PythonLibraryTest {

    private static final String PYTHON =
            System.getenv().getOrDefault("DJLMAMBA_TEST_PYTHON", "python3");
    private static final String FETCH =
            "import sys\n"
                    + "from huggingface_hub import hf_hub_download\n"
                    + "for name in sys.argv[3:]:\n"
                    + "    print(hf_hub_download(sys.argv[1], name, revision=sys.argv[2]))\n";
    private static final HubReference MAIN = HubReference.parse("owner/name");

    @TempDir private Path folder;
    private FakeHub server;

    @BeforeAll
    static void requirePython() throws Exception {
        boolean there;
        try {
            Process process =
                    new ProcessBuilder(PYTHON, "-c", "import huggingface_hub")
                            .redirectErrorStream(true)
                            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                            .start();
            there = process.waitFor() == 0;
        } catch (IOException e) {
            there = false;
        }
        assumeTrue(there, PYTHON + " has no huggingface_hub");
    }

    @BeforeEach
    void start() throws IOException {
        server = new FakeHub();
        server.commit(MAIN.repository(), "main", model(1));
        server.commit(MAIN.repository(), "refs/pr/1", model(2));
    }

    @AfterEach
    void stop() {
        server.close();
    }

    @Test
    void usesWhatTheLibraryHasFetched() throws Exception {
        HubReference request = HubReference.parse("owner/name@refs/pr/1");
        python(false, "main", "config.json", "tokenizer.json", "model.safetensors");
        python(false, "refs/pr/1", "config.json", "model.safetensors");
        HuggingFaceHub offline = new HuggingFaceHub(settings().withOffline(true));
        assertModel(1, offline.fetch(MAIN, null));
        assertEquals(
                offline.cached(request).orElseThrow(),
                new HuggingFaceHub(settings()).fetch(request, null));
        assertModel(2, offline.fetch(request, null));
        assertEquals(1, weightsAsked(1));
        assertEquals(1, weightsAsked(2));
    }

    @Test
    void theLibraryUsesWhatIsFetchedHere() throws Exception {
        Path snapshot = new HuggingFaceHub(settings()).fetch(MAIN, null);
        List<String> paths =
                python(true, "main", "config.json", "tokenizer.json", "model.safetensors");
        assertEquals(snapshot.resolve("model.safetensors").toString(), paths.get(2));
        assertEquals(
                paths, python(false, "main", "config.json", "tokenizer.json", "model.safetensors"));
        assertEquals(1, weightsAsked(1));
    }

    private long weightsAsked(int seed) {
        byte[] content = model(seed).get("model.safetensors");
        return server.asked("GET", FakeHub.hash("model.safetensors", content));
    }

    private static void assertModel(int seed, Path snapshot) throws IOException {
        for (String name : List.of("config.json", "model.safetensors")) {
            assertArrayEquals(
                    model(seed).get(name), Files.readAllBytes(snapshot.resolve(name)), name);
        }
    }

    private HubSettings settings() {
        Map<String, String> environment = environment();
        return HubSettings.fromEnvironment(environment::get);
    }

    private Map<String, String> environment() {
        return Map.of(
                "HF_HOME", folder.toString(),
                "HF_ENDPOINT", server.endpoint().toString(),
                "HF_HUB_DISABLE_XET", "1");
    }

    /** Lets the library fetch files of a revision; returns the paths that it gives. */
    private List<String> python(boolean offline, String revision, String... names)
            throws Exception {
        ProcessBuilder builder = new ProcessBuilder(PYTHON, "-c", FETCH, "owner/name", revision);
        builder.command().addAll(List.of(names));
        builder.environment().keySet().removeIf(name -> name.startsWith("HF_"));
        builder.environment().putAll(environment());
        builder.environment().put("HF_HUB_OFFLINE", offline ? "1" : "0");
        Process process = builder.redirectError(ProcessBuilder.Redirect.INHERIT).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        process.waitFor(Duration.ofMinutes(1).toSeconds(), TimeUnit.SECONDS);
        assertEquals(0, process.waitFor(), output);
        return output.lines().toList();
    }
}
