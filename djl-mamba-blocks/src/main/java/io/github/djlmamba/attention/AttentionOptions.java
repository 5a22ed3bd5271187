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
 * @param heads the number of query heads H
 * @param keyValueHeads the number of key and value heads K, which divides H; 0 for H
 * @param headSize the size P of a head; 0 for M / H, where H divides the model size M
 * @param bias whether the projections have a bias
 * @param scale the factor of the products of queries and keys; 0 for 1/sqrt(P)
 * @param window the number of keys that a query reads at most, its own included; 0 for all
 * @param rotary how positions turn queries and keys; null for no positions
 * @param initialDeviation the standard deviation of normal initial weights; 0 for uniform ones in
 *     +-1/sqrt(M)
 */
@API(status = API.Status.EXPERIMENTAL)
public record AttentionOptions(
        int heads,
        int keyValueHeads,
        int headSize,
        boolean bias,
        double scale,
        long window,
        RotaryOptions rotary,
        double initialDeviation)
        implements MixerOptions {

    /** Eight heads with bias, without positions, and uniform initial weights. */
    public static final AttentionOptions DEFAULTS =
            new AttentionOptions(8, 0, 0, true, 0, 0, null, 0);

    /** As {@link #DEFAULTS}, with GPT-2's initial weights: normal, deviation 0.02. */
    public static final AttentionOptions GPT2 = DEFAULTS.withInitialDeviation(0.02);

    /**
     * Checks the settings.
     *
     * @throws IllegalArgumentException if one is out of range
     */
    public AttentionOptions {
        check(heads > 0, "the number of heads is " + heads + "; expected 1 or more");
        check(
                keyValueHeads == 0 || (keyValueHeads > 0 && heads % keyValueHeads == 0),
                "the number of key and value heads is "
                        + keyValueHeads
                        + "; expected a divisor of the "
                        + heads
                        + " heads, or 0 for as many");
        check(
                headSize >= 0,
                "the head size is " + headSize + "; expected 1 or more, or 0 for M / H");
        check(
                Double.isFinite(scale),
                "the scale is " + scale + "; expected a number, or 0 for 1/sqrt(P)");
        check(window >= 0, "the window is " + window + "; expected 1 or more, or 0 for none");
        check(
                initialDeviation >= 0 && !Double.isInfinite(initialDeviation),
                "the initial deviation is "
                        + initialDeviation
                        + "; expected 0 for uniform weights, or a positive number");
    }

    private static void check(boolean fits, String otherwise) {
        if (!fits) {
            throw new IllegalArgumentException("attention: " + otherwise);
        }
    }

    /**
     * Returns these settings with another number of query heads.
     *
     * @param number H
     * @return the settings
     */
    public AttentionOptions withHeads(int number) {
        return new AttentionOptions(
                number, keyValueHeads, headSize, bias, scale, window, rotary, initialDeviation);
    }

    /**
     * Returns these settings with another number of key and value heads.
     *
     * @param number K, or 0 for as many as query heads
     * @return the settings
     */
    public AttentionOptions withKeyValueHeads(int number) {
        return new AttentionOptions(
                heads, number, headSize, bias, scale, window, rotary, initialDeviation);
    }

    /**
     * Returns these settings with another head size.
     *
     * @param size P, or 0 for M / H
     * @return the settings
     */
    public AttentionOptions withHeadSize(int size) {
        return new AttentionOptions(
                heads, keyValueHeads, size, bias, scale, window, rotary, initialDeviation);
    }

    /**
     * Returns these settings with or without a bias.
     *
     * @param newBias true for a bias
     * @return the settings
     */
    public AttentionOptions withBias(boolean newBias) {
        return new AttentionOptions(
                heads, keyValueHeads, headSize, newBias, scale, window, rotary, initialDeviation);
    }

    /**
     * Returns these settings with another factor of the products.
     *
     * @param newScale the factor, or 0 for 1/sqrt(P)
     * @return the settings
     */
    public AttentionOptions withScale(double newScale) {
        return new AttentionOptions(
                heads, keyValueHeads, headSize, bias, newScale, window, rotary, initialDeviation);
    }

    /**
     * Returns these settings with another window.
     *
     * @param newWindow the number of keys, or 0 for all
     * @return the settings
     */
    public AttentionOptions withWindow(long newWindow) {
        return new AttentionOptions(
                heads, keyValueHeads, headSize, bias, scale, newWindow, rotary, initialDeviation);
    }

    /**
     * Returns these settings with other positions.
     *
     * @param newRotary how they turn queries and keys, or null for none
     * @return the settings
     */
    public AttentionOptions withRotary(RotaryOptions newRotary) {
        return new AttentionOptions(
                heads, keyValueHeads, headSize, bias, scale, window, newRotary, initialDeviation);
    }

    /**
     * Returns these settings with other initial weights.
     *
     * @param deviation the standard deviation, or 0 for uniform weights
     * @return the settings
     */
    public AttentionOptions withInitialDeviation(double deviation) {
        return new AttentionOptions(
                heads, keyValueHeads, headSize, bias, scale, window, rotary, deviation);
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
