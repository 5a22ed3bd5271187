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
import io.github.djlmamba.hybrid.ParallelMixerOptions;
import io.github.djlmamba.hybrid.ParallelMixerOptions.Branch;
import io.github.djlmamba.language.LanguageModelOptions;
import io.github.djlmamba.ssm.Mamba2Options;
import java.util.Collections;
import java.util.List;
import java.util.Map;

/**
 * Falcon-H1 (Zuo et al., 2025): Mamba-2 and attention side by side in each layer, then a gated MLP,
 * with fixed factors in many places.
 */
final class FalconH1Family implements CheckpointFamily {

    /** {@inheritDoc} */
    @Override
    public String modelType() {
        return "falcon_h1";
    }

    /** {@inheritDoc} */
    @Override
    public LanguageModelOptions options(ModelConfig config) throws MalformedModelException {
        int layers = CommonKeys.layers(config);
        List<Double> mlp = multipliers(config, "mlp_multipliers", 2);
        ParallelMixerOptions mixer =
                new ParallelMixerOptions(
                        List.of(
                                new Branch(
                                        mamba2(config),
                                        1,
                                        config.multiplier("ssm_out_multiplier", 1)),
                                new Branch(
                                        attention(config),
                                        config.multiplier("attention_in_multiplier", 1),
                                        config.multiplier("attention_out_multiplier", 1))));
        return CommonKeys.model(
                        config,
                        DecoderLayers.stack(
                                config,
                                Collections.nCopies(layers, LayerSymbol.PARALLEL),
                                Collections.nCopies(layers, LayerSymbol.MLP),
                                Map.of(
                                        LayerSymbol.PARALLEL,
                                        mixer,
                                        LayerSymbol.MLP,
                                        CommonKeys.gatedMlp(config, "intermediate_size")
                                                .withMultipliers(mlp.get(0), mlp.get(1)))),
                        false)
                .withEmbeddingMultiplier(config.multiplier("embedding_multiplier", 1))
                .withLogitsMultiplier(config.multiplier("lm_head_multiplier", 1));
    }

    private static AttentionOptions attention(ModelConfig config) throws MalformedModelException {
        AttentionOptions attention = CommonKeys.attention(config);
        // A factor on the keys is one on their products with queries.
        double scale = config.multiplier("key_multiplier", 1) / Math.sqrt(attention.headSize());
        return attention
                .withScale(scale)
                .withRotary(CommonKeys.rotary(config, attention.headSize(), 1));
    }

    private static Mamba2Options mamba2(ModelConfig config) throws MalformedModelException {
        int channels =
                config.has("mamba_d_ssm")
                        ? config.size("mamba_d_ssm")
                        : CommonKeys.expanded(config, "mamba_expand");
        List<Double> parts = multipliers(config, "ssm_multipliers", 5);
        Mamba2Options mixer = CommonKeys.mamba2(config, channels);
        Mamba2Options.Norm norm = Mamba2Options.Norm.NONE;
        boolean before = config.flag("mamba_norm_before_gate", true);
        if (config.flag("mamba_rms_norm", false)) {
            norm = before ? Mamba2Options.Norm.BEFORE_GATE : Mamba2Options.Norm.AFTER_GATE;
        }
        return mixer.withNorm(norm, true, mixer.normEpsilon())
                .withProjectionBias(mixer.inputBias(), config.flag("projectors_bias", false))
                .withMultipliers(
                        new Mamba2Options.Multipliers(
                                config.multiplier("ssm_in_multiplier", 1),
                                parts.get(0),
                                parts.get(1),
                                parts.get(2),
                                parts.get(3),
                                parts.get(4)));
    }

    private static List<Double> multipliers(ModelConfig config, String key, int length)
            throws MalformedModelException {
        if (!config.has(key)) {
            return Collections.nCopies(length, 1.0);
        }
        List<Double> factors = config.numbers(key, length);
        for (double factor : factors) {
            if (!Double.isFinite(factor)) {
                throw config.wrong(key, "a list of " + length + " finite numbers");
            }
        }
        return factors;
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
