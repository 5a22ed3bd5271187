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
import io.github.djlmamba.hybrid.LayerSymbol;
import io.github.djlmamba.language.LanguageModelOptions;
import io.github.djlmamba.ssm.MambaOptions;

/** Mamba (Gu and Dao, 2023): state-spaces/mamba-130m-hf and others. */
final class MambaFamily implements CheckpointFamily {

    /** {@inheritDoc} */
    @Override
    public String modelType() {
        return "mamba";
    }

    /** {@inheritDoc} */
    @Override
    public LanguageModelOptions options(ModelConfig config) throws MalformedModelException {
        return options(config, mixer(config));
    }

    /** {@inheritDoc} */
    @Override
    public void map(ModelConfig config, LanguageModelOptions options, TensorTable table) {
        mapBackbone(options, table);
    }

    static LanguageModelOptions options(ModelConfig config, MambaOptions mixer)
            throws MalformedModelException {
        HybridStackOptions stack =
                HybridStackOptions.mamba(config.size("hidden_size"), CommonKeys.layers(config))
                        .withMixer(LayerSymbol.MAMBA, mixer)
                        .withNorm(CommonKeys.rmsNorm(config, "layer_norm_epsilon", 1e-5));
        return CommonKeys.model(config, stack, true);
    }

    static MambaOptions mixer(ModelConfig config) throws MalformedModelException {
        config.choice("hidden_act", "silu", CommonKeys.SILU);
        int size = config.size("hidden_size");
        int channels = Math.multiplyExact(config.size("expand", 2), size);
        return MambaOptions.DEFAULTS
                .withStateSize(config.size("state_size", 16))
                .withConvolutionWidth(config.size("conv_kernel", 4))
                .withChannels(config.size("intermediate_size", channels))
                .withDeltaRank(CommonKeys.deltaRank(config, "time_step_rank"))
                .withProjectionBias(config.flag("use_bias", false))
                .withConvolutionBias(config.flag("use_conv_bias", true));
    }

    static void mapBackbone(LanguageModelOptions options, TensorTable table) {
        CommonTensors.ends(options, table, "backbone.embeddings.weight", "backbone.norm_f.weight");
        for (int i = 0; i < options.stack().pattern().size(); i++) {
            TensorTable layer = table.layer(i, "backbone.layers." + i + ".");
            layer.add("norm.weight", "norm.weight");
            CommonTensors.mamba(layer.in("mixer", "mixer."));
        }
    }
}
