/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.safetensors;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Watches the peak of the process's resident memory while a file is read. */
@EnabledOnOs(value = OS.LINUX, disabledReason = "reads the resident memory from /proc")
class SafetensorsMemoryTest {

    private static final int TENSORS = 16;
    private static final Shape SHAPE = new Shape(1 << 10, 1 << 11);

    @TempDir private Path folder;

    @ParameterizedTest
    @EnumSource(names = {"F32", "BF16"})
    void readingNeedsLittleMoreThanTheArrays(TensorType type) throws Exception {
        Path path = folder.resolve("large.safetensors");
        SafetensorsWriter.Builder builder = SafetensorsWriter.builder();
        for (int i = 0; i < TENSORS; i++) {
            builder.addTensor("t" + i, type, SHAPE, scope -> scope.ones(SHAPE));
        }
        builder.build().write(path);
        System.gc();
        // This sets the peak to what is resident now.
        Path references = Path.of("/proc/self/clear_refs");
        assumeTrue(Files.isWritable(references), "the peak cannot be reset here");
        Files.writeString(references, "5");
        long before = status("VmRSS:");
        long arrays = TENSORS * SHAPE.size() * Float.BYTES;
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SafetensorsFile file = SafetensorsFile.open(path)) {
            for (String name : file.entries().keySet()) {
                file.read(name, manager);
            }
            long peak = status("VmHWM:") - before;
            assertTrue(
                    peak < 1.3 * arrays,
                    () -> (arrays >> 10) + " KiB of arrays took " + (peak >> 10) + " KiB");
        }
    }

    private static long status(String key) throws IOException {
        List<String> fields =
                Arrays.asList(Files.readString(Path.of("/proc/self/status")).split("\\s+"));
        return Long.parseLong(fields.get(fields.indexOf(key) + 1)) << 10;
    }
}
