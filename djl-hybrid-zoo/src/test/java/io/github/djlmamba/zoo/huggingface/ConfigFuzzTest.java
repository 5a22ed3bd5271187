/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.huggingface;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import ai.djl.MalformedModelException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import io.github.djlmamba.hybrid.LayerPattern;
import io.github.djlmamba.language.LanguageModel;
import io.github.djlmamba.zoo.safetensors.JsonMutations;
import io.github.djlmamba.zoo.safetensors.SafetensorsFolder;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Loads models by configurations with faults. Each either fails with a message that names the file,
 * leaving nothing in memory, or gives a model that runs.
 */
@Timeout(value = 10, unit = TimeUnit.MINUTES)
class ConfigFuzzTest {

    private static final int CASES = Boolean.getBoolean("djlmamba.test.long") ? 10_000 : 200;

    @TempDir private Path folder;

    /** Of the family that the public library does not have. */
    @TempDir private Path ownModel;

    @Test
    void faultyConfigurationsAreRefusedOrHarmless() throws Exception {
        Map<String, Integer> outcomes = new TreeMap<>();
        Map<String, Path> sources = sources();
        int first = 0;
        for (Map.Entry<String, Path> source : sources.entrySet()) {
            String file = SafetensorsFolder.SINGLE_FILE;
            Files.copy(
                    source.getValue().resolve(file),
                    folder.resolve(file),
                    StandardCopyOption.REPLACE_EXISTING);
            String json = Files.readString(source.getValue().resolve(ModelConfig.FILE));
            for (int i = first; i < CASES; i += sources.size()) {
                String mutated = JsonMutations.mutate(json, new SplittableRandom(77_000_003L + i));
                Files.write(
                        folder.resolve(ModelConfig.FILE), mutated.getBytes(StandardCharsets.UTF_8));
                outcomes.merge(outcome(source.getKey() + " " + i), 1, Integer::sum);
            }
            first++;
        }
        assertTrue(outcomes.get("refused") > CASES / 4, () -> "many are refused: " + outcomes);
        assertTrue(outcomes.get("loaded") > 0, () -> "some are harmless: " + outcomes);
    }

    /** A model of every family. */
    private Map<String, Path> sources() throws Exception {
        Map<String, Path> sources = new LinkedHashMap<>();
        for (String family : HuggingFaceFixture.FAMILIES) {
            sources.put(family, HuggingFaceFixture.of(family).folder());
        }
        ModelConfig hybrid =
                new Mamba2HybridSettings(
                                128, 16, LayerPattern.parse("M-M*-"), 16, 8, 4, 32, 6, 4, 8)
                        .config();
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            LanguageModel model = HuggingFaceCheckpoint.newModel(hybrid);
            model.initialize(manager, DataType.FLOAT32, new Shape(1, 1));
            HuggingFaceCheckpoint.of(hybrid, model).save(ownModel);
        }
        sources.put(Mamba2HybridSettings.MODEL_TYPE, ownModel);
        return sources;
    }

    private String outcome(String what) throws IOException {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            try {
                LanguageModel model = HuggingFaceCheckpoint.load(folder, manager).model();
                NDArray ids = manager.create(new long[] {1, 2, 0, 5, 4}, new Shape(1, 5));
                NDArray logits =
                        model.forward(new ParameterStore(manager, false), new NDList(ids), false)
                                .singletonOrThrow();
                assertEquals(new Shape(1, 5, 128), logits.getShape());
                return "loaded";
            } catch (MalformedModelException | IOException e) {
                String message = String.valueOf(e.getMessage());
                assertTrue(message.contains(folder.toString()), () -> what + ": " + message);
                assertEquals(1, message.lines().count(), () -> what + ": " + message);
                assertEquals(0, manager.getManagedArrays().size(), what);
                return "refused";
            }
        } catch (RuntimeException | StackOverflowError | OutOfMemoryError e) {
            String json = Files.readString(folder.resolve(ModelConfig.FILE));
            return fail(what + " gave no error for people: " + json, e);
        }
    }
}
