/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.language;

import ai.djl.translate.ArgumentsUtil;
import io.github.djlmamba.attention.AttentionOptions;
import io.github.djlmamba.feedforward.MlpActivation;
import io.github.djlmamba.feedforward.MlpOptions;
import io.github.djlmamba.hybrid.HybridStackOptions;
import io.github.djlmamba.hybrid.LayerPattern;
import io.github.djlmamba.hybrid.LayerSymbol;
import io.github.djlmamba.language.LanguageModelOptions;
import io.github.djlmamba.ssm.Mamba2Options;
import io.github.djlmamba.zoo.training.SettingsCheck;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apiguardian.api.API;

/**
 * What a byte-level Mamba-2-Hybrid is made of: the model of Waleffe et al. (2024), "An Empirical
 * Study of Mamba-based Language Models", section 3, over the 256 values of a byte. Root mean square
 * norms, no biases in projections, grouped queries, no positions, a GELU in MLPs.
 *
 * @param pattern the layers: M (Mamba-2), * (attention) and - (MLP)
 * @param modelSize the width of the residual stream
 * @param stateSize the state size N of Mamba-2
 * @param stateHeadSize the channels of a head of Mamba-2, which has twice the width in channels
 * @param heads the query heads of attention
 * @param keyValueHeads the key and value heads, a divisor of the heads
 */
@API(status = API.Status.EXPERIMENTAL)
public record ByteModelSettings(
        String pattern,
        int modelSize,
        int stateSize,
        int stateHeadSize,
        int heads,
        int keyValueHeads) {

    /** The number of tokens: the values of a byte. */
    public static final int VOCABULARY_SIZE = 256;

    /**
     * Checks the settings.
     *
     * @throws IllegalArgumentException if one is missing or out of its range, or they do not fit
     *     each other
     */
    public ByteModelSettings {
        LayerPattern layers = LayerPattern.parse(pattern);
        SettingsCheck.require(modelSize >= 1, "the model size", modelSize, "at least 1");
        SettingsCheck.require(heads >= 1, "the number of heads", heads, "at least 1");
        SettingsCheck.require(
                modelSize % heads == 0, "the number of heads", heads, "a divisor of " + modelSize);
        SettingsCheck.require(
                keyValueHeads >= 1 && heads % keyValueHeads == 0,
                "the number of key and value heads",
                keyValueHeads,
                "a divisor of the " + heads + " heads");
        if (layers.count(LayerSymbol.EXPERTS) > 0) {
            throw new IllegalArgumentException(
                    "the pattern \""
                            + pattern
                            + "\" has layers of experts; a byte model takes M (Mamba-2), *"
                            + " (attention) and - (MLP)");
        }
        Mamba2Options.DEFAULTS
                .withStateSize(stateSize)
                .withHeadSize(stateHeadSize)
                .channelsFor(modelSize);
    }

    /**
     * Reads the settings from a stored model's arguments.
     *
     * @param arguments the arguments, numbers or strings
     * @return the settings
     * @throws IllegalArgumentException if one is missing or out of its range
     */
    public static ByteModelSettings fromArguments(Map<String, ?> arguments) {
        for (String key :
                new String[] {
                    "pattern", "modelSize", "stateSize", "stateHeadSize", "heads", "keyValueHeads"
                }) {
            if (arguments.get(key) == null) {
                throw new IllegalArgumentException(
                        "the model's metadata or serving.properties do not name \"" + key + "\"");
            }
        }
        return new ByteModelSettings(
                ArgumentsUtil.stringValue(arguments, "pattern", null),
                ArgumentsUtil.intValue(arguments, "modelSize"),
                ArgumentsUtil.intValue(arguments, "stateSize"),
                ArgumentsUtil.intValue(arguments, "stateHeadSize"),
                ArgumentsUtil.intValue(arguments, "heads"),
                ArgumentsUtil.intValue(arguments, "keyValueHeads"));
    }

    /**
     * Returns the settings under the names that {@link #fromArguments} reads.
     *
     * @return the arguments, in order
     */
    public Map<String, Object> toArguments() {
        Map<String, Object> arguments = new LinkedHashMap<>();
        arguments.put("pattern", pattern);
        arguments.put("modelSize", modelSize);
        arguments.put("stateSize", stateSize);
        arguments.put("stateHeadSize", stateHeadSize);
        arguments.put("heads", heads);
        arguments.put("keyValueHeads", keyValueHeads);
        return arguments;
    }

    /**
     * Returns the settings of the language model.
     *
     * @return the options
     */
    public LanguageModelOptions options() {
        return LanguageModelOptions.of(
                VOCABULARY_SIZE,
                HybridStackOptions.mamba2Hybrid(modelSize, LayerPattern.parse(pattern))
                        .withMixer(
                                LayerSymbol.MAMBA,
                                Mamba2Options.DEFAULTS
                                        .withStateSize(stateSize)
                                        .withHeadSize(stateHeadSize))
                        .withMixer(
                                LayerSymbol.ATTENTION,
                                AttentionOptions.DEFAULTS
                                        .withHeads(heads)
                                        .withKeyValueHeads(keyValueHeads)
                                        .withBias(false))
                        .withMixer(
                                LayerSymbol.MLP,
                                MlpOptions.DEFAULTS
                                        .withActivation(MlpActivation.GELU)
                                        .withBias(false)));
    }
}
