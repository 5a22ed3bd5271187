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
import io.github.djlmamba.hybrid.HybridStackOptions;
import io.github.djlmamba.hybrid.LayerPattern;
import io.github.djlmamba.hybrid.LayerSymbol;
import io.github.djlmamba.hybrid.ParallelMixerOptions;
import io.github.djlmamba.language.LanguageModelOptions;
import io.github.djlmamba.state.MixerOptions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Checkpoints whose layers have a mixer and a feed-forward part, each with a norm before it. In a
 * {@link LayerPattern} these are two layers.
 */
final class DecoderLayers {

    private static final double DEFAULT_EPSILON = 1e-5;

    private DecoderLayers() {}

    /** The rows of the feed-forward part of a layer. */
    @FunctionalInterface
    interface FeedForward {

        /** Adds the rows for the block of a layer of a kind. */
        void map(TensorTable layer, LayerSymbol kind);
    }

    /** Returns the settings of a stack in which a feed-forward part follows each mixer. */
    static HybridStackOptions stack(
            ModelConfig config,
            List<LayerSymbol> mixers,
            List<LayerSymbol> feedForward,
            Map<LayerSymbol, MixerOptions> options)
            throws MalformedModelException {
        List<LayerSymbol> pattern = new ArrayList<>();
        for (int i = 0; i < mixers.size(); i++) {
            pattern.add(mixers.get(i));
            pattern.add(feedForward.get(i));
        }
        return new HybridStackOptions(
                config.size("hidden_size"),
                new LayerPattern(pattern),
                options,
                CommonKeys.rmsNorm(config, "rms_norm_eps", DEFAULT_EPSILON),
                0,
                true);
    }

    /** Adds the rows of all layers. */
    static void map(
            LanguageModelOptions options,
            TensorTable table,
            String feedForwardNorm,
            FeedForward feedForward) {
        HybridStackOptions stack = options.stack();
        List<LayerSymbol> kinds = stack.pattern().layers();
        for (int i = 0; i < kinds.size(); i += 2) {
            String prefix = "model.layers." + i / 2 + ".";
            TensorTable mixer = table.layer(i, prefix).add("norm.weight", "input_layernorm.weight");
            mapMixer(mixer, "mixer", stack.mixers().get(kinds.get(i)));
            TensorTable second = table.layer(i + 1, prefix).add("norm.weight", feedForwardNorm);
            feedForward.map(second, kinds.get(i + 1));
        }
    }

    private static void mapMixer(TensorTable layer, String path, MixerOptions options) {
        if (options instanceof ParallelMixerOptions parallel) {
            for (int i = 0; i < parallel.branches().size(); i++) {
                mapMixer(layer, path + ".branch[" + i + "]", parallel.branches().get(i).mixer());
            }
        } else if (options instanceof AttentionOptions attention) {
            CommonTensors.attention(layer.in(path, "self_attn."), attention);
        } else {
            CommonTensors.stateSpace(layer.in(path, "mamba."), options);
        }
    }
}
