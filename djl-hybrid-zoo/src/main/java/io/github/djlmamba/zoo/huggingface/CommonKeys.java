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
import io.github.djlmamba.attention.RotaryOptions;
import io.github.djlmamba.feedforward.GatedMlpOptions;
import io.github.djlmamba.feedforward.MlpActivation;
import io.github.djlmamba.hybrid.HybridStackOptions;
import io.github.djlmamba.hybrid.LayerSymbol;
import io.github.djlmamba.language.LanguageModelOptions;
import io.github.djlmamba.norm.NormOptions;
import io.github.djlmamba.ssm.Mamba2Options;
import java.util.ArrayList;
import java.util.List;

/** The keys of configurations that several families share. */
final class CommonKeys {

    /** The names of x sigmoid(x). */
    static final List<String> SILU = List.of("silu", "swish");

    /** More layers than any model has, few enough to build. */
    private static final int MAX_LAYERS = 10_000;

    private CommonKeys() {}

    /** Returns the number of layers. */
    static int layers(ModelConfig config) throws MalformedModelException {
        return checkedLayers(config, "num_hidden_layers", config.size("num_hidden_layers"));
    }

    /** Returns a number of layers that a key has given, if it is not too large to build. */
    static int checkedLayers(ModelConfig config, String key, int layers)
            throws MalformedModelException {
        if (layers < 1 || layers > MAX_LAYERS) {
            throw config.wrong(key, "1 to " + MAX_LAYERS + " layers");
        }
        return layers;
    }

    /** Returns the norm of each layer. */
    static NormOptions rmsNorm(ModelConfig config, String key, double otherwise)
            throws MalformedModelException {
        return new NormOptions(NormOptions.Kind.RMS_NORM, (float) config.positive(key, otherwise));
    }

    /** Returns the settings of a model around a stack. */
    static LanguageModelOptions model(
            ModelConfig config, HybridStackOptions stack, boolean tiedUnlessSaid)
            throws MalformedModelException {
        return LanguageModelOptions.of(config.size("vocab_size"), stack)
                .withTiedEmbeddings(config.flag("tie_word_embeddings", tiedUnlessSaid));
    }

