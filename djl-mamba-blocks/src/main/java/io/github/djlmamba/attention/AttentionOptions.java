/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.attention;

import io.github.djlmamba.state.MixerOptions;
import io.github.djlmamba.state.SequenceMixer;
import org.apiguardian.api.API;

/**
 * The settings of a {@link CausalSelfAttentionBlock}. Immutable and thread safe.
 *
 * @param heads the number of query heads H, which divides the model size
 * @param keyValueHeads the number of key and value heads K, which divides H; 0 for H
 * @param bias whether the projections have a bias
 * @param initialDeviation the standard deviation of normal initial weights; 0 for uniform ones in
 *     +-1/sqrt(M)
 */
@API(status = API.Status.EXPERIMENTAL)
public record AttentionOptions(int heads, int keyValueHeads, boolean bias, double initialDeviation)
        implements MixerOptions {

    /** Eight heads with bias, and uniform initial weights. */
    public static final AttentionOptions DEFAULTS = new AttentionOptions(8, 0, true, 0);

    /** As {@link #DEFAULTS}, with GPT-2's initial weights: normal, deviation 0.02. */
    public static final AttentionOptions GPT2 = DEFAULTS.withInitialDeviation(0.02);

    /**
     * Checks the settings.
     *
     * @throws IllegalArgumentException if one is out of range
     */
    public AttentionOptions {
        if (heads <= 0) {
            throw new IllegalArgumentException(
                    "attention: the number of heads is " + heads + "; expected 1 or more");
        }
        if (keyValueHeads < 0 || (keyValueHeads > 0 && heads % keyValueHeads != 0)) {
            throw new IllegalArgumentException(
                    "attention: the number of key and value heads is "
                            + keyValueHeads
                            + "; expected a divisor of the "
                            + heads
                            + " heads, or 0 for as many");
        }
        if (!(initialDeviation >= 0) || Double.isInfinite(initialDeviation)) {
            throw new IllegalArgumentException(
                    "attention: the initial deviation is "
                            + initialDeviation
                            + "; expected 0 for uniform weights, or a positive number");
        }
    }

    /**
     * Returns these settings with another number of query heads.
     *
     * @param number H
     * @return the settings
     */
    public AttentionOptions withHeads(int number) {
        return new AttentionOptions(number, keyValueHeads, bias, initialDeviation);
    }

    /**
     * Returns these settings with another number of key and value heads.
     *
     * @param number K, or 0 for as many as query heads
     * @return the settings
     */
    public AttentionOptions withKeyValueHeads(int number) {
        return new AttentionOptions(heads, number, bias, initialDeviation);
    }

    /**
     * Returns these settings with or without a bias.
     *
     * @param newBias true for a bias
     * @return the settings
     */
    public AttentionOptions withBias(boolean newBias) {
        return new AttentionOptions(heads, keyValueHeads, newBias, initialDeviation);
    }

    /**
     * Returns these settings with other initial weights.
     *
     * @param deviation the standard deviation, or 0 for uniform weights
     * @return the settings
     */
    public AttentionOptions withInitialDeviation(double deviation) {
        return new AttentionOptions(heads, keyValueHeads, bias, deviation);
    }

    /** {@inheritDoc} */
    @Override
    public SequenceMixer newMixer(long modelSize, double outputScale) {
        return CausalSelfAttentionBlock.builder()
                .setModelSize(modelSize)
                .optOptions(this)
                .optOutputScale(outputScale)
                .build();
    }
}
