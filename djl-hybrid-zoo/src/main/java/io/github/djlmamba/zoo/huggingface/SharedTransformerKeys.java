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
import com.google.gson.JsonPrimitive;
import io.github.djlmamba.attention.AttentionOptions;
import io.github.djlmamba.feedforward.GatedMlpOptions;
import io.github.djlmamba.hybrid.LayerPattern;
import io.github.djlmamba.hybrid.LayerSymbol;
import io.github.djlmamba.hybrid.SharedTransformerOptions;
import io.github.djlmamba.language.LanguageModelOptions;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** The keys and tensors of families whose layers share transformer blocks: zamba and zamba2. */
final class SharedTransformerKeys {

    private SharedTransformerKeys() {}

    /**
     * Returns the kinds of the layers.
     *
     * @param config the configuration
     * @param otherwise the places of the layers with a shared block where layers_block_type is
     *     absent
     */
    static LayerPattern pattern(ModelConfig config, Set<Integer> otherwise)
            throws MalformedModelException {
        int layers = CommonKeys.layers(config);
        List<LayerSymbol> pattern = new ArrayList<>();
        if (config.has("layers_block_type")) {
            for (String type : config.texts("layers_block_type")) {
                pattern.add(symbol(config, type));
            }
        } else {
            for (int i = 0; i < layers; i++) {
                pattern.add(otherwise.contains(i) ? LayerSymbol.SHARED : LayerSymbol.MAMBA);
            }
        }
        if (pattern.size() != layers) {
            throw config.wrong("layers_block_type", "one type for each of " + layers + " layers");
        }
        return new LayerPattern(pattern);
    }

    private static LayerSymbol symbol(ModelConfig config, String type)
            throws MalformedModelException {
        return switch (type) {
            case "mamba", "linear_attention" -> LayerSymbol.MAMBA;
            case "hybrid" -> LayerSymbol.SHARED;
            default ->
                    throw config.wrong(
                            "layers_block_type",
                            "names out of mamba, linear_attention and hybrid, not "
                                    + new JsonPrimitive(type));
        };
    }

    /** Returns the settings of the shared blocks, of which there is one, without adapters. */
    static SharedTransformerOptions options(ModelConfig config) throws MalformedModelException {
        int size = config.size("hidden_size");
        int joined = Math.multiplyExact(2, size);
        if (config.size("attention_hidden_size", joined) != joined) {
            throw config.wrong("attention_hidden_size", "twice the hidden_size, " + joined);
        }
        int heads = config.size("num_attention_heads");
        int keyValueHeads = config.size("num_key_value_heads", heads);
        if (heads % keyValueHeads != 0) {
            throw config.wrong("num_key_value_heads", "a divisor of num_attention_heads, " + heads);
        }
        int headSize = config.size("attention_head_dim", Math.max(1, joined / heads));
        AttentionOptions attention =
                AttentionOptions.DEFAULTS
                        .withHeads(heads)
                        .withKeyValueHeads(keyValueHeads)
                        .withHeadSize(headSize)
                        .withScale(1 / Math.sqrt(headSize / 2.0))
                        .withBias(false);
        GatedMlpOptions mlp =
                GatedMlpOptions.DEFAULTS
                        .withHiddenSize(
                                config.size("intermediate_size", Math.multiplyExact(4, size)))
                        .withActivation(CommonKeys.activation(config, "hidden_act", "gelu"));
        return SharedTransformerOptions.DEFAULTS.withAttention(attention).withMlp(mlp);
    }

    /**
     * Adds the tensors of what stands around the mixers.
     *
     * @return the place of the first layer that uses each shared block, whose name the block has
     */
    static List<Integer> map(LanguageModelOptions options, TensorTable table) {
        CommonTensors.ends(
                options, table, "model.embed_tokens.weight", "model.final_layernorm.weight");
        List<Integer> owners = new ArrayList<>();
        List<LayerSymbol> layers = options.stack().pattern().layers();
        for (int i = 0; i < layers.size(); i++) {
            boolean shared = layers.get(i) == LayerSymbol.SHARED;
            TensorTable layer = table.layer(i, "model.layers." + i + ".");
            layer.add("norm.weight", (shared ? "mamba_decoder." : "") + "input_layernorm.weight");
            if (shared) {
                layer.add("addition.linear.weight", "linear.weight");
                if (owners.size() < options.stack().shared().blocks()) {
                    owners.add(i);
                }
            }
        }
        return owners;
    }

    /** Returns where the mixer's tensors of a layer stand. */
    static TensorTable mixer(LanguageModelOptions options, TensorTable table, int layer) {
        boolean shared = options.stack().pattern().layers().get(layer) == LayerSymbol.SHARED;
        return table.layer(layer, "model.layers." + layer + ".")
                .in("mixer", (shared ? "mamba_decoder." : "") + "mamba.");
    }

    /**
     * Adds the tensors of a shared block but for its MLP, which families store differently.
     *
     * @return the table for the MLP
     */
    static TensorTable mapBlock(
            LanguageModelOptions options, TensorTable table, int block, String prefix) {
        table.shared(block, prefix)
                .add("attention_norm.weight", "input_layernorm.weight")
                .add("mlp_norm.weight", "pre_ff_layernorm.weight");
        CommonTensors.attention(
                table.shared(block, prefix + "self_attn."), options.stack().shared().attention());
        return table.shared(block, prefix + "feed_forward.");
    }
}
