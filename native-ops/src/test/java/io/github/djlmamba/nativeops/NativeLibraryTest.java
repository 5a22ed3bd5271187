/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.nativeops;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.engine.Engine;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the loader says where the library cannot be loaded, and how it extracts it. */
class NativeLibraryTest {

    private static final byte[] GARBAGE = "no library".getBytes(StandardCharsets.UTF_8);

    @TempDir private Path cache;

    @Test
    void aMissingLibraryIsNamedWithItsRemedy() {
        assertReason(
                NativeLibrary.load(name -> null, "linux-x86_64", cache), "classifier linux-x86_64");
    }

    @Test
    void anotherVersionOfLibtorchIsNamed() {
        NativeLibrary library = NativeLibrary.load(source("1.2.3", GARBAGE), "any", cache);
        assertReason(library, "built for libtorch 1.2.3 but " + runningVersion() + " runs");
        assertEquals("1.2.3", library.libtorchVersion());
    }

    @Test
    void aFileThatIsNoLibraryIsNamed() {
        assertReason(
                NativeLibrary.load(source(runningVersion(), GARBAGE), "any", cache),
                "does not link");
    }

    @Test
    void propertiesWithoutALibraryAreNamed() {
        assertReason(
                NativeLibrary.load(source(runningVersion(), null), "any", cache),
                "libdjlmamba.so is missing");
    }

    @Test
    void aCacheThatCannotBeWrittenIsNamedWithItsRemedy() throws IOException {
        Path file = Files.writeString(cache.resolve("file"), "in the way");
        assertReason(
                NativeLibrary.load(source(runningVersion(), GARBAGE), "any", file),
                "DJL_CACHE_DIR");
    }

    @Test
    void sourcesThatCannotBeReadAreNamed() {
        NativeLibrary.Source broken =
                name -> {
                    throw new IOException("torn jar");
                };
        assertReason(NativeLibrary.load(broken, "any", cache), "torn jar");
    }

    @Test
    void aDamagedFileInTheCacheIsReplaced() throws IOException {
        NativeLibrary.Source source = source(runningVersion(), GARBAGE);
        Path file = NativeLibrary.extract(source, cache);
        Files.writeString(file, "half");
        assertEquals(file, NativeLibrary.extract(source, cache));
        assertArrayEquals(GARBAGE, Files.readAllBytes(file));
    }

    @Test
    void severalMayExtractAtOnce() throws Exception {
        byte[] content = new byte[1 << 20];
        NativeLibrary.Source source = source(runningVersion(), content);
        ExecutorService threads = Executors.newFixedThreadPool(8);
        try {
            List<Callable<Path>> extractions =
                    IntStream.range(0, 8)
                            .<Callable<Path>>mapToObj(
                                    i -> () -> NativeLibrary.extract(source, cache))
                            .collect(Collectors.toList());
            for (Future<Path> file : threads.invokeAll(extractions)) {
                assertArrayEquals(content, Files.readAllBytes(file.get()));
            }
        } finally {
            threads.shutdownNow();
        }
        try (Stream<Path> files = Files.walk(cache).filter(Files::isRegularFile)) {
            assertEquals(1, files.count(), "no temporary file is left");
        }
    }

    private static String runningVersion() {
        Engine.getEngine("PyTorch");
        return ai.djl.pytorch.jni.LibUtils.getVersion();
    }

    private static NativeLibrary.Source source(String version, byte[] library) {
        byte[] properties = ("libtorch.version=" + version).getBytes(StandardCharsets.UTF_8);
        return name -> name.endsWith(".properties") ? stream(properties) : stream(library);
    }

    private static InputStream stream(byte[] content) {
        return content == null ? null : new ByteArrayInputStream(content);
    }

    private static void assertReason(NativeLibrary library, String part) {
        String reason = library.reason();
        assertTrue(reason != null && reason.contains(part), "reason: " + reason);
        assertEquals(1, reason.lines().count(), reason);
    }
}
