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
import io.github.djlmamba.feedforward.ExpertRouting;
import io.github.djlmamba.feedforward.GatedMlpOptions;
import io.github.djlmamba.feedforward.MixtureOfExpertsOptions;
import io.github.djlmamba.hybrid.LayerSymbol;
import io.github.djlmamba.language.LanguageModelOptions;
import io.github.djlmamba.ssm.MambaOptions;
import io.github.djlmamba.state.MixerOptions;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * Jamba (Lieber et al., 2024): Mamba with norms of the scan's inputs and attention without
 * positions, each followed by a gated MLP or a mixture of them.
 */
final class JambaFamily implements CheckpointFamily {

    /** {@inheritDoc} */
    @Override
    public String modelType() {
        return "jamba";
    }

    /** {@inheritDoc} */
    @Override
    public LanguageModelOptions options(ModelConfig config) throws MalformedModelException {
        int layers = CommonKeys.layers(config);
        int experts = config.size("num_experts", 16);
        List<LayerSymbol> mixers =
                config.has("layers_block_type")
                        ? CommonKeys.kinds(config, "layers_block_type")
                        : periodic(
                                config,
                                "attn_layer",
                                8,
                                4,
                                LayerSymbol.ATTENTION,
                                LayerSymbol.MAMBA);
        if (mixers.size() != layers
                || mixers.contains(LayerSymbol.MLP)
                || mixers.contains(LayerSymbol.EXPERTS)) {
            throw config.wrong("layers_block_type", "a mixer for each of " + layers + " layers");
        }
        List<LayerSymbol> feedForward =
                periodic(
                        config,
                        "expert_layer",
                        2,
                        1,
                        experts > 1 ? LayerSymbol.EXPERTS : LayerSymbol.MLP,
                        LayerSymbol.MLP);
        float epsilon = (float) config.positive("rms_norm_eps", 1e-6);
        GatedMlpOptions mlp = CommonKeys.gatedMlp(config, "intermediate_size");
        Map<LayerSymbol, MixerOptions> options = new EnumMap<>(LayerSymbol.class);
        options.put(LayerSymbol.MAMBA, mamba(config, epsilon));
        options.put(LayerSymbol.ATTENTION, CommonKeys.attention(config));
        options.put(LayerSymbol.MLP, mlp);
        options.put(
                LayerSymbol.EXPERTS,
                MixtureOfExpertsOptions.of(
                                experts,
                                CommonKeys.expertsPerToken(config, experts),
                                mlp.hiddenSize())
                        .withRouting(ExpertRouting.SOFTMAX));
        return CommonKeys.model(
                config, DecoderLayers.stack(config, mixers, feedForward, options), false);
    }

    private static MambaOptions mamba(ModelConfig config, float epsilon)
            throws MalformedModelException {
        return MambaOptions.DEFAULTS
                .withStateSize(config.size("mamba_d_state", 16))
                .withConvolutionWidth(config.size("mamba_d_conv", 4))
                .withChannels(CommonKeys.expanded(config, "mamba_expand"))
                .withDeltaRank(CommonKeys.deltaRank(config, "mamba_dt_rank"))
                .withProjectionBias(config.flag("mamba_proj_bias", false))
                .withConvolutionBias(config.flag("mamba_conv_bias", true))
                .withSelectionNorm(MambaOptions.SelectionNorm.WEIGHTED, epsilon);
    }

    /** Returns one kind for every so-manieth layer, from an offset on, and another for the rest. */
    private static List<LayerSymbol> periodic(
            ModelConfig config,
            String key,
            int usualPeriod,
            int usualOffset,
            LayerSymbol kind,
            LayerSymbol rest)
            throws MalformedModelException {
        int period = config.size(key + "_period", usualPeriod);
        int offset = config.count(key + "_offset", usualOffset);
        if (offset >= period) {
            throw config.wrong(key + "_offset", "less than the period " + period);
        }
        List<LayerSymbol> kinds = new ArrayList<>();
        for (int i = 0; i < CommonKeys.layers(config); i++) {
            kinds.add(i % period == offset ? kind : rest);
        }
        return kinds;
    }

    /** {@inheritDoc} */
    @Override
    public void map(ModelConfig config, LanguageModelOptions options, TensorTable table) {
        CommonTensors.ends(
                options, table, "model.embed_tokens.weight", "model.final_layernorm.weight");
        DecoderLayers.map(options, table, "pre_ff_layernorm.weight", JambaFamily::mapFeedForward);
    }

    private static void mapFeedForward(TensorTable layer, LayerSymbol kind) {
        TensorTable block = layer.in("mixer", "feed_forward.");
        if (kind == LayerSymbol.EXPERTS) {
            block.add("router.weight", "router.weight");
            CommonTensors.experts(block, true);
        } else {
            CommonTensors.gatedMlp(block);
        }
    }
}
