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
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.MalformedModelException;
import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.github.djlmamba.attention.RotaryOptions;
import io.github.djlmamba.hybrid.HybridStackOptions;
import io.github.djlmamba.hybrid.LayerSymbol;
import io.github.djlmamba.language.Bfloat16Weights;
import io.github.djlmamba.language.LanguageModel;
import io.github.djlmamba.ops.OpsProviders;
import io.github.djlmamba.ops.Precision;
import io.github.djlmamba.ssm.Mamba2Options;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What configurations of zamba and zamba2 may say beside what the fixtures do. */
class SharedTransformerFamiliesTest {

    private NDManager manager;

    @BeforeEach
    void open() {
        manager = NDManager.newBaseManager("PyTorch");
        Engine.getEngine("PyTorch").setRandomSeed(7);
    }

    @AfterEach
    void close() {
        manager.close();
    }

    @Test
    void blocksAreStoredUnderTheirFirstLayerWithTheAdaptersOfAllTheirLayers(@TempDir Path folder)
            throws Exception {
        ModelConfig config =
                config(
                        "zamba2",
                        json ->
                                json.add(
                                        "layers_block_type",
                                        texts("hybrid mamba hybrid hybrid mamba hybrid")));
        List<String> names = names(roundTrip(config, folder));
        assertEquals(
                List.of(
                        "model.layers.0.shared_transformer.feed_forward.gate_up_proj.weight",
                        "model.layers.2.shared_transformer.feed_forward.gate_up_proj.weight"),
                ending(names, "gate_up_proj.weight"));
        String list = ".shared_transformer.self_attn.linear_q_adapter_list.";
        assertEquals(
                List.of(
                        "model.layers.0" + list + "0.1.weight",
                        "model.layers.0" + list + "2.1.weight",
                        "model.layers.2" + list + "1.1.weight",
                        "model.layers.2" + list + "3.1.weight"),
                names.stream()
                        .filter(name -> name.contains(list) && name.endsWith(".1.weight"))
                        .sorted()
                        .toList());
        assertEquals(4, ending(names, ".linear.weight").size());
    }

    @Test
    void zamba2MayHaveBiasesAndNeitherPositionsNorAdaptersOfAttention(@TempDir Path folder)
            throws Exception {
        ModelConfig config =
                config(
                        "zamba2",
                        json -> {
                            json.addProperty("add_bias_linear", true);
                            json.addProperty("use_mem_rope", false);
                            json.addProperty("use_shared_attention_adapter", false);
                            json.addProperty("mamba_ngroups", 2);
                            json.addProperty("num_key_value_heads", 2);
                            json.addProperty("tie_word_embeddings", false);
                            json.remove("layers_block_type");
                        });
        List<String> names = names(roundTrip(config, folder));
        assertFalse(names.stream().anyMatch(name -> name.contains("linear_q_adapter")));
        assertEquals(2, ending(names, "gate_up_proj.bias").size());
        assertEquals(2, ending(names, "feed_forward.down_proj.bias").size());
        assertEquals(6, ending(names, "in_proj.bias").size());
        assertTrue(ending(names, "q_proj.bias").isEmpty());
        assertTrue(names.contains("lm_head.weight"));
    }

    @Test
    void zambaMayHaveOneHeadAndBiases(@TempDir Path folder) throws Exception {
        ModelConfig config =
                config(
                        "zamba",
                        json -> {
                            json.addProperty("n_mamba_heads", 1);
                            json.addProperty("mamba_proj_bias", true);
                            json.addProperty("mamba_conv_bias", false);
                            json.addProperty("mamba_dt_rank", "auto");
                        });
        HuggingFaceCheckpoint checkpoint = roundTrip(config, folder);
        List<String> names = names(checkpoint);
        assertEquals(6, ending(names, "in_proj.bias").size());
        assertTrue(ending(names, "conv1d.bias").isEmpty());
        StoredTensor projection =
                checkpoint.tensors().stream()
                        .filter(tensor -> tensor.name().endsWith("layers.0.mamba.x_proj_weight"))
                        .findFirst()
                        .orElseThrow();
        assertEquals(new Shape(1, 18, 64), projection.shape());
    }

