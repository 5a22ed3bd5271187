/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.safetensors;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.github.djlmamba.ops.OpsProviders;
import io.github.djlmamba.ops.Precision;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Stores and fills arrays of bfloat16, which the native ops make and DJL has no name for. */
class Bfloat16ArraysTest {

    @TempDir private Path folder;

    @Test
    void areWrittenAndFilled() throws Exception {
        boolean works =
                OpsProviders.all().stream()
                        .anyMatch(
                                provider ->
                                        provider.name().equals("native")
                                                && provider.unavailableReason() == null);
        if (!"required".equals(System.getProperty("djlmamba.test.native"))) {
            assumeTrue(works, "there are no native ops here");
        }
        Path path = folder.resolve("bfloat16.safetensors");
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray floats =
                    manager.randomNormal(new Shape(3, ElementConversion.CHUNK))
                            .addi(manager.create(1e-3f));
            NDArray rounded = Precision.BFLOAT16.cast(floats);
            NDArray expected = Precision.FLOAT32.cast(rounded);
            SafetensorsWriter.builder()
                    .addTensor("array", rounded)
                    .addTensor("floats", floats, TensorType.BF16)
                    .addTensor("wide", floats)
                    .build()
                    .write(path);
            try (SafetensorsFile file = SafetensorsFile.open(path)) {
                assertEquals(TensorType.BF16, file.entry("array").type());
                // libtorch's rounding and ours are the same.
                assertEquals(expected, file.read("array", manager));
                assertEquals(expected, file.read("floats", manager));
                for (String name : new String[] {"array", "wide"}) {
                    NDArray target = Precision.BFLOAT16.cast(manager.zeros(floats.getShape()));
                    file.readInto(name, target);
                    assertEquals(DataType.UNKNOWN, target.getDataType());
                    assertEquals(expected, Precision.FLOAT32.cast(target));
                }
                NDArray transposed =
                        Precision.BFLOAT16.cast(
                                manager.zeros(new Shape(ElementConversion.CHUNK, 3)));
                IllegalArgumentException e =
                        assertThrows(
                                IllegalArgumentException.class,
                                () -> file.readInto("array", transposed.transpose()));
                assertTrue(e.getMessage().contains("must be contiguous"), e::getMessage);
            }
        }
    }
}
