/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.github.djlmamba.zoo.safetensors.SafetensorsFile;
import io.github.djlmamba.zoo.safetensors.SafetensorsFolder;
import io.github.djlmamba.zoo.safetensors.SafetensorsWriter;
import io.github.djlmamba.zoo.safetensors.TensorEntry;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Runs the command on small models of the zoo's tests, which come with the expected results. */
class ForwardCommandTest {

    private static final Path FIXTURES =
            Path.of("../djl-hybrid-zoo/src/test/resources/io/github/djlmamba/zoo/huggingface");

    @TempDir private Path folder;
    private final StringWriter err = new StringWriter();
    private NDManager manager;

    @BeforeEach
    void open() {
        manager = NDManager.newBaseManager("PyTorch");
    }

    @AfterEach
    void close() {
        manager.close();
    }

    private int run(String... arguments) {
        return DjlMamba.run(new PrintWriter(new StringWriter()), new PrintWriter(err), arguments);
    }

    private int forward(String family, Path input, String... more) {
        String[] arguments = {
            "forward",
            "--model",
            FIXTURES.resolve(family).toString(),
            "--input",
            input.toString(),
            "--output",
            output().toString()
        };
        String[] all = new String[arguments.length + more.length];
        System.arraycopy(arguments, 0, all, 0, arguments.length);
        System.arraycopy(more, 0, all, arguments.length, more.length);
        return run(all);
    }

    private Path output() {
        return folder.resolve("output.safetensors");
    }

    @ParameterizedTest
    @ValueSource(strings = {"mamba", "jamba"})
    void resultsAreWrittenByTheCheckpointsOwnNames(String family) throws Exception {
        Path expectedFile = FIXTURES.resolve(family).resolve("expected.safetensors");
        assertEquals(
                0,
                forward(family, expectedFile, "--gradients", "--ops", "reference"),
                err::toString);
        try (SafetensorsFile expected = SafetensorsFile.open(expectedFile);
                SafetensorsFile actual = SafetensorsFile.open(output());
                SafetensorsFolder model = SafetensorsFolder.open(FIXTURES.resolve(family))) {
            Set<String> names = new HashSet<>(Set.of("logits", "loss"));
            for (TensorEntry entry : model.entries().values()) {
                String name = "grad." + entry.name();
                names.add(name);
                assertEquals(entry.shape(), actual.entry(name).shape(), name);
                if (expected.entries().containsKey(name)) {
                    NDArray gradient = expected.read(name, manager);
                    assertClose(gradient, actual.read(name, manager), relative(gradient));
                }
            }
            assertEquals(names, actual.entries().keySet());
            assertClose(expected.read("logits", manager), actual.read("logits", manager), 1e-4f);
            assertClose(expected.read("loss", manager), actual.read("loss", manager), 1e-5f);
        }
    }

    private static float relative(NDArray gradient) {
        return 1e-3f * gradient.abs().max().getFloat();
    }

    private static void assertClose(NDArray expected, NDArray actual, float tolerance) {
        assertEquals(expected.getShape(), actual.getShape());
        assertArrayEquals(expected.toFloatArray(), actual.toFloatArray(), tolerance);
    }

    @Test
    void withoutGradientsThereAreNone() throws Exception {
        Path input = FIXTURES.resolve("mamba2").resolve("expected.safetensors");
        assertEquals(0, forward("mamba2", input), err::toString);
        try (SafetensorsFile actual = SafetensorsFile.open(output())) {
            assertEquals(Set.of("logits", "loss"), actual.entries().keySet());
        }
    }

    @Test
    void mistakesAreOneLine() throws Exception {
        Path input = folder.resolve("input.safetensors");
        SafetensorsWriter.builder()
                .addTensor("ids", manager.zeros(new Shape(1, 4), DataType.INT64))
                .build()
                .write(input);
        assertFails("it holds ids", forward("mamba", input));
        SafetensorsWriter.builder()
                .addTensor("input_ids", manager.zeros(new Shape(4), DataType.INT64))
                .build()
                .write(input);
        assertFails("expected I64 of shape (B, L)", forward("mamba", input));
        SafetensorsWriter.builder()
                .addTensor("input_ids", manager.full(new Shape(1, 4), 128, DataType.INT64))
                .build()
                .write(input);
        assertFails("the id 128 is not in the vocabulary", forward("mamba", input));
        assertFails("no ops provider is named", forward("mamba", input, "--ops", "fast"));
        Files.writeString(folder.resolve("config.json"), "{}");
        assertFails(
                "\"model_type\" is missing",
                run(
                        "forward",
                        "--model",
                        folder.toString(),
                        "--input",
                        FIXTURES.resolve("mamba").resolve("expected.safetensors").toString(),
                        "--output",
                        output().toString()));
        assertFalse(Files.exists(output()));
    }

    private void assertFails(String expected, int code) {
        assertEquals(1, code);
        String message = err.toString();
        err.getBuffer().setLength(0);
        assertTrue(message.contains(expected), message);
        assertEquals(1, message.lines().count(), message);
    }
}
