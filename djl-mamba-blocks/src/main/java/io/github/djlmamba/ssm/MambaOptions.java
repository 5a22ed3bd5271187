/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.ssm;

import io.github.djlmamba.state.MixerOptions;
import io.github.djlmamba.state.SequenceMixer;
import org.apiguardian.api.API;

/**
 * The settings of a {@link MambaBlock}. Immutable and thread safe.
 *
 * @param stateSize the number of states N of each channel
 * @param convolutionWidth the width W of the convolution
 * @param expansion the number of channels as a multiple of the model size
 * @param deltaRank the rank R of delta's projection; 0 for a sixteenth of the model size, rounded
 *     up
 * @param projectionBias whether the input and output projections have a bias
 * @param convolutionBias whether the convolution has a bias
 */
@API(status = API.Status.EXPERIMENTAL)
public record MambaOptions(
        int stateSize,
        int convolutionWidth,
        int expansion,
        int deltaRank,
        boolean projectionBias,
        boolean convolutionBias)
        implements MixerOptions {

    /** The paper's settings: N 16, W 4, twofold expansion, R = ceil(M / 16). */
    public static final MambaOptions DEFAULTS = new MambaOptions(16, 4, 2, 0, false, true);

    /**
     * Checks the settings.
     *
     * @throws IllegalArgumentException if one is out of range
     */
    public MambaOptions {
        checkPositive("state size", stateSize);
        checkPositive("convolution width", convolutionWidth);
        checkPositive("expansion", expansion);
        if (deltaRank < 0) {
            throw new IllegalArgumentException(
                    "Mamba: the rank of delta is "
                            + deltaRank
                            + "; expected 1 or more, or 0 for a sixteenth of the model size");
        }
    }

    private static void checkPositive(String name, int value) {
        if (value <= 0) {
            throw new IllegalArgumentException(
                    "Mamba: the " + name + " is " + value + "; expected 1 or more");
        }
    }

    /**
     * Returns the rank of delta for a model size.
     *
     * @param modelSize M
     * @return R
     */
    public long deltaRankFor(long modelSize) {
        return deltaRank > 0 ? deltaRank : (modelSize + 15) / 16;
    }

    /**
     * Returns these settings with another number of states.
     *
     * @param size N
     * @return the settings
     */
    public MambaOptions withStateSize(int size) {
        return new MambaOptions(
                size, convolutionWidth, expansion, deltaRank, projectionBias, convolutionBias);
    }

    /**
     * Returns these settings with another width of the convolution.
     *
     * @param width W
     * @return the settings
     */
    public MambaOptions withConvolutionWidth(int width) {
        return new MambaOptions(
                stateSize, width, expansion, deltaRank, projectionBias, convolutionBias);
    }

    /**
     * Returns these settings with another number of channels.
     *
     * @param factor the channels as a multiple of the model size
     * @return the settings
     */
    public MambaOptions withExpansion(int factor) {
        return new MambaOptions(
                stateSize, convolutionWidth, factor, deltaRank, projectionBias, convolutionBias);
    }

    /**
     * Returns these settings with another rank of delta.
     *
     * @param rank R, or 0 for a sixteenth of the model size
     * @return the settings
     */
    public MambaOptions withDeltaRank(int rank) {
        return new MambaOptions(
                stateSize, convolutionWidth, expansion, rank, projectionBias, convolutionBias);
    }

    /**
     * Returns these settings with or without a bias in the input and output projections.
     *
     * @param bias true for a bias
     * @return the settings
     */
    public MambaOptions withProjectionBias(boolean bias) {
        return new MambaOptions(
                stateSize, convolutionWidth, expansion, deltaRank, bias, convolutionBias);
    }

    /**
     * Returns these settings with or without a bias in the convolution.
     *
     * @param bias true for a bias
     * @return the settings
     */
    public MambaOptions withConvolutionBias(boolean bias) {
        return new MambaOptions(
                stateSize, convolutionWidth, expansion, deltaRank, projectionBias, bias);
    }

    /** {@inheritDoc} */
    @Override
    public SequenceMixer newMixer(long modelSize, double outputScale) {
        return MambaBlock.builder()
                .setModelSize(modelSize)
                .optOptions(this)
                .optOutputScale(outputScale)
                .build();
    }
}
