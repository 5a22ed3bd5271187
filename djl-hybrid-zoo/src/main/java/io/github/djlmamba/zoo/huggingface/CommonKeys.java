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
import io.github.djlmamba.feedforward.MlpActivation;
import io.github.djlmamba.hybrid.HybridStackOptions;
import io.github.djlmamba.language.LanguageModelOptions;
import io.github.djlmamba.norm.NormOptions;
import io.github.djlmamba.ssm.Mamba2Options;
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

    /**
     * Returns how positions turn queries and keys: by rope_parameters, or by the older keys beside
     * it.
     */
    static RotaryOptions rotary(ModelConfig config) throws MalformedModelException {
        for (String key : List.of("rope_parameters", "rope_scaling")) {
            ModelConfig section = config.section(key);
            section.choice("rope_type", "default", List.of("default"));
            section.choice("type", "default", List.of("default"));
        }
        ModelConfig parameters = config.section("rope_parameters");
        double base = config.positive("rope_theta", RotaryOptions.DEFAULTS.base());
        double fraction = config.positive("partial_rotary_factor", 1);
        double ofHead = parameters.positive("partial_rotary_factor", fraction);
        if (ofHead > 1) {
            throw config.wrong("partial_rotary_factor", "a part of 1");
        }
        return RotaryOptions.DEFAULTS
                .withBase(parameters.positive("rope_theta", base))
                .withFraction(ofHead);
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
        if (!(limits.get(0) <= limits.get(1))) {
            throw config.wrong("time_step_limit", "a minimum and a maximum that is not below it");
        }
        return options.withDeltaLimits(limits.get(0), limits.get(1));
    }
}
