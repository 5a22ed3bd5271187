/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.huggingface;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.MalformedModelException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import io.github.djlmamba.attention.AttentionOptions;
import io.github.djlmamba.hybrid.HybridStackOptions;
import io.github.djlmamba.hybrid.LayerPattern;
import io.github.djlmamba.hybrid.LayerSymbol;
import io.github.djlmamba.language.LanguageModel;
import io.github.djlmamba.language.LanguageModelOptions;
import io.github.djlmamba.ssm.Mamba2Options;
import io.github.djlmamba.zoo.safetensors.SafetensorsFolder;
import io.github.djlmamba.zoo.safetensors.TensorType;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class Mamba2HybridFamilyTest {

    private static final Mamba2HybridSettings SMALL =
            new Mamba2HybridSettings(
                    50, 16, LayerPattern.allocate(12, 0.08, 0.5), 16, 8, 4, 32, 6, 4, 8);

    @TempDir private Path folder;

    @Test
    void theStudysModelIsItsTables() throws Exception {
        LanguageModelOptions options =
                HuggingFaceCheckpoint.newModel(Mamba2HybridSettings.STUDY.config()).options();
        HybridStackOptions stack = options.stack();
        assertEquals(24, stack.pattern().count(LayerSymbol.MAMBA));
        assertEquals(4, stack.pattern().count(LayerSymbol.ATTENTION));
        assertEquals(28, stack.pattern().count(LayerSymbol.MLP));
        AttentionOptions attention = (AttentionOptions) stack.mixers().get(LayerSymbol.ATTENTION);
        assertEquals(8, attention.keyValueHeads());
        assertNull(attention.rotary());
        assertEquals(0, stack.positions());
        Mamba2Options mamba2 = (Mamba2Options) stack.mixers().get(LayerSymbol.MAMBA);
        assertEquals(8, mamba2.groups());
        assertTrue(mamba2.groupedNorm());
        long parameters = 0;
        LanguageModel model = new LanguageModel(options);
        for (int i = 0; i < model.getParameters().size(); i++) {
            parameters += model.getParameters().valueAt(i).getShape().size();
        }
        assertEquals(8.66e9, parameters, 0.02e9);
    }

    @Test
    void aModelIsSavedAndLoadedByItsOwnConfiguration() throws Exception {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            LanguageModel model = HuggingFaceCheckpoint.newModel(SMALL.config());
            model.initialize(manager, DataType.FLOAT32, new Shape(1, 3));
            HuggingFaceCheckpoint.of(SMALL.config(), model).save(folder);
            HuggingFaceCheckpoint loaded = HuggingFaceCheckpoint.load(folder, manager);
            ParameterStore store = new ParameterStore(manager, false);
            NDArray ids = manager.create(new long[] {3, 1, 49, 7, 7, 0}, new Shape(2, 3));
            assertArrayEquals(
                    model.forward(store, new NDList(ids), false).get(0).toFloatArray(),
                    loaded.model().forward(store, new NDList(ids), false).get(0).toFloatArray());
            Path again = folder.resolve("again");
            loaded.save(again);
            try (SafetensorsFolder first = SafetensorsFolder.open(folder);
                    SafetensorsFolder second = SafetensorsFolder.open(again)) {
                assertEquals(first.entries(), second.entries());
                for (String name : first.entries().keySet()) {
                    assertEquals(first.read(name, manager), second.read(name, manager), name);
                }
                assertTrue(first.entries().containsKey("backbone.layers.0.mixer.A_log"));
            }
        }
    }

    @Test
    void matricesCanBeStoredInHalfTheBytes() throws Exception {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            LanguageModel model = HuggingFaceCheckpoint.newModel(SMALL.config());
            model.initialize(manager, DataType.FLOAT32, new Shape(1, 3));
            HuggingFaceCheckpoint whole = HuggingFaceCheckpoint.of(SMALL.config(), model);
            whole.withMatricesIn(TensorType.BF16).save(folder);
            Path float32 = folder.resolve("float32");
            whole.save(float32);
            try (SafetensorsFolder half = SafetensorsFolder.open(folder);
                    SafetensorsFolder full = SafetensorsFolder.open(float32)) {
                assertEquals(full.entries().keySet(), half.entries().keySet());
                for (String name : full.entries().keySet()) {
                    boolean matrix = full.entries().get(name).shape().dimension() >= 2;
                    assertEquals(
                            matrix ? TensorType.BF16 : TensorType.F32,
                            half.entries().get(name).type(),
                            name);
                    float[] expected = full.read(name, manager).toFloatArray();
                    float[] actual = half.read(name, manager).toFloatArray();
                    for (int i = 0; i < expected.length; i++) {
                        // Eight bits of precision, rounded to nearest.
                        double tolerance = matrix ? Math.abs(expected[i]) / 256 : 0;
                        assertEquals(expected[i], actual[i], tolerance, name);
                    }
                }
            }
            assertThrows(
                    IllegalArgumentException.class, () -> whole.withMatricesIn(TensorType.I64));
        }
    }

    @Test
    void sizesThatDoNotFitAreNamed() {
        assertMessage(
                "\"num_query_groups\" is 3",
                new Mamba2HybridSettings(50, 16, SMALL.pattern(), 16, 3, 4, 32, 6, 4, 8));
        assertMessage(
                "\"n_groups\" is 3",
                new Mamba2HybridSettings(50, 16, SMALL.pattern(), 16, 8, 4, 32, 6, 4, 3));
        assertMessage(
                "\"hybrid_override_pattern\" is \"ME\"",
                new Mamba2HybridSettings(50, 16, LayerPattern.parse("ME"), 16, 8, 4, 32, 6, 4, 8));
        assertMessage(
                "\"vocab_size\" is 0",
                new Mamba2HybridSettings(0, 16, SMALL.pattern(), 16, 8, 4, 32, 6, 4, 8));
    }

    private static void assertMessage(String expected, Mamba2HybridSettings settings) {
        String message =
                assertThrows(
                                MalformedModelException.class,
                                () -> HuggingFaceCheckpoint.newModel(settings.config()))
                        .getMessage();
        assertTrue(message.contains(expected), message);
    }
}
