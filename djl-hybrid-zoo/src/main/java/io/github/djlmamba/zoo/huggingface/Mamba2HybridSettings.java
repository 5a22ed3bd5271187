/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.huggingface;

import ai.djl.MalformedModelException;
import ai.djl.util.JsonUtils;
import io.github.djlmamba.hybrid.LayerPattern;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.apiguardian.api.API;

/**
 * The sizes of a Mamba-2-Hybrid (Waleffe et al., 2024, "An Empirical Study of Mamba-based Language
 * Models", section 4), from which a configuration is made: root mean square norms, no biases in
 * projections, grouped queries, no positions, a GELU in MLPs, Mamba-2 with twice the model size in
 * channels. Immutable and thread safe.
 *
 * <pre>{@code
 * ModelConfig config = Mamba2HybridSettings.STUDY.config();
 * LanguageModel model = HuggingFaceCheckpoint.newModel(config);
 * // initialise and train the model, then
 * HuggingFaceCheckpoint.of(config, model).save(folder);
 * }</pre>
 *
 * @param vocabularySize the number of tokens V
 * @param modelSize the size M of the vectors
 * @param pattern the layers: Mamba-2, attention and MLP
 * @param heads the query heads of attention
 * @param queryGroups the key and value heads of attention, which divide the query heads
 * @param headSize the size of a head of attention
 * @param hiddenSize the hidden size of an MLP
 * @param stateSize the states N of each channel of Mamba-2
 * @param stateHeadSize the channels of a head of Mamba-2
 * @param stateGroups the groups of heads of Mamba-2 that share B and C
 */
@API(status = API.Status.EXPERIMENTAL)
public record Mamba2HybridSettings(
        int vocabularySize,
        int modelSize,
        LayerPattern pattern,
        int heads,
        int queryGroups,
        int headSize,
        int hiddenSize,
        int stateSize,
        int stateHeadSize,
        int stateGroups) {

    /** The model_type of the configuration. */
    public static final String MODEL_TYPE = "mamba2_hybrid";

    /**
     * The study's model of eight billion parameters: of 56 layers 24 are Mamba-2, 4 attention and
     * 28 MLPs; 32 heads in 8 query groups; N 128 and 8 groups.
     */
    public static final Mamba2HybridSettings STUDY =
            new Mamba2HybridSettings(
                    256_000,
                    4096,
                    LayerPattern.allocate(56, 0.07, 0.5),
                    32,
                    8,
                    128,
                    4 * 4096,
                    128,
                    64,
                    8);

    /**
     * Checks that there is a pattern; {@link HuggingFaceCheckpoint#newModel} checks the rest.
     *
     * @throws NullPointerException if there is none
     */
    public Mamba2HybridSettings {
        Objects.requireNonNull(pattern, "pattern");
    }

    /**
     * Returns the configuration of such a model.
     *
     * @return what config.json holds
     */
    public ModelConfig config() {
        Map<String, Object> keys = new LinkedHashMap<>();
        keys.put("model_type", MODEL_TYPE);
        keys.put("vocab_size", vocabularySize);
        keys.put("hidden_size", modelSize);
        keys.put("hybrid_override_pattern", pattern.toString());
        keys.put("num_attention_heads", heads);
        keys.put("num_query_groups", queryGroups);
        keys.put("head_dim", headSize);
        keys.put("intermediate_size", hiddenSize);
        keys.put("mlp_hidden_act", "gelu");
        keys.put("ssm_state_size", stateSize);
        keys.put("mamba_head_dim", stateHeadSize);
        keys.put("n_groups", stateGroups);
        keys.put("expand", 2);
        keys.put("conv_kernel", 4);
        keys.put("layer_norm_epsilon", 1e-5);
        keys.put("tie_word_embeddings", false);
        try {
            return ModelConfig.parse(
                    "the configuration of a Mamba-2-Hybrid",
                    JsonUtils.GSON_PRETTY.toJson(keys) + "\n");
        } catch (MalformedModelException e) {
            throw new AssertionError(e);
        }
    }
}
