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
import io.github.djlmamba.hybrid.LayerSymbol;
import io.github.djlmamba.language.LanguageModelOptions;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;

/**
 * Bamba (IBM, Princeton, CMU and UIUC, 2024): Mamba-2 and attention with positions that turn half
 * of each head, each followed by a gated MLP.
 */
final class BambaFamily implements CheckpointFamily {

    /** {@inheritDoc} */
    @Override
    public String modelType() {
        return "bamba";
    }

    /** {@inheritDoc} */
    @Override
    public LanguageModelOptions options(ModelConfig config) throws MalformedModelException {
        List<LayerSymbol> mixers = mixers(config);
        AttentionOptions attention = CommonKeys.attention(config);
        return CommonKeys.model(
                config,
                DecoderLayers.stack(
                        config,
                        mixers,
                        Collections.nCopies(mixers.size(), LayerSymbol.MLP),
                        Map.of(
                                LayerSymbol.MAMBA,
                                CommonKeys.mamba2(
                                        config, CommonKeys.expanded(config, "mamba_expand")),
                                LayerSymbol.ATTENTION,
                                attention.withRotary(
                                        CommonKeys.rotary(config, attention.headSize(), 0.5)),
                                LayerSymbol.MLP,
                                CommonKeys.gatedMlp(config, "intermediate_size"))),
                false);
    }

    private static List<LayerSymbol> mixers(ModelConfig config) throws MalformedModelException {
        int layers = CommonKeys.layers(config);
        List<LayerSymbol> mixers = new ArrayList<>(Collections.nCopies(layers, LayerSymbol.MAMBA));
        if (config.has("attn_layer_indices")) {
            for (int index : config.counts("attn_layer_indices")) {
                if (index >= layers) {
                    throw config.wrong(
                            "attn_layer_indices", "indices below the " + layers + " layers");
                }
                mixers.set(index, LayerSymbol.ATTENTION);
            }
        }
        return mixers;
    }

    /** {@inheritDoc} */
    @Override
    public void map(ModelConfig config, LanguageModelOptions options, TensorTable table) {
        CommonTensors.ends(
                options, table, "model.embed_tokens.weight", "model.final_layernorm.weight");
        DecoderLayers.map(
                options,
                table,
                "pre_ff_layernorm.weight",
                (layer, kind) -> CommonTensors.gatedMlp(layer.in("mixer", "feed_forward.")));
    }
}
