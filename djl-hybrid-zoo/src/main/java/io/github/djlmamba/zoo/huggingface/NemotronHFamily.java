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
import io.github.djlmamba.feedforward.ExpertRouting;
import io.github.djlmamba.feedforward.MixtureOfExpertsOptions;
import io.github.djlmamba.feedforward.MlpActivation;
import io.github.djlmamba.feedforward.MlpOptions;
import io.github.djlmamba.hybrid.HybridStackOptions;
import io.github.djlmamba.hybrid.LayerPattern;
import io.github.djlmamba.hybrid.LayerSymbol;
import io.github.djlmamba.language.LanguageModelOptions;
import io.github.djlmamba.ssm.Mamba2Options;
import io.github.djlmamba.state.MixerOptions;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * Nemotron-H and Nemotron 3 (NVIDIA, 2025): a pattern of Mamba-2, attention without positions, MLPs
 * with a squared ReLU, and mixtures of such experts with sigmoid routing.
 */
final class NemotronHFamily implements CheckpointFamily {

    private static final Map<String, MlpActivation> ACTIVATIONS =
            Map.of(
                    "relu2", MlpActivation.SQUARED_RELU,
                    "relu", MlpActivation.RELU,
                    "gelu", MlpActivation.GELU,
                    "silu", MlpActivation.SILU);

    /** {@inheritDoc} */
    @Override
    public String modelType() {
        return "nemotron_h";
    }

    /** {@inheritDoc} */
    @Override
    public LanguageModelOptions options(ModelConfig config) throws MalformedModelException {
        LayerPattern pattern = pattern(config);
        MlpOptions mlp =
                MlpOptions.DEFAULTS
                        .withHiddenSize(config.size("intermediate_size", 21504))
                        .withActivation(
                                ACTIVATIONS.get(
                                        config.choice(
                                                "mlp_hidden_act",
                                                "relu2",
                                                ACTIVATIONS.keySet().stream().sorted().toList())))
                        .withBias(config.flag("mlp_bias", false));
        Map<LayerSymbol, MixerOptions> options = new EnumMap<>(LayerSymbol.class);
        options.put(LayerSymbol.MAMBA, mamba2(config));
        options.put(LayerSymbol.ATTENTION, attention(config));
        options.put(LayerSymbol.MLP, mlp);
        if (pattern.count(LayerSymbol.EXPERTS) > 0) {
            options.put(LayerSymbol.EXPERTS, experts(config, mlp));
        }
        return CommonKeys.model(
                config,
                new HybridStackOptions(
                        config.size("hidden_size"),
                        pattern,
                        options,
                        CommonKeys.rmsNorm(config, "layer_norm_epsilon", 1e-5),
                        0,
                        true),
                false);
    }

    /** Returns the pattern that a list of names or a string of symbols gives. */
    static LayerPattern pattern(ModelConfig config) throws MalformedModelException {
        LayerPattern pattern;
        String key =
                config.has("layers_block_type") ? "layers_block_type" : "hybrid_override_pattern";
        if (config.has("layers_block_type")) {
            pattern = new LayerPattern(CommonKeys.kinds(config, key));
        } else {
            String text = config.text(key);
            CommonKeys.checkedLayers(config, key, text.length());
            if (!text.matches("[M*E-]+")) {
                throw config.wrong(key, "a pattern of M, *, - and E");
            }
            pattern = LayerPattern.parse(text);
        }
        if (config.size("num_hidden_layers", pattern.size()) != pattern.size()) {
            throw config.wrong("num_hidden_layers", pattern.size() + ", as " + key + " has layers");
        }
        return pattern;
    }

    private static AttentionOptions attention(ModelConfig config) throws MalformedModelException {
        // Older configurations write attention_head_dim.
        String key = config.has("head_dim") ? "head_dim" : "attention_head_dim";
        return CommonKeys.attention(config).withHeadSize(config.size(key, 128));
    }

