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
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.training.ParameterStore;
import ai.djl.util.Pair;
import io.github.djlmamba.language.LanguageModel;
import io.github.djlmamba.zoo.safetensors.SafetensorsFolder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the fixture of this family does not have: experts, biases and groups. */
class NemotronHFamilyTest {

    private static final String PATTERN = "ME*-EM";

    private static final PlainNemotronH.Sizes SIZES =
            new PlainNemotronH.Sizes(12, 4, 2, 6, 4, 5, 7, 2, 8, 3, 4, 2, 2.5, 1e-4);

    private static final String CONFIG =
            """
            {
              "model_type": "nemotron_h", "vocab_size": 40, "hidden_size": 12,
              "hybrid_override_pattern": "ME*-EM", "num_hidden_layers": 6,
              "num_attention_heads": 4, "num_key_value_heads": 2, "attention_head_dim": 6,
              "attention_bias": true, "intermediate_size": 10, "mlp_bias": true,
              "ssm_state_size": 7, "mamba_num_heads": 4, "mamba_head_dim": 5, "n_groups": 2,
              "conv_kernel": 3, "use_bias": true, "use_conv_bias": true,
              "layer_norm_epsilon": 1e-4, "time_step_limit": [0.0, Infinity],
              "n_routed_experts": 8, "num_experts_per_tok": 3, "moe_intermediate_size": 9,
              "moe_shared_expert_intermediate_size": 11, "moe_latent_size": 8,
              "n_group": 4, "topk_group": 2, "norm_topk_prob": true, "routed_scaling_factor": 2.5
            }
            """;

    @TempDir private Path folder;

    @Test
    void expertsBiasesAndGroupsAreThoseOfLoopsOverTheStoredTensors() throws Exception {
        // Experts have biases only around the latent size.
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Engine.getEngine("PyTorch").setRandomSeed(3);
            ModelConfig config = ModelConfig.parse("the configuration", CONFIG);
            LanguageModel model = HuggingFaceCheckpoint.newModel(config);
            model.initialize(manager, DataType.FLOAT32, new Shape(1, 2));
            for (Pair<String, Parameter> entry : model.getParameters()) {
                // So that no bias is zero and no weight of a norm is one.
                NDArray array = entry.getValue().getArray();
                array.setRequiresGradient(false);
                array.addi(manager.randomNormal(0, 0.2f, array.getShape(), DataType.FLOAT32));
            }
            HuggingFaceCheckpoint.of(config, model).save(folder);
            LanguageModel loaded = HuggingFaceCheckpoint.load(folder, manager).model();
            long[] ids = {3, 17, 39, 0, 5, 5, 21, 8};
            NDArray logits =
                    loaded.forward(
                                    new ParameterStore(manager, false),
                                    new NDList(manager.create(ids, new Shape(1, ids.length))),
                                    false)
                            .singletonOrThrow();
            Map<String, double[]> tensors = stored(manager);
            assertTrue(tensors.containsKey("backbone.layers.1.mixer.experts.7.up_proj.weight"));
            double[][] expected = new PlainNemotronH(tensors, SIZES).logits(PATTERN, ids);
            double[] flat = Arrays.stream(expected).flatMapToDouble(Arrays::stream).toArray();
            double[] actual = logits.toType(DataType.FLOAT64, false).toDoubleArray();
            double largest = Arrays.stream(flat).map(Math::abs).max().orElseThrow();
            assertTrue(largest > 0.5, "the logits are not all small");
            assertArrayEquals(flat, actual, 1e-5 * largest);
        }
    }

    private Map<String, double[]> stored(NDManager manager) throws Exception {
        Map<String, double[]> tensors = new HashMap<>();
        try (SafetensorsFolder saved = SafetensorsFolder.open(folder)) {
            for (String name : saved.entries().keySet()) {
                tensors.put(name, saved.read(name, manager, DataType.FLOAT64).toDoubleArray());
            }
        }
        assertEquals(2 * (8 * 2 + 4 + 2 + 4), experts(tensors));
        return tensors;
    }

    /** Counts the tensors of the two layers of experts, without their norms. */
    private static long experts(Map<String, double[]> tensors) {
        return tensors.keySet().stream()
                .filter(name -> name.matches("backbone\\.layers\\.[14]\\.mixer\\..*"))
                .count();
    }
}
