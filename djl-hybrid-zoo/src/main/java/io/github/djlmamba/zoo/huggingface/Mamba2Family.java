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
import io.github.djlmamba.hybrid.HybridStackOptions;
import io.github.djlmamba.hybrid.LayerPattern;
import io.github.djlmamba.hybrid.LayerSymbol;
import io.github.djlmamba.language.LanguageModelOptions;
import io.github.djlmamba.ssm.Mamba2Options;

/**
 * Mamba-2 (Dao and Gu, 2024). Its mixer's norm takes the mean over all channels, whatever the
 * number of groups, as the public library does when it predicts.
 */
final class Mamba2Family implements CheckpointFamily {

    /** {@inheritDoc} */
    @Override
    public String modelType() {
        return "mamba2";
    }

    /** {@inheritDoc} */
    @Override
    public LanguageModelOptions options(ModelConfig config) throws MalformedModelException {
        config.choice("hidden_act", "silu", CommonKeys.SILU);
        float epsilon = (float) config.positive("layer_norm_epsilon", 1e-5);
        int heads = config.size("num_heads", 128);
        int headSize = config.size("head_dim", 64);
        Mamba2Options mixer =
                CommonKeys.deltaLimits(config, Mamba2Options.DEFAULTS)
                        .withStateSize(config.size("state_size", 128))
                        .withHeadSize(headSize)
                        .withChannels(Math.multiplyExact(heads, headSize))
                        .withGroups(config.size("n_groups", 8))
                        .withConvolutionWidth(config.size("conv_kernel", 4))
                        .withProjectionBias(config.flag("use_bias", false))
                        .withConvolutionBias(config.flag("use_conv_bias", true))
                        .withNorm(Mamba2Options.Norm.AFTER_GATE, false, epsilon);
        LayerPattern pattern = LayerPattern.mamba(CommonKeys.layers(config));
        HybridStackOptions stack =
                HybridStackOptions.mamba2Hybrid(config.size("hidden_size"), pattern)
                        .withMixer(LayerSymbol.MAMBA, mixer)
                        .withNorm(CommonKeys.rmsNorm(config, "layer_norm_epsilon", 1e-5));
        return CommonKeys.model(config, stack, false);
    }

    /** {@inheritDoc} */
    @Override
    public void map(ModelConfig config, LanguageModelOptions options, TensorTable table) {
        CommonTensors.ends(options, table, "backbone.embeddings.weight", "backbone.norm_f.weight");
        for (int i = 0; i < options.stack().pattern().size(); i++) {
            TensorTable layer = table.layer(i, "backbone.layers." + i + ".");
            layer.add("norm.weight", "norm.weight");
            CommonTensors.mamba2(layer.in("mixer", "mixer."));
        }
    }
}