    private static Mamba2Options mamba2(ModelConfig config) throws MalformedModelException {
        config.choice("mamba_hidden_act", "silu", CommonKeys.SILU);
        int heads = config.size("mamba_num_heads", 128);
        int headSize = config.size("mamba_head_dim", 64);
        int groups = config.size("n_groups", 8);
        if (heads % groups != 0) {
            throw config.wrong("n_groups", "a divisor of the " + heads + " heads");
        }
        return CommonKeys.deltaLimits(config, Mamba2Options.DEFAULTS)
                .withStateSize(config.size("ssm_state_size", 128))
                .withHeadSize(headSize)
                .withChannels(Math.multiplyExact(heads, headSize))
                .withGroups(groups)
                .withConvolutionWidth(config.size("conv_kernel", 4))
                .withProjectionBias(config.flag("use_bias", false))
                .withConvolutionBias(config.flag("use_conv_bias", true))
                .withNorm(
                        Mamba2Options.Norm.AFTER_GATE,
                        true,
                        (float) config.positive("layer_norm_epsilon", 1e-5));
    }

    private static MixtureOfExpertsOptions experts(ModelConfig config, MlpOptions mlp)
            throws MalformedModelException {
        int experts = config.size("n_routed_experts", 8);
        int groups = config.size("n_group", 1);
        if (experts % groups != 0 || groups > 1 && experts / groups < 2) {
            throw config.wrong(
                    "n_group", "a number that divides the " + experts + " experts into groups");
        }
        int chosen = config.size("topk_group", 1);
        if (chosen > groups) {
            throw config.wrong("topk_group", "at most the number of groups, " + groups);
        }
        int latent = config.has("moe_latent_size") ? config.size("moe_latent_size") : 0;
        return MixtureOfExpertsOptions.of(
                        experts,
                        CommonKeys.expertsPerToken(config, experts / groups * chosen),
                        config.size("moe_intermediate_size", 7688))
                .withRouting(
                        ExpertRouting.SIGMOID
                                .withNormalised(config.flag("norm_topk_prob", true))
                                .withScale(config.multiplier("routed_scaling_factor", 1))
                                .withGroups(groups, chosen))
                .withExperts(false, mlp.activation())
                .withLatentSize(latent, mlp.bias())
                .withShared(
                        mlp.withHiddenSize(
                                config.size("moe_shared_expert_intermediate_size", 7688)));
    }

    /** {@inheritDoc} */
    @Override
    public void map(ModelConfig config, LanguageModelOptions options, TensorTable table) {
        mapBackbone(options, table);
    }

    static void mapBackbone(LanguageModelOptions options, TensorTable table) {
        CommonTensors.ends(options, table, "backbone.embeddings.weight", "backbone.norm_f.weight");
        HybridStackOptions stack = options.stack();
        List<LayerSymbol> kinds = stack.pattern().layers();
        for (int i = 0; i < kinds.size(); i++) {
            TensorTable layer = table.layer(i, "backbone.layers." + i + ".");
            layer.add("norm.weight", "norm.weight");
            map(layer.in("mixer", "mixer."), kinds.get(i), stack.mixers().get(kinds.get(i)));
        }
    }

    private static void map(TensorTable mixer, LayerSymbol kind, MixerOptions options) {
        switch (kind) {
            case ATTENTION -> CommonTensors.attention(mixer, (AttentionOptions) options);
            case MLP -> CommonTensors.mlp(mixer);
            case EXPERTS -> {
                mixer.add("router.weight", "gate.weight")
                        .add("correction", "gate.e_score_correction_bias")
                        .add("latent_in.weight", "fc1_latent_proj.weight")
                        .add("latent_in.bias", "fc1_latent_proj.bias")
                        .add("latent_out.weight", "fc2_latent_proj.weight")
                        .add("latent_out.bias", "fc2_latent_proj.bias");
                CommonTensors.experts(mixer, false);
                CommonTensors.mlp(mixer.in("shared", "shared_experts."));
            }
            default -> CommonTensors.mamba2(mixer);
        }
    }
}
