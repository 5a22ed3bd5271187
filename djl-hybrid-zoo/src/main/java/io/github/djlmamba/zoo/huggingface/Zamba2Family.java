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
import io.github.djlmamba.attention.RotaryOptions;
import io.github.djlmamba.hybrid.HybridStackOptions;
import io.github.djlmamba.hybrid.LayerPattern;
import io.github.djlmamba.hybrid.LayerSymbol;
import io.github.djlmamba.hybrid.SharedTransformerOptions;
import io.github.djlmamba.language.LanguageModelOptions;
import io.github.djlmamba.ssm.Mamba2Options;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Zamba2 (Glorioso et al., 2024, "The Zamba2 Suite"): Mamba-2, and transformer blocks that layers
 * share in turn, with adapters for each layer. Zyphra/Zamba2-1.2B, 2.7B and 7B.
 *
 * <p>A block is stored under the first layer that uses it, with the adapters of all layers that do,
 * numbered by use.
 */
final class Zamba2Family implements CheckpointFamily {

    private static final double CONTEXT_FACTOR = 8;

    /** {@inheritDoc} */
    @Override
    public String modelType() {
        return "zamba2";
    }

    /** {@inheritDoc} */
    @Override
    public LanguageModelOptions options(ModelConfig config) throws MalformedModelException {
        LayerPattern pattern = SharedTransformerKeys.pattern(config, hybridLayers(config));
        Mamba2Options mixer = mixer(config);
        HybridStackOptions stack =
                HybridStackOptions.mamba2Hybrid(config.size("hidden_size"), pattern)
                        .withMixer(LayerSymbol.MAMBA, mixer)
                        .withSharedTransformer(shared(config), mixer)
                        .withNorm(CommonKeys.rmsNorm(config, "rms_norm_eps", 1e-5));
        return CommonKeys.model(config, stack, true);
    }

    /** The layers with a shared block where they are not given by their names. */
    private static Set<Integer> hybridLayers(ModelConfig config) throws MalformedModelException {
        if (config.has("layers_block_type")) {
            return Set.of();
        }
        Set<Integer> layers = new HashSet<>(config.counts("hybrid_layer_ids"));
        int number = CommonKeys.layers(config);
        if (layers.stream().anyMatch(layer -> layer >= number)) {
            throw config.wrong("hybrid_layer_ids", "layers from 0 to " + (number - 1));
        }
        return layers;
    }

    private static Mamba2Options mixer(ModelConfig config) throws MalformedModelException {
        int expansion = config.size("mamba_expand", 2);
        int channels = Math.multiplyExact(expansion, config.size("hidden_size"));
        int heads = config.size("n_mamba_heads", 8);
        if (channels % heads != 0) {
            throw config.wrong("n_mamba_heads", "a divisor of the " + channels + " channels");
        }
        int headSize = channels / heads;
        if (config.size("mamba_headdim", headSize) != headSize) {
            throw config.wrong(
                    "mamba_headdim", "the channels of each head, " + channels + " / " + heads);
        }
        // Where there are no limits of the step size, the public library holds it to the least that
        // a new model starts with, though its kernels for accelerators do not.
        return CommonKeys.deltaLimits(
                config,
                Mamba2Options.DEFAULTS
                        .withDeltaLimits(
                                config.positive("time_step_min", 0.001), Double.POSITIVE_INFINITY)
                        .withStateSize(config.size("mamba_d_state", 64))
                        .withConvolutionWidth(config.size("mamba_d_conv", 4))
                        .withExpansion(expansion)
                        .withHeadSize(headSize)
                        .withGroups(config.size("mamba_ngroups", 1))
                        .withProjectionBias(config.flag("add_bias_linear", false)));
    }

    private static SharedTransformerOptions shared(ModelConfig config)
            throws MalformedModelException {
        SharedTransformerOptions options = SharedTransformerKeys.options(config);
        return options.withBlocks(config.size("num_mem_blocks", 1))
                .withAdapters(
                        config.size("adapter_rank", 128),
                        config.flag("use_shared_attention_adapter", false))
                .withMlp(options.mlp().withBias(config.flag("add_bias_linear", false)))
                .withAttention(
                        options.attention()
                                .withRotary(rotary(config, options.attention().headSize())));
    }

    private static RotaryOptions rotary(ModelConfig config, int headSize)
            throws MalformedModelException {
        if (!config.flag("use_mem_rope", false)) {
            return null;
        }
        RotaryOptions rotary = CommonKeys.rotary(config, headSize, 1);
        if (!config.flag("use_long_context", false)) {
            return rotary;
        }
        // The longer context comes from a longer base, such that the slowest pair of channels
        // turns as many times slower.
        double factor = Math.pow(CONTEXT_FACTOR, headSize / (headSize - 2.0));
        return rotary.withBase(rotary.base() * factor);
    }

    /** {@inheritDoc} */
    @Override
    public void map(ModelConfig config, LanguageModelOptions options, TensorTable table) {
        List<Integer> owners = SharedTransformerKeys.map(options, table);
        for (int block = 0; block < owners.size(); block++) {
            SharedTransformerKeys.mapBlock(options, table, block, prefix(owners.get(block)))
                    .add("gate_up_proj.weight", "gate_up_proj.weight")
                    .add("gate_up_proj.bias", "gate_up_proj.bias")
                    .add("down_proj.weight", "down_proj.weight")
                    .add("down_proj.bias", "down_proj.bias");
        }
        int use = 0;
        for (int i = 0; i < options.stack().pattern().size(); i++) {
            CommonTensors.mamba2(SharedTransformerKeys.mixer(options, table, i));
            if (options.stack().pattern().layers().get(i) == LayerSymbol.SHARED) {
                int owner = owners.get(use % options.stack().shared().blocks());
                mapAdapters(table.layer(i, prefix(owner)).in("addition", ""), use);
                use++;
            }
        }
    }

    private static void mapAdapters(TensorTable table, int use) {
        for (String name : List.of("q", "k", "v")) {
            String stored = "self_attn.linear_" + name + "_adapter_list." + use;
            table.add(name + "_adapter.down.weight", stored + ".0.weight")
                    .add(name + "_adapter.up.weight", stored + ".1.weight");
        }
        String stored = "feed_forward.gate_up_proj_adapter_list." + use;
        table.add("gate_up_adapter.down.weight", stored + ".0.weight")
                .add("gate_up_adapter.up.weight", stored + ".1.weight");
    }

    private static String prefix(int layer) {
        return "model.layers." + layer + ".shared_transformer.";
    }
}
