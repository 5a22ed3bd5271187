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
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import ai.djl.MalformedModelException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/**
 * Opens and reads folders with faults. Each either fails with a message that names the file, or
 * gives what its files say, which is found out by another way; and nothing from outside.
 */
@DisabledOnOs(value = OS.WINDOWS, disabledReason = "links need a privilege there")
@Timeout(value = 10, unit = TimeUnit.MINUTES)
class SafetensorsFuzzTest {

    private static final int CASES = Boolean.getBoolean("djlmamba.test.long") ? 10_000 : 200;

    /** The number that only the file outside of the folder holds. */
    private static final float SECRET = 8642.5f;

    @TempDir private Path parent;
    private NDManager manager;
    private Path folder;

    @BeforeEach
    void openManager() throws IOException {
        manager = NDManager.newBaseManager("PyTorch");
        folder = parent.resolve("folder");
        SafetensorsWriter.Builder outside = SafetensorsWriter.builder();
        for (String name : new String[] {"a", "b", "c", "d"}) {
            outside.addTensor(name, manager.full(new Shape(4), SECRET, DataType.FLOAT32));
        }
        outside.build().write(parent.resolve(ModelFolderMutations.OUTSIDE));
    }

    @AfterEach
    void closeManager() {
        manager.close();
    }

    @Test
    void oneFile() throws IOException {
        fuzz(Long.MAX_VALUE, 1);
    }

    @Test
    void shards() throws IOException {
        fuzz(40, 2);
    }

    private void fuzz(long maxShardBytes, long seed) throws IOException {
        Path source = parent.resolve("source");
        NDArray floats = manager.arange(0, 6, 1, DataType.FLOAT32).reshape(2, 3);
        SafetensorsWriter.builder()
                .addTensor("a", floats)
                .addTensor("b", manager.create(new long[] {1, -2, 3}))
                .addTensor("c", floats, TensorType.BF16)
                .addTensor("d", floats.get("1"), TensorType.F16)
                .addTensor("e", floats.flatten().get("2:4"), TensorType.F64)
                .addTensor("f", manager.create(new int[] {5, 6}))
                .addTensor("g", manager.create(new boolean[] {true, false}))
                .addTensor("h", manager.create(new byte[] {1, 2}).toType(DataType.UINT8, false))
                .addTensor("none", manager.create(new Shape(0, 2)))
                .addTensor("scalar", manager.create(2.5f))
                .optMaxShardBytes(maxShardBytes)
                .build()
                .writeFolder(source);
        Map<String, Integer> outcomes = new TreeMap<>();
        for (int i = 0; i < CASES / 2; i++) {
            SplittableRandom random = new SplittableRandom(seed * 1_000_003 + i);
            String what = ModelFolderMutations.mutate(source, folder, random);
            outcomes.merge(outcome(i + ": " + what), 1, Integer::sum);
        }
        assertTrue(outcomes.get("refused") > CASES / 4, () -> "most are refused: " + outcomes);
        assertTrue(outcomes.get("read") > 0, () -> "some are harmless: " + outcomes);
    }

    /** Opens and reads the folder, and checks what comes of it. */
    private String outcome(String what) {
        int arrays = manager.getManagedArrays().size();
        try (SafetensorsFolder opened = SafetensorsFolder.open(folder);
                NDManager scope = manager.newSubManager()) {
            for (String name : opened.entries().keySet()) {
                checkTensor(opened, name, scope, what);
            }
            return "read";
        } catch (MalformedModelException | IOException e) {
            String message = String.valueOf(e.getMessage());
            assertTrue(message.contains(folder.toString()), () -> what + " gave " + message);
            assertTrue(message.length() > folder.toString().length() + 10, what);
            assertTrue(message.length() < 2000, what);
            assertEquals(arrays, manager.getManagedArrays().size(), what);
            return "refused";
        } catch (RuntimeException | StackOverflowError | OutOfMemoryError e) {
            return fail(what + " gave no error for people", e);
        }
    }

    /** Compares a tensor with the bytes that the file's own header gives for it. */
    private void checkTensor(SafetensorsFolder opened, String name, NDManager scope, String what)
            throws IOException {
        byte[] file = Files.readAllBytes(holder(name));
        ByteBuffer bytes = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
        int length = (int) bytes.getLong();
        JsonObject entry =
                JsonParser.parseString(new String(file, 8, length, StandardCharsets.UTF_8))
                        .getAsJsonObject()
                        .getAsJsonObject(name);
        JsonArray offsets = entry.getAsJsonArray("data_offsets");
        int start = 8 + length + offsets.get(0).getAsInt();
        int end = 8 + length + offsets.get(1).getAsInt();
        byte[] expected = Arrays.copyOfRange(file, start, end);
        long size = 1;
        for (JsonElement axis : entry.getAsJsonArray("shape")) {
            size *= axis.getAsLong();
        }
        String type = entry.get("dtype").getAsString();
        NDArray read =
                type.equals("F16")
                        ? opened.read(name, scope, DataType.FLOAT16)
                        : opened.read(name, scope);
        assertEquals(size, read.size(), what);
        byte[] given = read.toByteArray();
        if (type.equals("BF16")) {
            byte[] upper = new byte[expected.length];
            for (int i = 0; i < upper.length; i++) {
                upper[i] = given[i / 2 * 4 + 2 + i % 2];
            }
            given = upper;
        }
        assertArrayEquals(expected, given, what);
        if (type.equals("F32")) {
            for (float value : read.toFloatArray()) {
                assertTrue(value != SECRET, () -> what + " read from outside of the folder");
            }
        }
    }

    private Path holder(String name) throws IOException {
        Path single = folder.resolve(SafetensorsFolder.SINGLE_FILE);
        if (Files.exists(single)) {
            return single;
        }
        String index = Files.readString(folder.resolve(SafetensorsFolder.INDEX_FILE));
        JsonObject weightMap =
                JsonParser.parseString(index).getAsJsonObject().getAsJsonObject("weight_map");
        return folder.resolve(weightMap.get(name).getAsString());
    }
}
