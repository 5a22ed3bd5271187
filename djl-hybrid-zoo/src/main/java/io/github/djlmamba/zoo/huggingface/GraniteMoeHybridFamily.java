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
import io.github.djlmamba.attention.AttentionOptions;
import io.github.djlmamba.feedforward.GatedMlpOptions;
import io.github.djlmamba.feedforward.MixtureOfExpertsOptions;
import io.github.djlmamba.hybrid.LayerSymbol;
import io.github.djlmamba.language.LanguageModelOptions;
import io.github.djlmamba.state.MixerOptions;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * Granite 4.0 hybrids (IBM, 2025): Mamba-2 and attention, each followed by a mixture of experts
 * with a shared one, or by that alone; with multipliers, and usually without positions.
 */
final class GraniteMoeHybridFamily implements CheckpointFamily {

    /** {@inheritDoc} */
    @Override
    public String modelType() {
        return "granitemoehybrid";
    }

    /** {@inheritDoc} */
    @Override
    public LanguageModelOptions options(ModelConfig config) throws MalformedModelException {
        int layers = CommonKeys.layers(config);
        List<LayerSymbol> mixers =
                config.has("layer_types")
                        ? CommonKeys.kinds(config, "layer_types")
                        : Collections.nCopies(layers, LayerSymbol.MAMBA);
        if (mixers.size() != layers
                || mixers.contains(LayerSymbol.MLP)
                || mixers.contains(LayerSymbol.EXPERTS)) {
            throw config.wrong("layer_types", "a mixer for each of " + layers + " layers");
        }
        int experts = config.count("num_local_experts", 8);
        GatedMlpOptions shared = CommonKeys.gatedMlp(config, "shared_intermediate_size");
        Map<LayerSymbol, MixerOptions> options = new EnumMap<>(LayerSymbol.class);
        options.put(
                LayerSymbol.MAMBA,
                CommonKeys.mamba2(config, CommonKeys.expanded(config, "mamba_expand")));
        options.put(LayerSymbol.ATTENTION, attention(config));
        options.put(LayerSymbol.MLP, shared.withBias(false));
        if (experts > 0) {
            options.put(
                    LayerSymbol.EXPERTS,
                    MixtureOfExpertsOptions.of(
                                    experts,
                                    CommonKeys.expertsPerToken(config, experts),
                                    config.size("intermediate_size"))
                            .withShared(shared.withBias(false)));
        }
        LayerSymbol feedForward = experts > 0 ? LayerSymbol.EXPERTS : LayerSymbol.MLP;
        return CommonKeys.model(
                        config,
                        DecoderLayers.stack(
                                        config,
                                        mixers,
                                        Collections.nCopies(layers, feedForward),
                                        options)
                                .withResidualMultiplier(
                                        config.multiplier("residual_multiplier", 1)),
                        false)
                .withEmbeddingMultiplier(config.multiplier("embedding_multiplier", 1))
                .withLogitsMultiplier(1 / config.multiplier("logits_scaling", 1));
    }

    private static AttentionOptions attention(ModelConfig config) throws MalformedModelException {
        AttentionOptions attention =
                CommonKeys.attention(config)
                        .withScale(config.multiplier("attention_multiplier", 1));
        String positions = config.choice("position_embedding_type", "", List.of("rope", "nope"));
        return positions.equals("rope")
                ? attention.withRotary(CommonKeys.rotary(config, attention.headSize(), 1))
                : attention;
    }

    /** {@inheritDoc} */
    @Override
    public void map(ModelConfig config, LanguageModelOptions options, TensorTable table) {
        CommonTensors.ends(options, table, "model.embed_tokens.weight", "model.norm.weight");
        DecoderLayers.map(
                options,
                table,
                "post_attention_layernorm.weight",
                GraniteMoeHybridFamily::mapFeedForward);
    }

    private static void mapFeedForward(TensorTable layer, LayerSymbol kind) {
        if (kind == LayerSymbol.EXPERTS) {
            layer.in("mixer", "block_sparse_moe.")
                    .add("router.weight", "router.layer.weight")
                    .add("gate_up_weight", "input_linear.weight")
                    .add("down_weight", "output_linear.weight");
        }
        layer.in(kind == LayerSymbol.EXPERTS ? "mixer.shared" : "mixer", "shared_mlp.")
                .add("gate_up_proj.weight", "input_linear.weight")
                .add("down_proj.weight", "output_linear.weight");
    }
}
