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

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/** A file of more than 2^31 bytes, whose download breaks off beyond that place and goes on. */
class LargeDownloadTest {

    private static final long LENGTH = (1L << 31) + 123_457;
    private static final String FILE = "model.safetensors";

    @TempDir private Path folder;

    /** Bytes that follow from their place, so that none can be taken for another chunk's. */
    private record Pattern(long length) implements FakeHub.Content {

        @Override
        public void copy(long from, byte[] to, int count) {
            for (int i = 0; i < count; i++) {
                long at = from + i;
                to[i] = (byte) (at * 0x9E3779B1L >>> 24);
            }
        }
    }

    @Test
    @EnabledIfSystemProperty(
            named = "djlmamba.test.long",
            matches = "true",
            disabledReason = "takes 2 GiB of disk; runs under -Plong")
    void goesOnWhereItBrokeOff() throws IOException {
        HubReference reference = HubReference.parse("some_owner/large-model");
        Pattern content = new Pattern(LENGTH);
        byte[] config = "{}".getBytes(StandardCharsets.UTF_8);
        try (FakeHub server = new FakeHub()) {
            server.put(
                    "some_owner/large-model",
                    "main",
                    "0123456789abcdef0123456789abcdef01234567",
                    Map.of(FILE, content, "config.json", FakeHub.Content.of(config)));
            server.cutAfter = (1L << 31) + 54_321;
            server.cuts.set(1);
            HubSettings settings = server.settings(folder.resolve("hub"));
            Path snapshot = new HuggingFaceHub(settings).fetch(reference, null);
            Path file = snapshot.resolve(FILE);
            assertEquals(LENGTH, Files.size(file));
            String rest = "bytes=" + server.cutAfter + "-";
            assertEquals(
                    1,
                    server.requests().stream()
                            .filter(request -> !request.hub())
                            .filter(request -> rest.equals(request.header("Range")))
                            .count());
            byte[] expected = new byte[1 << 17];
            byte[] actual = new byte[expected.length];
            content.copy(LENGTH - expected.length, expected, expected.length);
            try (RandomAccessFile reader = new RandomAccessFile(file.toFile(), "r")) {
                reader.seek(LENGTH - actual.length);
                reader.readFully(actual);
            }
            assertArrayEquals(expected, actual);
        }
    }
}
