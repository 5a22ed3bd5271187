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
import io.github.djlmamba.feedforward.MlpActivation;
import io.github.djlmamba.feedforward.MlpOptions;
import io.github.djlmamba.hybrid.HybridStackOptions;
import io.github.djlmamba.hybrid.LayerPattern;
import io.github.djlmamba.hybrid.LayerSymbol;
import io.github.djlmamba.language.LanguageModelOptions;
import io.github.djlmamba.ssm.Mamba2Options;
import java.util.Map;

/**
 * The Mamba-2-Hybrid of Waleffe et al. (2024), "An Empirical Study of Mamba-based Language Models",
 * section 4. Its checkpoints have no form of the public library's, so they take the tensors' names
 * of Nemotron-H, whose layers are laid out alike, and the keys of {@link Mamba2HybridSettings}.
 */
final class Mamba2HybridFamily implements CheckpointFamily {

    private static final Map<String, MlpActivation> ACTIVATIONS =
            Map.of(
                    "gelu", MlpActivation.GELU,
                    "gelu_pytorch_tanh", MlpActivation.GELU_TANH,
                    "relu2", MlpActivation.SQUARED_RELU);

    /** {@inheritDoc} */
    @Override
    public String modelType() {
        return Mamba2HybridSettings.MODEL_TYPE;
    }

    /** {@inheritDoc} */
    @Override
    public LanguageModelOptions options(ModelConfig config) throws MalformedModelException {
        LayerPattern pattern = NemotronHFamily.pattern(config);
        if (pattern.count(LayerSymbol.EXPERTS) > 0) {
            throw config.wrong("hybrid_override_pattern", "a pattern of M, * and -");
        }
        HybridStackOptions stack =
                new HybridStackOptions(
                        config.size("hidden_size"),
                        pattern,
                        Map.of(
                                LayerSymbol.MAMBA, mamba2(config),
                                LayerSymbol.ATTENTION, attention(config),
                                LayerSymbol.MLP, mlp(config)),
                        CommonKeys.rmsNorm(config, "layer_norm_epsilon", 1e-5),
                        0,
                        true);
        return CommonKeys.model(config, stack, false);
    }

    private static AttentionOptions attention(ModelConfig config) throws MalformedModelException {
        int heads = config.size("num_attention_heads");
        int groups = config.size("num_query_groups");
        if (heads % groups != 0) {
            throw config.wrong("num_query_groups", "a divisor of the " + heads + " heads");
        }
        return AttentionOptions.DEFAULTS
                .withHeads(heads)
                .withKeyValueHeads(groups)
                .withHeadSize(config.size("head_dim"))
                .withBias(false);
    }

    private static MlpOptions mlp(ModelConfig config) throws MalformedModelException {
        String activation =
                config.choice(
                        "mlp_hidden_act", "gelu", ACTIVATIONS.keySet().stream().sorted().toList());
        return MlpOptions.DEFAULTS
                .withHiddenSize(config.size("intermediate_size"))
                .withActivation(ACTIVATIONS.get(activation))
                .withBias(false);
    }

    private static Mamba2Options mamba2(ModelConfig config) throws MalformedModelException {
        int headSize = config.size("mamba_head_dim");
        int channels = CommonKeys.expanded(config, "expand");
        int groups = config.size("n_groups");
        if (channels % headSize != 0) {
            throw config.wrong("mamba_head_dim", "a divisor of the " + channels + " channels");
        }
        if (channels / headSize % groups != 0) {
            throw config.wrong(
                    "n_groups", "a divisor of the " + channels / headSize + " heads of Mamba-2");
        }
        return Mamba2Options.DEFAULTS
                .withStateSize(config.size("ssm_state_size"))
                .withHeadSize(headSize)
                .withChannels(channels)
                .withGroups(groups)
                .withConvolutionWidth(config.size("conv_kernel", 4))
                .withNorm(
                        Mamba2Options.Norm.AFTER_GATE,
                        true,
                        (float) config.positive("layer_norm_epsilon", 1e-5));
    }

    /** {@inheritDoc} */
    @Override
    public void map(ModelConfig config, LanguageModelOptions options, TensorTable table) {
        NemotronHFamily.mapBackbone(options, table);
    }
}
