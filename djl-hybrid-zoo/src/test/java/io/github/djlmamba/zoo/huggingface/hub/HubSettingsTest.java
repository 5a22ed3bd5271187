/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.huggingface.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What the environment variables of huggingface_hub mean here. */
@DisabledOnOs(value = OS.WINDOWS, disabledReason = "paths are written as elsewhere")
class HubSettingsTest {

    @TempDir private Path folder;

    @Test
    void withoutVariablesItIsThePublicHubAndTheUsersCache() {
        HubSettings settings = settings(Map.of("HOME", "/home/x"));
        assertEquals(URI.create("https://huggingface.co"), settings.endpoint());
        assertEquals(Path.of("/home/x/.cache/huggingface/hub"), settings.cacheFolder());
        assertNull(settings.token());
        assertFalse(settings.offline());
        assertTrue(settings.symbolicLinks());
        assertEquals(Duration.ofSeconds(10), settings.metadataTimeout());
        assertEquals(Duration.ofSeconds(10), settings.downloadTimeout());
    }

    @ParameterizedTest
    @CsvSource({
        "XDG_CACHE_HOME=/x, /x/huggingface/hub",
        "XDG_CACHE_HOME=/x HF_HOME=/h, /h/hub",
        "HF_HOME=~/h, /home/x/h/hub",
        "HF_HOME=$HOME/h, /home/x/h/hub",
        "HF_HOME=${HOME}/$NOT_SET, /home/x/$NOT_SET/hub",
        "HF_HOME=/h HUGGINGFACE_HUB_CACHE=/old, /old",
        "HF_HOME=/h HUGGINGFACE_HUB_CACHE=/old HF_HUB_CACHE=/c/../d, /d",
        "HF_HUB_CACHE= HF_HOME=, /home/x/.cache/huggingface/hub",
    })
    void cacheIsWhereTheLibraryHasIt(String variables, String cache) {
        assertEquals(Path.of(cache), settings(parse(variables)).cacheFolder());
    }

    @Test
    void tokenComesFromTheVariableThenFromTheFile() throws IOException {
        Path home = folder.resolve("home");
        Files.createDirectories(home);
        Files.writeString(home.resolve("token"), "of-home\n");
        Path other = Files.writeString(folder.resolve("other"), "  of-path  ");
        Map<String, String> base = Map.of("HF_HOME", home.toString());
        assertEquals("of-home", settings(base).token());
        assertEquals("of-path", settings(with(base, "HF_TOKEN_PATH", other.toString())).token());
        assertEquals("of-variable", settings(with(base, "HF_TOKEN", " of-variable\n")).token());
        assertEquals("old", settings(with(base, "HUGGING_FACE_HUB_TOKEN", "old")).token());
        assertNull(settings(with(base, "HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")).token());
        assertNull(settings(with(base, "HF_TOKEN_PATH", folder.resolve("no").toString())).token());
    }

    @ParameterizedTest
    @ValueSource(strings = {"1", "on", "Yes", "TRUE"})
    void offlineIsWhatTheLibraryTakesForTrue(String value) {
        assertTrue(settings(Map.of("HF_HUB_OFFLINE", value)).offline());
        assertTrue(settings(Map.of("TRANSFORMERS_OFFLINE", value)).offline());
        assertFalse(settings(Map.of("HF_HUB_DISABLE_SYMLINKS", value)).symbolicLinks());
    }

    @ParameterizedTest
    @ValueSource(strings = {"0", "", "false", "2"})
    void otherValuesAreFalse(String value) {
        assertFalse(settings(Map.of("HF_HUB_OFFLINE", value)).offline());
    }

    @Test
    void endpointMayHaveAPathAndATrailingSlash() {
        assertEquals(
                URI.create("http://mirror:8080/hf"),
                settings(Map.of("HF_ENDPOINT", "http://mirror:8080/hf/")).endpoint());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "HF_ENDPOINT=huggingface.co",
                "HF_ENDPOINT=ftp://x",
                "HF_ENDPOINT=http://a:b@x",
                "HF_ENDPOINT=http://x?y",
                "HF_ENDPOINT=http:///x",
                "HF_HUB_ETAG_TIMEOUT=ten",
                "HF_HUB_DOWNLOAD_TIMEOUT=0",
                "HF_HUB_DOWNLOAD_TIMEOUT=-1",
                "HF_HUB_DOWNLOAD_TIMEOUT=9223372036854775807",
            })
    void valuesThatMakeNoSenseAreNamed(String variable) {
        Exception e = assertThrows(IllegalArgumentException.class, () -> settings(parse(variable)));
        assertTrue(e.getMessage().contains("expected"), e.getMessage());
    }

    @Test
    void tokenIsNeverShown() {
        HubSettings settings = settings(Map.of("HF_TOKEN", "hf_secret"));
        assertFalse(settings.toString().contains("hf_secret"));
        assertFalse(settings.withOffline(true).toString().contains("hf_secret"));
        Exception e =
                assertThrows(
                        IllegalArgumentException.class,
                        () -> settings(Map.of("HF_TOKEN", "hf_sec\nret")));
        assertFalse(e.getMessage().contains("hf_sec"), e.getMessage());
    }

    private static HubSettings settings(Map<String, String> variables) {
        return HubSettings.fromEnvironment(with(variables, "HOME", "/home/x")::get);
    }

    private static Map<String, String> with(
            Map<String, String> variables, String name, String value) {
        Map<String, String> more = new java.util.HashMap<>(variables);
        more.put(name, value);
        return more;
    }

    private static Map<String, String> parse(String variables) {
        Map<String, String> map = new java.util.HashMap<>();
        for (String variable : variables.split(" ")) {
            String[] parts = variable.split("=", 2);
            map.put(parts[0], parts[1]);
        }
        return map;
    }
}
