/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.safetensors;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.MalformedModelException;
import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SafetensorsFolderTest {

    private static final String FIRST = "model-00001-of-00002.safetensors";
    private static final String SECOND = "model-00002-of-00002.safetensors";
    private static final String INDEX =
            "{\"metadata\":{\"total_size\":8},\"weight_map\":{\"b\":\""
                    + SECOND
                    + "\",\"a\":\""
                    + FIRST
                    + "\"}}";

    @TempDir private Path folder;

    @Test
    void readsShards() throws Exception {
        writeShards(folder);
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SafetensorsFolder source = SafetensorsFolder.open(folder)) {
            assertEquals(List.of("b", "a"), List.copyOf(source.entries().keySet()));
            assertArrayEquals(new float[] {1}, source.read("a", manager).toFloatArray());
            assertArrayEquals(new float[] {2}, source.read("b", manager).toFloatArray());
            assertThrows(IllegalArgumentException.class, () -> source.read("c", manager));
        }
        // A model in one file comes before shards, as the public library has it.
        write(folder.resolve(SafetensorsFolder.SINGLE_FILE), "c", 3);
        try (SafetensorsFolder source = SafetensorsFolder.open(folder)) {
            assertEquals(List.of("c"), List.copyOf(source.entries().keySet()));
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "[] | no valid index",
                "{} | has no weight_map",
                "{\"weight_map\":{\"a\":1}} | expected a string",
                "{\"weight_map\":{\"a\":\"first\",\"a\":\"first\"}} | twice",
                "{\"weight_map\":{\"a\":\"first\"},\"weight_map\":{\"a\":\"first\"}} | twice",
                "{\"weight_map\":{\"a\":\"first\",\"b\":\"first\"}} | which does not hold it",
                "{\"weight_map\":{\"a\":\"second\",\"b\":\"first\"}} | which does not hold it",
                "{\"weight_map\":{\"a\":\"first\",\"b\":\"second\",\"c\":\"second\"}}"
                        + " | which does not hold it",
                "{\"weight_map\":{\"a\":\"../first\",\"b\":\"second\"}} | no plain file name",
                "{\"weight_map\":{\"a\":\"./first\",\"b\":\"second\"}} | no plain file name",
                "{\"weight_map\":{\"a\":\"/etc/passwd\",\"b\":\"second\"}} | no plain file name",
                "{\"weight_map\":{\"a\":\"..\",\"b\":\"second\"}} | no plain file name",
                "{\"weight_map\":{\"a\":\"\",\"b\":\"second\"}} | no plain file name",
                "{\"weight_map\":{\"a\":\"a\\u0000b\",\"b\":\"second\"}} | no plain file name",
                "{\"weight_map\":{\"a\":\"model.safetensors.index.json\"}} | safetensors file"
            })
    void refusesAnIndexThatDoesNotFit(String indexAndMessage) throws IOException {
        writeShards(folder);
        int at = indexAndMessage.lastIndexOf(" | ");
        String index =
                indexAndMessage
                        .substring(0, at)
                        .replaceAll("first\"", FIRST + "\"")
                        .replaceAll("second\"", SECOND + "\"");
        Files.writeString(folder.resolve(SafetensorsFolder.INDEX_FILE), index);
        MalformedModelException e =
                assertThrows(MalformedModelException.class, () -> SafetensorsFolder.open(folder));
        assertTrue(e.getMessage().contains(folder.toString()), e::getMessage);
        assertTrue(e.getMessage().contains(indexAndMessage.substring(at + 3)), e::getMessage);
    }

    @Test
    void refusesShardsThatDoNotFit() throws IOException {
        writeShards(folder);
        Files.delete(folder.resolve(SECOND));
        assertThrows(IOException.class, () -> SafetensorsFolder.open(folder));
        write(folder.resolve(SECOND), "a", 2);
        assertMessage("both");
        Files.writeString(
                folder.resolve(SafetensorsFolder.INDEX_FILE),
                "{\"weight_map\":{\"a\":\"" + FIRST + "\"}}");
        write(folder.resolve(FIRST), "ab", 2);
        assertMessage("which does not hold it");
        Files.writeString(folder.resolve(SafetensorsFolder.INDEX_FILE), "{\"weight_map\":{}}");
        assertMessage("lists no tensors");
        Files.delete(folder.resolve(SafetensorsFolder.INDEX_FILE));
        assertThrows(IOException.class, () -> SafetensorsFolder.open(folder));
        assertThrows(IOException.class, () -> SafetensorsFolder.open(folder.resolve("none")));
    }

    @Test
    @DisabledOnOs(value = OS.WINDOWS, disabledReason = "links need a privilege there")
    void followsLinksOnlyAsTheHubsCacheHasThem() throws Exception {
        String hash = "0123456789abcdef0123456789abcdef01234567";
        Path repository = folder.resolve("models--owner--name");
        Path blobs = Files.createDirectories(repository.resolve("blobs"));
        Path snapshot = Files.createDirectories(repository.resolve("snapshots/main"));
        write(blobs.resolve(hash), "a", 1);
        write(folder.resolve("secret.safetensors"), "a", 1);
        Path model = snapshot.resolve(SafetensorsFolder.SINGLE_FILE);
        Files.createSymbolicLink(model, Path.of("../../blobs/" + hash));
        SafetensorsFolder.open(snapshot).close();
        Path linked = Files.createSymbolicLink(folder.resolve("linked"), snapshot);
        SafetensorsFolder.open(linked).close();
        relink(model, folder.resolve("secret.safetensors"));
        assertRefused(snapshot, "link out of the folder");
        relink(model, Path.of("../../../secret.safetensors"));
        assertRefused(snapshot, "link out of the folder");
        Files.copy(blobs.resolve(hash), blobs.resolve("not-a-hash"));
        relink(model, Path.of("../../blobs/not-a-hash"));
        assertRefused(snapshot, "link out of the folder");
        Files.copy(blobs.resolve(hash), snapshot.resolve("own.safetensors"));
        relink(model, Path.of("own.safetensors"));
        SafetensorsFolder.open(snapshot).close();
        relink(model, Path.of("/dev/null"));
        assertRefused(snapshot, "no regular file");
        relink(model, model.getFileName());
        assertThrows(IOException.class, () -> SafetensorsFolder.open(snapshot));
        relink(model, Path.of("nowhere"));
        assertThrows(IOException.class, () -> SafetensorsFolder.open(snapshot));
        // What the blobs of several repositories share lies beside the repositories.
        String shared = hash.substring(0, 24) + hash;
        Path store = Files.createDirectories(folder.resolve("blobs/01"));
        Files.copy(blobs.resolve(hash), store.resolve(shared));
        Files.createSymbolicLink(blobs.resolve(shared), Path.of("../../blobs/01/" + shared));
        relink(model, Path.of("../../blobs/" + shared));
        SafetensorsFolder.open(snapshot).close();
        // The same links beside folders of other names lead out.
        Path other = Files.createDirectories(repository.resolve("copies/main"));
        Files.createSymbolicLink(
                other.resolve(SafetensorsFolder.SINGLE_FILE), Path.of("../../blobs/" + hash));
        assertRefused(other, "link out of the folder");
    }

    @Test
    void namesTheFilesThatHoldTheTensors() throws Exception {
        writeShards(folder);
        assertEquals(List.of(SECOND, FIRST), SafetensorsFolder.fileNames(folder));
        Files.delete(folder.resolve(SECOND));
        assertEquals(List.of(SECOND, FIRST), SafetensorsFolder.fileNames(folder));
        write(folder.resolve(SafetensorsFolder.SINGLE_FILE), "a", 1);
        assertEquals(List.of(SafetensorsFolder.SINGLE_FILE), SafetensorsFolder.fileNames(folder));
        Files.delete(folder.resolve(SafetensorsFolder.SINGLE_FILE));
        for (String name : List.of("../x", "/x", "a/b", "..", "", "a\\\\b")) {
            Files.writeString(
                    folder.resolve(SafetensorsFolder.INDEX_FILE),
                    "{\"weight_map\": {\"a\": \"" + name + "\"}}");
            assertThrows(MalformedModelException.class, () -> SafetensorsFolder.fileNames(folder));
        }
    }

    private static void relink(Path link, Path target) throws IOException {
        Files.delete(link);
        Files.createSymbolicLink(link, target);
    }

    private void assertMessage(String part) {
        assertRefused(folder, part);
    }

    private static void assertRefused(Path folder, String part) {
        MalformedModelException e =
                assertThrows(MalformedModelException.class, () -> SafetensorsFolder.open(folder));
        assertTrue(e.getMessage().contains(part), e::getMessage);
    }

    private static void writeShards(Path folder) throws IOException {
        write(folder.resolve(FIRST), "a", 1);
        write(folder.resolve(SECOND), "b", 2);
        Files.writeString(folder.resolve(SafetensorsFolder.INDEX_FILE), INDEX);
    }

    /** Writes a file with one number. */
    private static void write(Path path, String name, float value) throws IOException {
        byte[] header =
                ("{\"" + name + "\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}")
                        .getBytes(StandardCharsets.UTF_8);
        ByteBuffer bytes =
                ByteBuffer.allocate(12 + header.length)
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .putLong(header.length)
                        .put(header)
                        .putFloat(value);
        Files.write(path, bytes.array());
    }
}