    @Test
    void theRowsOfUAndZAlternateInZamba(@TempDir Path folder) throws Exception {
        HuggingFaceCheckpoint checkpoint = roundTrip(config("zamba", json -> {}), folder);
        StoredTensor stored =
                checkpoint.tensors().stream()
                        .filter(tensor -> tensor.name().endsWith("layers.0.mamba.in_proj.weight"))
                        .findFirst()
                        .orElseThrow();
        NDArray parameter = stored.parameter().getArray();
        NDArray part = stored.part(parameter);
        for (int channel = 0; channel < 64; channel++) {
            assertArrayEquals(
                    parameter.get(channel).toFloatArray(), part.get(2 * channel).toFloatArray());
            assertArrayEquals(
                    parameter.get(64 + channel).toFloatArray(),
                    part.get(2 * channel + 1).toFloatArray());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"zamba", "zamba2"})
    void bfloat16ActivationsAndWeightsScoreAlike(String family) throws Exception {
        assumeTrue(
                OpsProviders.all().stream()
                        .filter(provider -> provider.name().equals("native"))
                        .anyMatch(provider -> provider.unavailableReason() == null),
                "bfloat16 needs the native ops");
        LanguageModel model = HuggingFaceFixture.of(family).load(manager).model();
        NDArray ids = HuggingFaceFixture.of(family).expected(manager).get("input_ids");
        float[] exact = scores(model, ids);
        float[] activations = Precision.BFLOAT16.within(() -> scores(model, ids));
        // Bfloat16 has 8 bits; the logits are of the order of 1.
        assertArrayEquals(exact, activations, 0.05f);
        Bfloat16Weights.store(model);
        assertArrayEquals(exact, scores(model, ids), 0.02f);
    }

    @Test
    void layersFollowAPeriodInOlderConfigurationsOfZamba() throws Exception {
        ModelConfig config =
                config(
                        "zamba",
                        json -> {
                            json.remove("layers_block_type");
                            json.addProperty("num_hidden_layers", 12);
                            json.addProperty("attn_layer_period", 4);
                            json.addProperty("attn_layer_offset", 1);
                        });
        assertEquals("MMSMSMMMSMMM", stack(config).pattern().toString());
    }

    @Test
    void aLongerContextTurnsSlower() throws Exception {
        RotaryOptions usual = stack(config("zamba2", json -> {})).shared().attention().rotary();
        RotaryOptions slower =
                stack(config("zamba2", json -> json.addProperty("use_long_context", true)))
                        .shared()
                        .attention()
                        .rotary();
        assertEquals(10_000, usual.base());
        assertEquals(10_000 * Math.pow(8, 16 / 14.0), slower.base(), 1e-6);
    }

    @Test
    void stepsAreBoundedAsTheConfigurationSays() throws Exception {
        Mamba2Options usual = mixer(config("zamba2", json -> json.remove("time_step_min")));
        assertEquals(0.001, usual.deltaMinimum());
        assertEquals(Double.POSITIVE_INFINITY, usual.deltaMaximum());
        JsonArray limits = new JsonArray();
        limits.add(0);
        limits.add(0.5);
        Mamba2Options bounded =
                mixer(config("zamba2", json -> json.add("time_step_limit", limits)));
        assertEquals(0, bounded.deltaMinimum());
        assertEquals(0.5, bounded.deltaMaximum());
    }

