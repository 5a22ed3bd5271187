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
import io.github.djlmamba.ssm.MambaOptions;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Zamba (Glorioso et al., 2024): Mamba with several heads, and one transformer block that some
 * layers share. Zyphra/Zamba-7B-v1.
 */
final class ZambaFamily implements CheckpointFamily {

    /** {@inheritDoc} */
    @Override
    public String modelType() {
        return "zamba";
    }

    /** {@inheritDoc} */
    @Override
    public LanguageModelOptions options(ModelConfig config) throws MalformedModelException {
        LayerPattern pattern = SharedTransformerKeys.pattern(config, periodicLayers(config));
        MambaOptions mixer = mixer(config);
        HybridStackOptions stack =
                HybridStackOptions.of(config.size("hidden_size"), pattern)
                        .withMixer(LayerSymbol.MAMBA, mixer)
                        .withSharedTransformer(SharedTransformerKeys.options(config), mixer)
                        .withNorm(CommonKeys.rmsNorm(config, "rms_norm_eps", 1e-5));
        return CommonKeys.model(config, stack, true);
    }

    private static MambaOptions mixer(ModelConfig config) throws MalformedModelException {
        config.choice("hidden_mamba_act", "silu", CommonKeys.SILU);
        return MambaOptions.DEFAULTS
                .withStateSize(config.size("mamba_d_state", 16))
                .withConvolutionWidth(config.size("mamba_d_conv", 4))
                .withExpansion(config.size("mamba_expand", 2))
                .withHeads(config.size("n_mamba_heads", 2))
                .withDeltaRank(
                        config.has("mamba_dt_rank")
                                ? CommonKeys.deltaRank(config, "mamba_dt_rank")
                                : 0)
                .withProjectionBias(config.flag("mamba_proj_bias", false))
                .withConvolutionBias(config.flag("mamba_conv_bias", true));
    }

    /** The layers with the shared block where only a period is given: the third, then by it. */
    private static Set<Integer> periodicLayers(ModelConfig config) throws MalformedModelException {
        int period = config.size("attn_layer_period", 6);
        int offset = config.count("attn_layer_offset", 4);
        Set<Integer> layers = new HashSet<>(Set.of(2));
        for (int i = 3; i < CommonKeys.layers(config); i++) {
            if ((i - 3) % period == offset) {
                layers.add(i);
            }
        }
        return layers;
    }

    /** {@inheritDoc} */
    @Override
    public void map(ModelConfig config, LanguageModelOptions options, TensorTable table) {
        List<Integer> owners = SharedTransformerKeys.map(options, table);
        for (int i = 0; i < options.stack().pattern().size(); i++) {
            mapMamba(options, SharedTransformerKeys.mixer(options, table, i));
        }
        if (!owners.isEmpty()) {
            String prefix = "model.layers." + owners.get(0) + ".shared_transf.";
            CommonTensors.gatedMlp(SharedTransformerKeys.mapBlock(options, table, 0, prefix));
        }
    }

    /** Adds the tensors of a mixer: the channels of u and z alternate, and heads have an axis. */
    private static void mapMamba(LanguageModelOptions options, TensorTable table) {
        long size = options.stack().modelSize();
        MambaOptions mixer = (MambaOptions) options.stack().mixers().get(LayerSymbol.MAMBA);
        long heads = mixer.heads();
        long channels = mixer.channelsFor(size) / heads;
        long states = mixer.stateSize();
        long rank = mixer.deltaRankFor(size);
        table.addAlternating("in_proj.weight", "in_proj.weight")
                .addAlternating("in_proj.bias", "in_proj.bias")
                .addConvolution("conv1d_weight", "conv1d.weight")
                .add("conv1d_bias", "conv1d.bias")
                .addShaped("x_proj.weight", "x_proj_weight", heads, rank + 2 * states, channels)
                .addShaped("dt_proj.weight", "dt_proj_weight", heads, channels, rank)
                .addShaped("dt_bias", "dt_proj_bias", heads, channels)
                .addShaped("A_log", "A_log", heads, channels, states)
                .addShaped("D", "D", heads, channels)
                .add("out_proj.weight", "out_proj.weight")
                .add("out_proj.bias", "out_proj.bias");
    }
}
