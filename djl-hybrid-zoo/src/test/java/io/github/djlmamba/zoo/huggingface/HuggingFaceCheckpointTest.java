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
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.MalformedModelException;
import ai.djl.Model;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import io.github.djlmamba.language.LanguageModel;
import io.github.djlmamba.zoo.safetensors.SafetensorsFolder;
import io.github.djlmamba.zoo.safetensors.SafetensorsWriter;
import io.github.djlmamba.zoo.safetensors.TensorEntry;
import io.github.djlmamba.zoo.safetensors.TensorType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class HuggingFaceCheckpointTest {

    private static final String NORM = "backbone.layers.1.norm.weight";

    @TempDir private Path folder;
    private NDManager manager;

    @BeforeEach
    void open() {
        manager = NDManager.newBaseManager("PyTorch");
    }

    @AfterEach
    void close() {
        manager.close();
    }

    /** Writes a fixture's tensors with changes: null removes a tensor, others are added. */
    private void write(String family, Map<String, NDArray> changes) throws Exception {
        HuggingFaceFixture fixture = HuggingFaceFixture.of(family);
        SafetensorsWriter.Builder writer = SafetensorsWriter.builder();
        try (SafetensorsFolder source = SafetensorsFolder.open(fixture.folder())) {
            for (String name : source.entries().keySet()) {
                if (!changes.containsKey(name)) {
                    writer.addTensor(name, source.read(name, manager));
                }
            }
        }
        changes.forEach(
                (name, array) -> {
                    if (array.getShape().dimension() > 0) {
                        writer.addTensor(name, array);
                    }
                });
        writer.build().writeFolder(folder);
        Files.copy(fixture.folder().resolve(ModelConfig.FILE), folder.resolve(ModelConfig.FILE));
    }

    private NDArray removed() {
        return manager.create(0f);
    }

    private String refused() {
        int arrays = manager.getManagedArrays().size();
        String message =
                assertThrows(
                                MalformedModelException.class,
                                () -> HuggingFaceCheckpoint.load(folder, manager))
                        .getMessage();
        assertEquals(arrays, manager.getManagedArrays().size(), "no part of the model remains");
        assertEquals(1, message.lines().count());
        return message;
    }

    @Test
    void everyTensorThatDoesNotFitIsNamed() throws Exception {
        write(
                "mamba",
                Map.of(
                        "backbone.layers.0.mixer.D",
                        removed(),
                        "backbone.layers.2.mixer.A_log",
                        removed(),
                        NORM,
                        manager.ones(new Shape(31)),
                        "backbone.norm_f.weight",
                        manager.ones(new Shape(32), DataType.INT64),
                        "backbone.layers.3.norm.weight",
                        manager.ones(new Shape(32))));
        String message = refused();
        assertTrue(message.contains("missing backbone.layers.0.mixer.D of shape (64)"), message);
        assertTrue(message.contains("missing backbone.layers.2.mixer.A_log"), message);
        assertTrue(message.contains(NORM + ", which is F32 of shape (31)"), message);
        assertTrue(message.contains("backbone.norm_f.weight, which is I64"), message);
        assertTrue(message.contains("unexpected backbone.layers.3.norm.weight"), message);
    }

    @Test
    void theNamesOfTheAuthorsOwnCodeAreReadAndKept() throws Exception {
        NDArray table = read("mamba", "backbone.embeddings.weight");
        write(
                "mamba",
                Map.of(
                        "backbone.embeddings.weight",
                        removed(),
                        "backbone.embedding.weight",
                        table));
        HuggingFaceCheckpoint checkpoint = HuggingFaceCheckpoint.load(folder, manager);
        assertEquals("backbone.embedding.weight", checkpoint.tensors().get(0).name());
        assertEquals(table, checkpoint.tensors().get(0).parameter().getArray());
    }

    @Test
    void aStoredCopyOfATiedHeadIsCheckedAndKept() throws Exception {
        NDArray table = read("mamba", "backbone.embeddings.weight");
        write("mamba", Map.of("lm_head.weight", table));
        HuggingFaceCheckpoint checkpoint = HuggingFaceCheckpoint.load(folder, manager);
        Path again = folder.resolve("again");
        checkpoint.save(again);
        try (SafetensorsFolder saved = SafetensorsFolder.open(again)) {
            assertEquals(table, saved.read("lm_head.weight", manager));
        }
        assertEquals(
                Files.readString(folder.resolve(ModelConfig.FILE)),
                Files.readString(again.resolve(ModelConfig.FILE)));
    }

    @Test
    void aHeadThatIsNotTheEmbeddingItIsTiedToIsRefused() throws Exception {
        NDArray table = read("mamba", "backbone.embeddings.weight").add(1);
        write("mamba", Map.of("lm_head.weight", table));
        String message = refused();
        assertTrue(message.contains("lm_head.weight differs"), message);
    }

    private NDArray read(String family, String name) throws Exception {
        try (SafetensorsFolder source =
                SafetensorsFolder.open(HuggingFaceFixture.of(family).folder())) {
            return source.read(name, manager);
        }
    }

    @Test
    void halfPrecisionIsWidenedAndStoredAgain() throws Exception {
        HuggingFaceFixture fixture = HuggingFaceFixture.of("bamba");
        SafetensorsWriter.Builder writer = SafetensorsWriter.builder();
        try (SafetensorsFolder source = SafetensorsFolder.open(fixture.folder())) {
            for (TensorEntry entry : source.entries().values()) {
                TensorType type = entry.name().contains("norm") ? TensorType.F16 : TensorType.BF16;
                writer.addTensor(entry.name(), source.read(entry.name(), manager), type);
            }
        }
        writer.build().writeFolder(folder);
        Files.copy(fixture.folder().resolve(ModelConfig.FILE), folder.resolve(ModelConfig.FILE));
        HuggingFaceCheckpoint checkpoint = HuggingFaceCheckpoint.load(folder, manager);
        for (StoredTensor tensor : checkpoint.tensors()) {
            assertEquals(DataType.FLOAT32, tensor.parameter().getArray().getDataType());
        }
        checkpoint.save(folder.resolve("again"));
        assertArrayEquals(
                Files.readAllBytes(folder.resolve(SafetensorsFolder.SINGLE_FILE)),
                Files.readAllBytes(folder.resolve("again").resolve(SafetensorsFolder.SINGLE_FILE)));
    }

    @Test
    void aFactoryLoadsTheModelForDjl() throws Exception {
        HuggingFaceFixture fixture = HuggingFaceFixture.of("jamba");
        try (Model model = Model.newInstance("model", "PyTorch")) {
            LanguageModel block =
                    (LanguageModel)
                            new LanguageModelBlockFactory()
                                    .newBlock(model, fixture.folder(), Map.of());
            assertTrue(block.isInitialized());
            assertFalse(block.getParameters().valueAt(0).requiresGradient());
            NDArray ids = model.getNDManager().create(new long[] {1, 2, 3}, new Shape(1, 3));
            ParameterStore store = new ParameterStore(model.getNDManager(), false);
            NDArray logits = block.forward(store, new NDList(ids), false).singletonOrThrow();
            assertEquals(new Shape(1, 3, 128), logits.getShape());
        }
        assertThrows(
                IOException.class,
                () -> {
                    try (Model model = Model.newInstance("model", "PyTorch")) {
                        new LanguageModelBlockFactory().newBlock(model, folder, Map.of());
                    }
                });
    }

    @Test
    void aNewModelOfAConfigurationIsSavedAndLoaded() throws Exception {
        ModelConfig config = ModelConfig.read(HuggingFaceFixture.of("falcon_h1").folder());
        LanguageModel model = HuggingFaceCheckpoint.newModel(config);
        model.initialize(manager, DataType.FLOAT32, new Shape(1, 2));
        HuggingFaceCheckpoint.of(config, model).save(folder);
        LanguageModel loaded = HuggingFaceCheckpoint.load(folder, manager).model();
        ParameterStore store = new ParameterStore(manager, false);
        NDList ids = new NDList(manager.create(new long[] {5, 6, 7}, new Shape(1, 3)));
        assertArrayEquals(
                model.forward(store, ids, false).get(0).toFloatArray(),
                loaded.forward(store, ids, false).get(0).toFloatArray());
        ModelConfig other = ModelConfig.read(HuggingFaceFixture.of("bamba").folder());
        assertThrows(IllegalArgumentException.class, () -> HuggingFaceCheckpoint.of(other, model));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "mamba | \"model_type\": \"mamba\" | \"model_type\": \"gpt2\" | bamba, falcon_h1",
                "mamba | \"model_type\": \"mamba\" | \"model_type\": 3 | \"model_type\" is 3",
                "mamba | \"hidden_size\": 32 | \"hidden_size\": \"32\" | \"hidden_size\" is \"32\"",
                "mamba | \"hidden_size\": 32 | \"hidden_size\": 32.5 | a whole number from 1",
                "mamba | \"hidden_size\": 32 | \"hidden_size\": 1e30 | \"hidden_size\" is 1E+30",
                "mamba | \"use_bias\": false | \"use_bias\": 0 | true or false",
                "mamba | \"hidden_act\": \"silu\" | \"hidden_act\": \"gelu\" | \"silu\" or \"swish\"",
                "mamba | \"layer_norm_epsilon\": 1e-05 | \"layer_norm_epsilon\": 0 | positive",
                "mamba | \"num_hidden_layers\": 3 | \"num_hidden_layers\": 2000000000 | 10000",
                "mamba2 | 0.0, | Infinity, | \"time_step_limit\" is",
                "mamba2 | 0.0, | -1e308, | expected numbers up to 3e38",
                "mamba2 | 0.0, | \"a\", | a list of 2 numbers",
                "bamba | \"num_key_value_heads\": 2 | \"num_key_value_heads\": 3 | a divisor",
                "bamba | \"rope_type\": \"default\" | \"rope_type\": \"yarn\" | rope_parameters.rope_type",
                "bamba | \"mamba_n_groups\": 1 | \"mamba_n_groups\": 3 | \"mamba_n_groups\" is 3",
                "jamba | \"attn_layer_offset\": 2 | \"attn_layer_offset\": 4 | \"attn_layer_offset\"",
                "jamba | \"num_experts_per_tok\": 2 | \"num_experts_per_tok\": 5 | 1 to 4",
                "nemotron_h | \"mlp\", | \"xlp\", | \"layers_block_type\"",
                "granitemoehybrid | \"full_attention\", | \"mlp\", | \"layer_types\"",
                "falcon_h1 | \"mlp_multipliers\": [ | \"mlp_multipliers\": [3, | 2 numbers",
                "falcon_h1 | \"mamba_d_ssm\": 64 | \"mamba_d_ssm\": 65 | \"mamba_d_head\" is 16",
            })
    void aWrongValueIsNamedByItsKey(String family, String found, String replaced, String expected)
            throws Exception {
        HuggingFaceFixture fixture = HuggingFaceFixture.of(family);
        String json = Files.readString(fixture.folder().resolve(ModelConfig.FILE));
        assertTrue(json.contains(found), found);
        Files.writeString(folder.resolve(ModelConfig.FILE), json.replace(found, replaced));
        String file = SafetensorsFolder.SINGLE_FILE;
        Files.copy(fixture.folder().resolve(file), folder.resolve(file));
        String message = refused();
        assertTrue(message.contains(expected), message);
        assertTrue(message.contains(folder.resolve(ModelConfig.FILE).toString()), message);
    }
}
