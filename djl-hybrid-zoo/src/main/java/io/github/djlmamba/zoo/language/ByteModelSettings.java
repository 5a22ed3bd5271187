/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.language;

import ai.djl.MalformedModelException;
import io.github.djlmamba.hybrid.LayerPattern;
import io.github.djlmamba.language.LanguageModelOptions;
import io.github.djlmamba.zoo.huggingface.HuggingFaceCheckpoint;
import io.github.djlmamba.zoo.huggingface.Mamba2HybridSettings;
import io.github.djlmamba.zoo.huggingface.ModelConfig;
import io.github.djlmamba.zoo.training.SettingsCheck;
import org.apiguardian.api.API;

/**
 * What a byte-level Mamba-2-Hybrid is made of: a {@link Mamba2HybridSettings} over the 256 values
 * of a byte, with the heads of attention as large as the model size allows, an MLP of four times
 * the model size and one group of heads in Mamba-2.
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
        SettingsCheck.require(modelSize >= 1, "the model size", modelSize, "at least 1");
        SettingsCheck.require(heads >= 1, "the number of heads", heads, "at least 1");
        SettingsCheck.require(
                modelSize % heads == 0, "the number of heads", heads, "a divisor of " + modelSize);
        // Parses the pattern, and checks that the rest fits.
        options(pattern, modelSize, stateSize, stateHeadSize, heads, keyValueHeads);
    }

    /**
     * Returns the settings of the language model.
     *
     * @return the options
     */
    public LanguageModelOptions options() {
        return options(pattern, modelSize, stateSize, stateHeadSize, heads, keyValueHeads);
    }

    /**
     * Returns the configuration under which the model is stored.
     *
     * @return what config.json holds
     */
    public ModelConfig config() {
        return config(pattern, modelSize, stateSize, stateHeadSize, heads, keyValueHeads);
    }

    private static LanguageModelOptions options(
            String pattern,
            int modelSize,
            int stateSize,
            int stateHeadSize,
            int heads,
            int keyValueHeads) {
        try {
            return HuggingFaceCheckpoint.newModel(
                            config(
                                    pattern,
                                    modelSize,
                                    stateSize,
                                    stateHeadSize,
                                    heads,
                                    keyValueHeads))
                    .options();
        } catch (MalformedModelException e) {
            throw new IllegalArgumentException(e.getMessage(), e);
        }
    }

    private static ModelConfig config(
            String pattern,
            int modelSize,
            int stateSize,
            int stateHeadSize,
            int heads,
            int keyValueHeads) {
        return new Mamba2HybridSettings(
                        VOCABULARY_SIZE,
                        modelSize,
                        LayerPattern.parse(pattern),
                        heads,
                        keyValueHeads,
                        modelSize / heads,
                        4 * modelSize,
                        stateSize,
                        stateHeadSize,
                        1)
                .config();
    }
}