    @Test
    void whatDoesNotFitIsNamed() {
        assertWrong("zamba2", "n_mamba_heads", 3, "a divisor of the 64 channels");
        assertWrong("zamba2", "mamba_headdim", 8, "the channels of each head, 64 / 4");
        assertWrong("zamba2", "attention_hidden_size", 32, "twice the hidden_size, 64");
        assertWrong("zamba2", "num_key_value_heads", 3, "a divisor of");
        assertWrong("zamba2", "hidden_act", "tanh", "\"gelu\" or");
        assertWrong("zamba2", "num_mem_blocks", 0, "from 1");
        assertWrong("zamba2", "num_hidden_layers", 7, "one type for each of 7 layers");
        assertWrong("zamba2", "attention_head_dim", 2, "base is Infinity", true);
        assertWrong("zamba", "n_mamba_heads", 3, "3 heads do not divide the 64 channels");
        assertWrong("zamba", "hidden_mamba_act", "gelu", "\"silu\" or \"swish\"");
        assertMessage(
                "names out of mamba, linear_attention and hybrid, not \"attention\"",
                config("zamba", json -> json.add("layers_block_type", texts("mamba attention"))));
        assertMessage(
                "\"hybrid_layer_ids\" is [2,4]; expected layers from 0 to 3",
                config(
                        "zamba2",
                        json -> {
                            json.remove("layers_block_type");
                            json.addProperty("num_hidden_layers", 4);
                        }));
    }

    private static void assertWrong(String family, String key, Object value, String expected) {
        assertWrong(family, key, value, expected, false);
    }

    private static void assertWrong(
            String family, String key, Object value, String expected, boolean longContext) {
        assertMessage(
                expected,
                config(
                        family,
                        json -> {
                            if (longContext) {
                                json.addProperty("use_long_context", true);
                            }
                            if (value instanceof Number number) {
                                json.addProperty(key, number);
                            } else {
                                json.addProperty(key, (String) value);
                            }
                        }));
    }

    private static void assertMessage(String part, ModelConfig config) {
        String message =
                assertThrows(
                                MalformedModelException.class,
                                () -> HuggingFaceCheckpoint.newModel(config))
                        .getMessage();
        assertTrue(message.contains(part), message);
    }

    /** Saves a new model, loads it, and checks that it scores as before. */
    private HuggingFaceCheckpoint roundTrip(ModelConfig config, Path folder) throws Exception {
        LanguageModel model = HuggingFaceCheckpoint.newModel(config);
        model.initialize(manager, DataType.FLOAT32, new Shape(1, 1));
        HuggingFaceCheckpoint.of(config, model).save(folder);
        HuggingFaceCheckpoint loaded = HuggingFaceCheckpoint.load(folder, manager);
        NDArray ids = manager.create(new long[] {3, 1, 4, 1, 5, 9, 2, 6}, new Shape(2, 4));
        assertArrayEquals(scores(model, ids), scores(loaded.model(), ids));
        return loaded;
    }

    private float[] scores(LanguageModel model, NDArray ids) {
        NDArray logits =
                model.forward(new ParameterStore(manager, false), new NDList(ids), false)
                        .singletonOrThrow();
        return Precision.FLOAT32.cast(logits).toFloatArray();
    }

    private static HybridStackOptions stack(ModelConfig config) throws Exception {
        return HuggingFaceCheckpoint.newModel(config).options().stack();
    }

    private static Mamba2Options mixer(ModelConfig config) throws Exception {
        return (Mamba2Options) stack(config).mixers().get(LayerSymbol.SHARED);
    }

    private static List<String> names(HuggingFaceCheckpoint checkpoint) {
        return checkpoint.tensors().stream().map(StoredTensor::name).collect(Collectors.toList());
    }

    private static List<String> ending(List<String> names, String end) {
        return names.stream().filter(name -> name.endsWith(end)).toList();
    }

    private static JsonArray texts(String words) {
        JsonArray array = new JsonArray();
        List.of(words.split(" ")).forEach(array::add);
        return array;
    }

    /** The configuration of a fixture with changes. */
    private static ModelConfig config(String family, Consumer<JsonObject> changes) {
        try {
            Path file = HuggingFaceFixture.of(family).folder().resolve(ModelConfig.FILE);
            JsonObject json = JsonParser.parseString(Files.readString(file)).getAsJsonObject();
            changes.accept(json);
            return ModelConfig.parse("changed", json.toString());
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }
}