    /** Returns the function of an MLP. */
    static MlpActivation activation(ModelConfig config, String key, String otherwise)
            throws MalformedModelException {
        List<String> known =
                List.of("gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "silu", "swish");
        return switch (config.choice(key, otherwise, known)) {
            case "gelu" -> MlpActivation.GELU;
            case "relu" -> MlpActivation.RELU;
            case "silu", "swish" -> MlpActivation.SILU;
            default -> MlpActivation.GELU_TANH;
        };
    }

    /** Returns the rank of delta, where "auto" stands for a sixteenth of the model size. */
    static int deltaRank(ModelConfig config, String key) throws MalformedModelException {
        return config.isText(key) && config.text(key).equals("auto") ? 0 : config.size(key);
    }

    /** Returns a mixer's settings with the limits of the step size. */
    static Mamba2Options deltaLimits(ModelConfig config, Mamba2Options options)
            throws MalformedModelException {
        if (!config.has("time_step_limit")) {
            return options;
        }
        List<Double> limits = config.numbers("time_step_limit", 2);
        if (!(limits.get(0) <= limits.get(1)) || limits.get(0) == Double.POSITIVE_INFINITY) {
            throw config.wrong(
                    "time_step_limit", "a finite minimum and a maximum that is not below it");
        }
        for (double limit : limits) {
            // What is finite only in double is not for the ops, which may compute in float.
            if (Float.isInfinite((float) limit) && !Double.isInfinite(limit)) {
                throw config.wrong("time_step_limit", "numbers up to 3e38, or Infinity");
            }
        }
        return options.withDeltaLimits(limits.get(0), limits.get(1));
    }

    /** Returns the settings of attention, without positions. */
    static AttentionOptions attention(ModelConfig config) throws MalformedModelException {
        int size = config.size("hidden_size");
        int heads = config.size("num_attention_heads");
        int keyValueHeads = config.size("num_key_value_heads", heads);
        if (heads % keyValueHeads != 0) {
            throw config.wrong(
                    "num_key_value_heads", "a divisor of the " + heads + " attention heads");
        }
        if (!config.has("head_dim") && size % heads != 0) {
            throw config.wrong("num_attention_heads", "a divisor of the hidden size " + size);
        }
        if (config.has("sliding_window")) {
            throw config.wrong("sliding_window", "null, since no family here has a window");
        }
        return AttentionOptions.DEFAULTS
                .withHeads(heads)
                .withKeyValueHeads(keyValueHeads)
                .withHeadSize(config.size("head_dim", size / heads))
                .withBias(config.flag("attention_bias", false));
    }

    /**
     * Returns rotary positions: by "rope_parameters", as newer configurations have them, or by keys
     * of their own.
     */
    static RotaryOptions rotary(ModelConfig config, int headSize, double fractionUnlessSaid)
            throws MalformedModelException {
        ModelConfig rope = config.section("rope_parameters");
        rope.choice("rope_type", "default", List.of("default"));
        if (config.has("rope_scaling")) {
            throw config.wrong("rope_scaling", "null, since scaled positions are not supported");
        }
        double base =
                rope.positive(
                        "rope_theta", config.positive("rope_theta", RotaryOptions.DEFAULTS.base()));
        double fraction =
                config.has("attn_rotary_emb")
                        ? config.size("attn_rotary_emb") / (double) headSize
                        : fractionUnlessSaid;
        String key = "partial_rotary_factor";
        fraction = rope.positive(key, config.positive(key, fraction));
        long rotated = (long) (headSize * fraction);
        if (fraction > 1 || rotated < 2 || rotated % 2 != 0) {
            throw (rope.has(key) ? rope : config)
                    .wrong(
                            rope.has(key) || config.has(key) ? key : "attn_rotary_emb",
                            "a part of the head size "
                                    + headSize
                                    + " that is an even number of at least 2");
        }
        return RotaryOptions.DEFAULTS.withBase(base).withFraction(fraction);
    }

    /** Returns the settings of a gated MLP. */
    static GatedMlpOptions gatedMlp(ModelConfig config, String sizeKey)
            throws MalformedModelException {
        config.choice("hidden_act", "silu", SILU);
        return GatedMlpOptions.DEFAULTS
                .withHiddenSize(config.size(sizeKey))
                .withBias(config.flag("mlp_bias", false));
    }

    /** Returns the settings of a Mamba-2 mixer whose keys start with "mamba_". */
    static Mamba2Options mamba2(ModelConfig config, int channels) throws MalformedModelException {
        config.choice("hidden_act", "silu", SILU);
        int heads = config.size("mamba_n_heads", 128);
        String headKey = "mamba_d_head";
        boolean auto =
                !config.has(headKey)
                        || config.isText(headKey) && "auto".equals(config.text(headKey));
        int headSize = auto ? channels / heads : config.size(headKey);
        if ((long) heads * headSize != channels) {
            throw config.wrong(
                    auto ? "mamba_n_heads" : headKey,
                    "heads that make " + channels + " channels together");
        }
        int groups = config.size("mamba_n_groups", 1);
        if (heads % groups != 0) {
            throw config.wrong("mamba_n_groups", "a divisor of the " + heads + " heads");
        }
        return deltaLimits(config, Mamba2Options.DEFAULTS)
                .withStateSize(config.size("mamba_d_state", 256))
                .withHeadSize(headSize)
                .withChannels(channels)
                .withGroups(groups)
                .withConvolutionWidth(config.size("mamba_d_conv", 4))
                .withProjectionBias(config.flag("mamba_proj_bias", false))
                .withConvolutionBias(config.flag("mamba_conv_bias", true))
                .withNorm(
                        Mamba2Options.Norm.AFTER_GATE,
                        false,
                        (float) config.positive("rms_norm_eps", 1e-5));
    }

    /** Returns how many experts a token has, out of so many. */
    static int expertsPerToken(ModelConfig config, int among) throws MalformedModelException {
        int number = config.size("num_experts_per_tok", Math.min(2, among));
        if (number > among) {
            throw config.wrong("num_experts_per_tok", "1 to " + among);
        }
        return number;
    }

    /** Returns the channels of a Mamba mixer as a multiple of the hidden size. */
    static int expanded(ModelConfig config, String key) throws MalformedModelException {
        long channels = (long) config.size(key, 2) * config.size("hidden_size");
        if (channels > Integer.MAX_VALUE) {
            throw config.wrong(key, "a small multiple of the hidden size");
        }
        return (int) channels;
    }

    /** Returns the kinds of layers that a list names, by their older or newer names. */
    static List<LayerSymbol> kinds(ModelConfig config, String key) throws MalformedModelException {
        List<LayerSymbol> kinds = new ArrayList<>();
        for (String name : config.texts(key)) {
            switch (name) {
                case "mamba", "mamba2", "linear_attention" -> kinds.add(LayerSymbol.MAMBA);
                case "attention", "full_attention" -> kinds.add(LayerSymbol.ATTENTION);
                case "mlp" -> kinds.add(LayerSymbol.MLP);
                case "moe" -> kinds.add(LayerSymbol.EXPERTS);
                default ->
                        throw config.wrong(
                                key,
                                "names out of linear_attention, full_attention, mlp, moe, mamba and"
                                        + " attention, not "
                                        + new JsonPrimitive(name));
            }
        }
        checkedLayers(config, key, kinds.size());
        return kinds;
    }
}
