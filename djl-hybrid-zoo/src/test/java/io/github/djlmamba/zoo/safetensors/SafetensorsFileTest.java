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
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.github.djlmamba.zoo.huggingface.HuggingFaceFixture;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class SafetensorsFileTest {

    @TempDir private Path folder;

    static List<Path> fixtures() {
        List<Path> files = new ArrayList<>();
        for (String name : HuggingFaceFixture.FAMILIES) {
            files.add(HuggingFaceFixture.of(name).folder().resolve("model.safetensors"));
            files.add(HuggingFaceFixture.of(name).folder().resolve("expected.safetensors"));
        }
        return files;
    }

    @ParameterizedTest
    @MethodSource("fixtures")
    void readsWhatAnotherReaderReads(Path path) throws Exception {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SafetensorsFile file = SafetensorsFile.open(path);
                InputStream in = Files.newInputStream(path)) {
            NDList expected = NDList.decode(manager, in);
            assertEquals(expected.size(), file.entries().size());
            for (NDArray array : expected) {
                NDArray read = file.read(array.getName(), manager);
                assertEquals(array.getName(), read.getName());
                assertEquals(array.getShape(), read.getShape());
                assertEquals(array.getDataType(), read.getDataType());
                assertArrayEquals(array.toByteArray(), read.toByteArray());
            }
            boolean model = path.endsWith("model.safetensors");
            assertEquals(model ? Map.of("format", "pt") : Map.of(), file.metadata());
        }
    }

    @Test
    void readsEveryTypeAndShape() throws Exception {
        Path path =
                write(
                        "{\"i64\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},"
                                + "\"f64\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[8,16]},"
                                + "\"f32\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[16,24]},"
                                + "\"i32\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[24,28]},"
                                + "\"bf16\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[28,30]},"
                                + "\"f16\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[30,32]},"
                                + "\"none\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[32,32]},"
                                + "\"u8\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[32,34]},"
                                + "\"bool\":{\"dtype\":\"BOOL\",\"shape\":[2],\"data_offsets\":[34,36]}}",
                        data -> {
                            data.putLong(-5).putDouble(0.1).putFloat(1.5f).putFloat(-0f);
                            data.putInt(-7).putShort((short) 0x3fc0).putShort((short) 0xc400);
                            data.put((byte) 200).put((byte) 3).put((byte) 1).put((byte) 0);
                        });
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SafetensorsFile file = SafetensorsFile.open(path)) {
            assertEquals(
                    List.of("i64", "f64", "f32", "i32", "bf16", "f16", "none", "u8", "bool"),
                    List.copyOf(file.entries().keySet()));
            assertEquals(new Shape(), file.read("i64", manager).getShape());
            assertEquals(-5, file.read("i64", manager).getLong());
            assertEquals(0.1, file.read("f64", manager).getDouble(0));
            assertEquals(0.1f, file.read("f64", manager, DataType.FLOAT32).getFloat(0));
            assertArrayEquals(new float[] {1.5f, -0f}, file.read("f32", manager).toFloatArray());
            assertEquals(1.5, file.read("f32", manager, DataType.FLOAT64).getDouble(0, 0));
            assertEquals(-7, file.read("i32", manager).getInt(0));
            assertEquals(-7, file.read("i32", manager, DataType.INT64).getLong(0));
            assertEquals(DataType.FLOAT32, file.read("bf16", manager).getDataType());
            assertEquals(1.5f, file.read("bf16", manager).getFloat(0));
            assertEquals(1.5, file.read("bf16", manager, DataType.FLOAT64).getDouble(0));
            assertEquals(-4f, file.read("f16", manager).getFloat(0));
            NDArray half = file.read("f16", manager, DataType.FLOAT16);
            assertEquals(DataType.FLOAT16, half.getDataType());
            assertEquals(-4f, half.toType(DataType.FLOAT32, true).getFloat(0));
            assertEquals(new Shape(0, 7), file.read("none", manager).getShape());
            assertArrayEquals(new int[] {200, 3}, file.read("u8", manager).toUint8Array());
            assertArrayEquals(
                    new long[] {200, 3}, file.read("u8", manager, DataType.INT64).toLongArray());
            assertArrayEquals(
                    new boolean[] {true, false}, file.read("bool", manager).toBooleanArray());
        }
    }

    @Test
    void fillsViewsAndArraysThatAreNotContiguous() throws Exception {
        Path path =
                write(
                        "{\"x\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
                                + "\"y\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[24,36]}}",
                        data -> {
                            for (int i = 0; i < 9; i++) {
                                data.putFloat(i);
                            }
                        });
        float[] expected = {0, 1, 2, 3, 4, 5};
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SafetensorsFile file = SafetensorsFile.open(path)) {
            NDArray whole = manager.zeros(new Shape(4, 3));
            file.readInto("x", whole.get("1:3"));
            assertArrayEquals(
                    new float[] {0, 0, 0, 0, 1, 2, 3, 4, 5, 0, 0, 0}, whole.toFloatArray());
            NDArray transposed = manager.zeros(new Shape(3, 2));
            file.readInto("x", transposed.transpose());
            assertArrayEquals(new float[] {0, 3, 1, 4, 2, 5}, transposed.toFloatArray());
            NDArray column = manager.zeros(new Shape(3, 2));
            file.readInto("y", column.get(":,1"));
            assertArrayEquals(new float[] {0, 6, 0, 7, 0, 8}, column.toFloatArray());
            NDArray plain = manager.zeros(new Shape(2, 3));
            int before = manager.getManagedArrays().size();
            file.readInto("x", plain);
            assertArrayEquals(expected, plain.toFloatArray());
            assertEquals(before, manager.getManagedArrays().size());
        }
    }

    @Test
    void saysWhatDoesNotFit() throws Exception {
        Path path =
                write(
                        "{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
                        data -> data.putFloat(1).putFloat(2));
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SafetensorsFile file = SafetensorsFile.open(path)) {
            int before = manager.getManagedArrays().size();
            assertMessage("holds no tensor \"z\"; it holds x", () -> file.read("z", manager));
            assertMessage(
                    "which is not read as I64", () -> file.read("x", manager, DataType.INT64));
            assertMessage(
                    "Precision.BFLOAT16.cast", () -> file.read("x", manager, DataType.BFLOAT16));
            NDArray other = manager.zeros(new Shape(3));
            assertMessage("has shape (2)", () -> file.readInto("x", other));
            assertEquals(before + 1, manager.getManagedArrays().size());
        }
    }

    @Test
    void noticesAFileThatIsCutWhileItIsOpen() throws Exception {
        Path path =
                write(
                        "{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
                        data -> data.putFloat(1).putFloat(2));
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SafetensorsFile file = SafetensorsFile.open(path)) {
            byte[] bytes = Files.readAllBytes(path);
            Files.write(path, Arrays.copyOf(bytes, bytes.length - 1));
            int before = manager.getManagedArrays().size();
            IOException e = assertThrows(IOException.class, () -> file.read("x", manager));
            assertTrue(e.getMessage().contains("it was cut"), e::getMessage);
            assertEquals(before, manager.getManagedArrays().size());
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "[] | does not begin with {",
                " {} | does not begin with {",
                "{ | ends too early",
                "{} x | malformed JSON at line 1 column 5",
                "{\"x\":1} | it is no object",
                "{\"x\":{\"dtype\":\"F32\",\"shape\":[2]}} | has no data_offsets",
                "{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}} | not two numbers",
                "{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8,8]}} | more than 2",
                "{\"x\":{\"dtype\":\"F31\",\"shape\":[2],\"data_offsets\":[0,8]}} | F31 is not",
                "{\"x\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}} | whole number",
                "{\"x\":{\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]}} | whole number",
                "{\"x\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}} | expected 12",
                "{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}} | expected 8",
                "{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}} | ends at byte 12",
                "{\"x\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]}} | after a hole",
                "{\"x\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}} | tensors take 2",
                "{\"x\":{\"dtype\":\"F32\",\"shape\":[9223372036854775808],\"data_offsets\":[0,8]}}"
                        + " | whole number",
                "{\"x\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}"
                        + " | more elements than",
                "{\"x\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4,0],"
                        + "\"data_offsets\":[0,0]}} | more elements than",
                "{\"x\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":"
                        + "[9223372036854775800,9223372036854775807]}} | expected 8",
                "{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
                        + "\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}} | twice",
                "{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"shape\":[2],\"data_offsets\":[0,8]}}"
                        + " | twice",
                "{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
                        + "\"y\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}"
                        + " | overlaps x",
                "{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"y\":0}} | member y",
                "{\"__metadata__\":{\"a\":1}} | expected a string",
                "{\"__metadata__\":{\"a\":\"b\",\"a\":\"b\"}} | twice",
                "{\"\\ud800\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}} | half of a",
                "{'x':{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}} | malformed JSON at line 1",
                "{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},} | Expected name"
            })
    void refusesInvalidHeaders(String headerAndMessage) throws IOException {
        int at = headerAndMessage.lastIndexOf(" | ");
        Path path = write(headerAndMessage.substring(0, at), data -> data.putLong(1));
        MalformedModelException e =
                assertThrows(MalformedModelException.class, () -> SafetensorsFile.open(path));
        assertTrue(e.getMessage().startsWith(path.toString()), e::getMessage);
        assertTrue(e.getMessage().contains(headerAndMessage.substring(at + 3)), e::getMessage);
    }

    @Test
    void refusesWhatIsNoFileOrTooShort() throws IOException {
        assertThrows(IOException.class, () -> SafetensorsFile.open(folder.resolve("none")));
        assertThrows(IOException.class, () -> SafetensorsFile.open(folder));
        Path path = folder.resolve("short");
        for (byte[] bytes :
                List.of(
                        new byte[0],
                        new byte[7],
                        new byte[8],
                        new byte[] {3, 0, 0, 0, 0, 0, 0, 0, '{', '}'},
                        new byte[] {2, 0, 0, 0, 0, 0, 0, -128, '{', '}'},
                        new byte[] {2, 0, 0, 0, 0, 0, 0, 0, (byte) 0xff, '}'})) {
            Files.write(path, bytes);
            assertThrows(MalformedModelException.class, () -> SafetensorsFile.open(path));
        }
        Files.write(path, new byte[] {3, 0, 0, 0, 0, 0, 0, 0, '{', '}', ' '});
        assertTrue(entries(path).isEmpty());
    }

    private static Map<String, TensorEntry> entries(Path path) throws IOException {
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            return file.entries();
        } catch (MalformedModelException e) {
            throw new AssertionError(e);
        }
    }

    private static void assertMessage(String part, Executable action) {
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, action);
        assertTrue(e.getMessage().contains(part), e::getMessage);
    }

    /** Writes a file of a header and data, of which there may be at most 64 bytes. */
    private Path write(String header, Consumer<ByteBuffer> data) throws IOException {
        byte[] json = header.getBytes(StandardCharsets.UTF_8);
        ByteBuffer bytes = ByteBuffer.allocate(72 + json.length).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putLong(json.length).put(json);
        data.accept(bytes);
        Path path = folder.resolve("file.safetensors");
        Files.write(path, Arrays.copyOf(bytes.array(), bytes.position()));
        return path;
    }
}
