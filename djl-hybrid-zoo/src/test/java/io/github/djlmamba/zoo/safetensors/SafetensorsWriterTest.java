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
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.util.NativeResource;
import io.github.djlmamba.zoo.huggingface.HuggingFaceFixture;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class SafetensorsWriterTest {

    private static final List<Shape> SHAPES =
            List.of(
                    new Shape(),
                    new Shape(0),
                    new Shape(3, 0, 2),
                    new Shape(1),
                    new Shape(7, 5),
                    new Shape(2, 1, 3, 1),
                    new Shape(3, ElementConversion.CHUNK - 1));

    @TempDir private Path folder;
    private NDManager manager;

    @BeforeEach
    void openManager() {
        manager = NDManager.newBaseManager("PyTorch");
    }

    @AfterEach
    void closeManager() {
        manager.close();
    }

    static List<String> fixtures() {
        return HuggingFaceFixture.FAMILIES;
    }

    @ParameterizedTest
    @MethodSource("fixtures")
    void writesTheSameFileAgain(String name) throws Exception {
        for (String part : List.of("model.safetensors", "expected.safetensors")) {
            Path original = HuggingFaceFixture.of(name).folder().resolve(part);
            Path written = folder.resolve(part);
            SafetensorsWriter.Builder builder = SafetensorsWriter.builder();
            try (SafetensorsFile file = SafetensorsFile.open(original)) {
                List<String> names = new ArrayList<>(file.entries().keySet());
                Collections.reverse(names);
                for (String tensor : names) {
                    TensorEntry entry = file.entry(tensor);
                    builder.addTensor(
                            tensor, entry.type(), entry.shape(), scope -> file.read(tensor, scope));
                }
                builder.optMetadata(file.metadata()).build().write(written);
            }
            assertArrayEquals(Files.readAllBytes(original), Files.readAllBytes(written));
        }
    }

    @ParameterizedTest
    @EnumSource
    void writesAndReadsEveryTypeAndShape(TensorType type) throws Exception {
        Path path = folder.resolve("types.safetensors");
        SafetensorsWriter.Builder builder = SafetensorsWriter.builder();
        for (Shape shape : SHAPES) {
            builder.addTensor("t" + shape, sample(shape, type), type);
        }
        builder.build().write(path);
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            assertEquals(Map.of("format", "pt"), file.metadata());
            assertEquals(SHAPES.size(), file.entries().size());
            for (Shape shape : SHAPES) {
                NDArray read = file.read("t" + shape, manager);
                assertEquals(type, file.entry("t" + shape).type());
                assertEquals(shape, read.getShape());
                // The samples are numbers that every floating type holds.
                NDArray expected = sample(shape, type).toType(type.dataType(), false);
                assertArrayEquals(expected.toByteArray(), read.toByteArray());
            }
        }
    }

    @Test
    void anotherReaderReadsIt() throws Exception {
        Path path = folder.resolve("other.safetensors");
        NDArray floats = manager.randomNormal(new Shape(5, 3));
        NDArray longs = manager.arange(0, 7, 1, DataType.INT64);
        NDArray halves = sample(new Shape(4), TensorType.F16);
        SafetensorsWriter.builder()
                .addTensor("floats", floats)
                .addTensor("a \"name\"\n\u00e9\ud83d\ude00", longs)
                .addTensor("halves", halves, TensorType.F16)
                .optMetadata(Map.of("key \u00e9", "<value>"))
                .build()
                .write(path);
        try (InputStream in = Files.newInputStream(path)) {
            NDList list = NDList.decode(manager, in);
            assertEquals(floats, list.get("floats"));
            assertEquals(longs, list.get("a \"name\"\n\u00e9\ud83d\ude00"));
            assertEquals(DataType.FLOAT16, list.get("halves").getDataType());
            assertEquals(halves, list.get("halves").toType(DataType.FLOAT32, true));
        }
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            assertEquals(Map.of("key \u00e9", "<value>"), file.metadata());
            assertEquals(
                    "a \"name\"\n\u00e9\ud83d\ude00", file.entries().keySet().iterator().next());
        }
    }

    @Test
    void roundsToTheTypeThatIsStored() throws Exception {
        Path path = folder.resolve("rounded.safetensors");
        int count = 3 * ElementConversion.CHUNK + 5;
        NDArray floats = manager.randomNormal(new Shape(count)).mul(100);
        NDArray doubles = floats.toType(DataType.FLOAT64, true).div(3);
        SafetensorsWriter.builder()
                .addTensor("f16", floats, TensorType.F16)
                .addTensor("bf16", floats, TensorType.BF16)
                .addTensor("f32", doubles, TensorType.F32)
                .addTensor("d16", doubles, TensorType.F16)
                .build()
                .write(path);
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            // libtorch rounds float32 to float16, too; for bfloat16 there is the plain loop.
            assertEquals(
                    floats.toType(DataType.FLOAT16, true).toType(DataType.FLOAT32, true),
                    file.read("f16", manager));
            assertEquals(doubles.toType(DataType.FLOAT32, true), file.read("f32", manager));
            float[] given = floats.toFloatArray();
            float[] rounded = file.read("bf16", manager).toFloatArray();
            double[] wide = doubles.toDoubleArray();
            float[] fromDouble = file.read("d16", manager).toFloatArray();
            for (int i = 0; i < count; i++) {
                double error = Math.abs(rounded[i] - given[i]);
                assertTrue(error <= Math.abs(given[i]) / 256, "bfloat16 of " + given[i]);
                assertEquals(0, Float.floatToRawIntBits(rounded[i]) & 0xffff);
                assertEquals(wide[i], fromDouble[i], Math.abs(wide[i]) / 2048 + 0x1p-25);
            }
        }
    }

    @Test
    void writesViewsAndAsksForOneArrayAtATime() throws Exception {
        Path path = folder.resolve("views.safetensors");
        NDArray matrix = manager.arange(0, 6, 1, DataType.FLOAT32).reshape(2, 3);
        List<NDArray> given = new ArrayList<>();
        SafetensorsWriter.ArraySupplier supplier =
                scope -> {
                    given.forEach(array -> assertTrue(((NativeResource<?>) array).isReleased()));
                    given.add(scope.ones(new Shape(2)));
                    return given.get(given.size() - 1);
                };
        int before = manager.getManagedArrays().size();
        SafetensorsWriter.builder()
                .addTensor("transposed", matrix.transpose())
                .addTensor("column", matrix.get(":,1"))
                .addTensor("first", TensorType.F32, new Shape(2), supplier)
                .addTensor("second", TensorType.BF16, new Shape(2), supplier)
                .build()
                .write(path);
        assertEquals(before + 2, manager.getManagedArrays().size());
        assertEquals(2, given.size());
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            assertEquals(
                    List.of("column", "first", "transposed", "second"),
                    List.copyOf(file.entries().keySet()));
            assertEquals(matrix.transpose(), file.read("transposed", manager));
            assertEquals(matrix.get(":,1"), file.read("column", manager));
            assertEquals(manager.ones(new Shape(2)), file.read("second", manager));
        }
    }

    @Test
    @EnabledIfSystemProperty(
            named = "djlmamba.test.long",
            matches = "true",
            disabledReason = "needs a gigabyte of memory and of the disk")
    void arraysOfSeveralPiecesAreWhole() throws Exception {
        Path path = folder.resolve("large.safetensors");
        int size = (1 << 28) + 5;
        try (NDArray large = manager.arange(0, size, 1, DataType.INT32)) {
            SafetensorsWriter.builder().addTensor("large", large).build().write(path);
            try (SafetensorsFile file = SafetensorsFile.open(path);
                    NDArray read = file.read("large", manager)) {
                assertEquals(large, read);
            }
        }
    }

    @Test
    void writesShardsWithAnIndex() throws Exception {
        Path model = folder.resolve("sharded");
        SafetensorsWriter.Builder builder = SafetensorsWriter.builder().optMaxShardBytes(100);
        for (String name : List.of("d", "b", "a", "c")) {
            builder.addTensor(name, manager.full(new Shape(10), name.charAt(0), DataType.FLOAT32));
        }
        builder.addTensor("large", manager.ones(new Shape(1000)));
        builder.addTensor("none", manager.create(new Shape(0)));
        builder.build().writeFolder(model);
        try (Stream<Path> files = Files.list(model)) {
            assertEquals(
                    List.of(
                            "model-00001-of-00004.safetensors",
                            "model-00002-of-00004.safetensors",
                            "model-00003-of-00004.safetensors",
                            "model-00004-of-00004.safetensors",
                            SafetensorsFolder.INDEX_FILE),
                    files.map(file -> file.getFileName().toString()).sorted().toList());
        }
        String index = Files.readString(model.resolve(SafetensorsFolder.INDEX_FILE));
        assertTrue(index.contains("\"total_size\": 4160"), index);
        try (SafetensorsFolder source = SafetensorsFolder.open(model)) {
            assertEquals(
                    List.of("a", "b", "c", "d", "large", "none"),
                    List.copyOf(source.entries().keySet()));
            assertEquals(Map.of("format", "pt"), source.metadata());
            assertEquals('c', source.read("c", manager).getFloat(9));
            assertEquals(1000, source.read("large", manager).sum().getFloat());
        }
        FileAlreadyExistsException e =
                assertThrows(
                        FileAlreadyExistsException.class, () -> builder.build().writeFolder(model));
        assertTrue(e.getMessage().contains("choose a folder without a model"), e::getMessage);
    }

    @Test
    void replacesAModelOfOneFile() throws Exception {
        SafetensorsWriter.builder()
                .addTensor("a", manager.zeros(new Shape(2)))
                .build()
                .writeFolder(folder);
        SafetensorsWriter.builder()
                .addTensor("b", manager.ones(new Shape(2)))
                .build()
                .writeFolder(folder);
        try (SafetensorsFolder source = SafetensorsFolder.open(folder)) {
            assertEquals(List.of("b"), List.copyOf(source.entries().keySet()));
        }
        SafetensorsWriter sharded =
                SafetensorsWriter.builder()
                        .addTensor("c", manager.ones(new Shape(2)))
                        .addTensor("d", manager.ones(new Shape(2)))
                        .optMaxShardBytes(8)
                        .build();
        assertThrows(FileAlreadyExistsException.class, () -> sharded.writeFolder(folder));
        assertFalse(Files.exists(folder.resolve("model-00001-of-00002.safetensors")));
    }

    @Test
    void aFailureLeavesTheOldFile() throws IOException {
        Path path = folder.resolve("old.safetensors");
        SafetensorsWriter.builder().addTensor("a", manager.zeros(new Shape(2))).build().write(path);
        byte[] before = Files.readAllBytes(path);
        SafetensorsWriter wrongShape =
                SafetensorsWriter.builder()
                        .addTensor(
                                "a",
                                TensorType.F32,
                                new Shape(3),
                                scope -> scope.ones(new Shape(2)))
                        .build();
        IllegalArgumentException e =
                assertThrows(IllegalArgumentException.class, () -> wrongShape.write(path));
        assertTrue(e.getMessage().contains("announced was (3)"), e::getMessage);
        assertArrayEquals(before, Files.readAllBytes(path));
        try (Stream<Path> files = Files.list(folder)) {
            assertEquals(1, files.count());
        }
    }

    @Test
    void saysWhatCannotBeWritten() {
        SafetensorsWriter.Builder builder = SafetensorsWriter.builder();
        NDArray floats = manager.ones(new Shape(2));
        builder.addTensor("a", floats);
        refused("two tensors named a", () -> builder.addTensor("a", floats));
        refused("__metadata__", () -> builder.addTensor("__metadata__", floats));
        refused("half of a character", () -> builder.addTensor("\ud800", floats));
        refused("not written as I64", () -> builder.addTensor("b", floats, TensorType.I64));
        builder.addTensor("b", floats);
        refused("has no name", () -> builder.addTensors(new NDList(manager.ones(new Shape(1)))));
        refused("bytes at most", () -> builder.optMaxShardBytes(0));
        refused(
                "more elements",
                () ->
                        builder.addTensor(
                                "c",
                                TensorType.F32,
                                new Shape(Long.MAX_VALUE, 2),
                                scope -> floats));
        NDArray bytes = manager.create(new byte[2]);
        refused("int8", () -> builder.addTensor("d", bytes));
    }

    private static void refused(String part, Executable action) {
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, action);
        assertTrue(e.getMessage().contains(part), e::getMessage);
    }

    /** Small whole numbers, which each type holds. */
    private NDArray sample(Shape shape, TensorType type) {
        int size = (int) shape.size();
        ByteBuffer values = manager.allocateDirect(size * type.dataType().getNumOfBytes());
        for (int i = 0; i < size; i++) {
            int value = (int) ((i * 2654435761L >>> 7) % 100);
            switch (type) {
                case I64 -> values.putLong(value - 50);
                case I32 -> values.putInt(value - 50);
                case U8 -> values.put((byte) (value + 120));
                case BOOL -> values.put((byte) (value % 2));
                case F64 -> values.putDouble(value - 50);
                default -> values.putFloat(value - 50);
            }
        }
        return manager.create(values.rewind(), shape, type.dataType());
    }
}
