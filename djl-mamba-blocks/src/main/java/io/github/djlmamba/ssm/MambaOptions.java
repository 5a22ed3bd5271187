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
 * @param channels the number of channels D whatever the model size; 0 for the multiple
 * @param heads the number of heads H, a divisor of D: neighbouring channels, each head with B, C
 *     and a rank of delta of its own (Glorioso et al., 2024, "Zamba"); 1 as in the paper
 * @param deltaRank the rank R of delta's projection; 0 for a sixteenth of the model size, rounded
 *     up
 * @param projectionBias whether the input and output projections have a bias
 * @param convolutionBias whether the convolution has a bias
 * @param selectionNorm the norm of what the scan's inputs r, B and C are projected to
 * @param selectionEpsilon what that norm adds to the mean square
 */
@API(status = API.Status.EXPERIMENTAL)
public record MambaOptions(
        int stateSize,
        int convolutionWidth,
        int expansion,
        int channels,
        int heads,
        int deltaRank,
        boolean projectionBias,
        boolean convolutionBias,
        SelectionNorm selectionNorm,
        float selectionEpsilon)
        implements MixerOptions {

    /** The paper's settings: N 16, W 4, twofold expansion, R = ceil(M / 16), no further norm. */
    public static final MambaOptions DEFAULTS =
            new MambaOptions(16, 4, 2, 0, 1, 0, false, true, SelectionNorm.NONE, 1e-6f);

    /** The RMS norm of each of r, B and C, which keeps deep and wide models stable. */
    public enum SelectionNorm {
        /** No norm, as in the paper. */
        NONE,
        /** A norm without weights (Zuo et al., 2024, "Falcon Mamba", section 3.1). */
        PLAIN,
        /** A norm with weights (Lieber et al., 2024, "Jamba", section 6.4). */
        WEIGHTED
    }

    /**
     * Checks the settings.
     *
     * @throws IllegalArgumentException if one is missing or out of range
     */
    public MambaOptions {
        checkPositive("state size", stateSize);
        checkPositive("convolution width", convolutionWidth);
        checkPositive("expansion", expansion);
        checkPositive("number of heads", heads);
        if (channels < 0) {
            throw new IllegalArgumentException(
                    "Mamba: the number of channels is "
                            + channels
                            + "; expected 1 or more, or 0 for a multiple of the model size");
        }
        if (deltaRank < 0) {
            throw new IllegalArgumentException(
                    "Mamba: the rank of delta is "
                            + deltaRank
                            + "; expected 1 or more, or 0 for a sixteenth of the model size");
        }
        if (selectionNorm == null) {
            throw new IllegalArgumentException(
                    "Mamba: the selection norm is null; choose one of SelectionNorm, which may be"
                            + " NONE");
        }
        if (!(selectionEpsilon > 0) || Float.isInfinite(selectionEpsilon)) {
            throw new IllegalArgumentException(
                    "Mamba: the epsilon of the selection norm is "
                            + selectionEpsilon
                            + "; expected a small positive number");
        }
    }

    private static void checkPositive(String name, int value) {
        if (value <= 0) {
            throw new IllegalArgumentException(
                    "Mamba: the " + name + " is " + value + "; expected 1 or more");
        }
    }

    /**
     * Returns the number of channels for a model size.
     *
     * @param modelSize M
     * @return D
     * @throws IllegalArgumentException if the heads do not divide it
     */
    public long channelsFor(long modelSize) {
        long number = channels > 0 ? channels : Math.multiplyExact(expansion, modelSize);
        if (number % heads != 0) {
            throw new IllegalArgumentException(
                    "Mamba: "
                            + heads
                            + " heads do not divide the "
                            + number
                            + " channels; choose a number of heads that does");
        }
        return number;
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
                size,
                convolutionWidth,
                expansion,
                channels,
                heads,
                deltaRank,
                projectionBias,
                convolutionBias,
                selectionNorm,
                selectionEpsilon);
    }

    /**
     * Returns these settings with another width of the convolution.
     *
     * @param width W
     * @return the settings
     */
    public MambaOptions withConvolutionWidth(int width) {
        return new MambaOptions(
                stateSize,
                width,
                expansion,
                channels,
                heads,
                deltaRank,
                projectionBias,
                convolutionBias,
                selectionNorm,
                selectionEpsilon);
    }

    /**
     * Returns these settings with another number of channels.
     *
     * @param factor the channels as a multiple of the model size
     * @return the settings
     */
    public MambaOptions withExpansion(int factor) {
        return new MambaOptions(
                stateSize,
                convolutionWidth,
                factor,
                channels,
                heads,
                deltaRank,
                projectionBias,
                convolutionBias,
                selectionNorm,
                selectionEpsilon);
    }

    /**
     * Returns these settings with a number of channels of their own.
     *
     * @param number D, or 0 for the multiple of the model size
     * @return the settings
     */
    public MambaOptions withChannels(int number) {
        return new MambaOptions(
                stateSize,
                convolutionWidth,
                expansion,
                number,
                heads,
                deltaRank,
                projectionBias,
                convolutionBias,
                selectionNorm,
                selectionEpsilon);
    }

    /**
     * Returns these settings with another number of heads.
     *
     * @param number H
     * @return the settings
     */
    public MambaOptions withHeads(int number) {
        return new MambaOptions(
                stateSize,
                convolutionWidth,
                expansion,
                channels,
                number,
                deltaRank,
                projectionBias,
                convolutionBias,
                selectionNorm,
                selectionEpsilon);
    }

    /**
     * Returns these settings with another rank of delta.
     *
     * @param rank R, or 0 for a sixteenth of the model size
     * @return the settings
     */
    public MambaOptions withDeltaRank(int rank) {
        return new MambaOptions(
                stateSize,
                convolutionWidth,
                expansion,
                channels,
                heads,
                rank,
                projectionBias,
                convolutionBias,
                selectionNorm,
                selectionEpsilon);
    }

    /**
     * Returns these settings with or without a bias in the input and output projections.
     *
     * @param bias true for a bias
     * @return the settings
     */
    public MambaOptions withProjectionBias(boolean bias) {
        return new MambaOptions(
                stateSize,
                convolutionWidth,
                expansion,
                channels,
                heads,
                deltaRank,
                bias,
                convolutionBias,
                selectionNorm,
                selectionEpsilon);
    }

    /**
     * Returns these settings with or without a bias in the convolution.
     *
     * @param bias true for a bias
     * @return the settings
     */
    public MambaOptions withConvolutionBias(boolean bias) {
        return new MambaOptions(
                stateSize,
                convolutionWidth,
                expansion,
                channels,
                heads,
                deltaRank,
                projectionBias,
                bias,
                selectionNorm,
                selectionEpsilon);
    }

    /**
     * Returns these settings with another norm of r, B and C.
     *
     * @param kind the norm
     * @param epsilon what it adds to the mean square
     * @return the settings
     */
    public MambaOptions withSelectionNorm(SelectionNorm kind, float epsilon) {
        return new MambaOptions(
                stateSize,
                convolutionWidth,
                expansion,
                channels,
                heads,
                deltaRank,
                projectionBias,
                convolutionBias,
                kind,
                epsilon);
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
