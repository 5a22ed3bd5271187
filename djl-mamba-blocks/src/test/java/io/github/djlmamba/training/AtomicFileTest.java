/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.training;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

class AtomicFileTest {

    @TempDir private Path folder;

    @Test
    void replacesAFileAndRemovesWhatKilledWritesHaveLeft() throws IOException {
        Path file = folder.resolve("inner/run.bin");
        AtomicFile.write(file, out -> out.write("old".getBytes(StandardCharsets.UTF_8)));
        Files.writeString(folder.resolve("inner/run.bin.8126.part"), "half");
        Files.writeString(folder.resolve("inner/other.bin.8126.part"), "of another file");
        AtomicFile.write(file, out -> out.write("new".getBytes(StandardCharsets.UTF_8)));
        assertEquals("new", Files.readString(file));
        assertEquals(List.of("other.bin.8126.part", "run.bin"), names(folder.resolve("inner")));
    }

    @Test
    @DisabledOnOs(value = OS.WINDOWS, disabledReason = "has other permissions")
    void givesFilesThePermissionsOfOtherNewFiles() throws IOException {
        Path plain = Files.writeString(folder.resolve("plain.bin"), "plain");
        Path file = folder.resolve("run.bin");
        AtomicFile.write(file, out -> out.write(1));
        assertEquals(Files.getPosixFilePermissions(plain), Files.getPosixFilePermissions(file));
    }

    @Test
    void aFailedWriteLeavesTheOldFile() throws IOException {
        Path file = folder.resolve("run.bin");
        Files.writeString(file, "old");
        assertThrows(
                IOException.class,
                () ->
                        AtomicFile.write(
                                file,
                                out -> {
                                    out.write(new byte[3 << 20]);
                                    throw new IOException("the disk is full");
                                }));
        assertEquals("old", Files.readString(file));
        assertEquals(List.of("run.bin"), names(folder));
    }

    private static List<String> names(Path of) throws IOException {
        try (Stream<Path> files = Files.list(of)) {
            return files.map(path -> path.getFileName().toString()).sorted().toList();
        }
    }
}
