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
import java.util.function.Consumer;
import org.apiguardian.api.API;

/**
 * The settings of a {@link Mamba2Block}. Immutable and thread safe.
 *
 * @param stateSize the number of states N of each channel
 * @param headSize the channels P of each head
 * @param groups the groups G of heads that share B and C
 * @param convolutionWidth the width W of the convolution
 * @param expansion the number of channels as a multiple of the model size
 * @param channels the number of channels D whatever the model size; 0 for the multiple
 * @param inputBias whether the input projection has a bias
 * @param outputBias whether the output projection has a bias
 * @param convolutionBias whether the convolution has a bias
 * @param skipByChannel whether the skip D has a weight for each channel instead of each head
 * @param norm the norm before the output projection
 * @param groupedNorm whether the norm takes the mean over the channels of each group of heads
 *     instead of all
 * @param normEpsilon what the norm adds to the mean square
 * @param deltaMinimum the smallest step size; negative infinity for no bound
 * @param deltaMaximum the largest step size; infinity for no bound
 * @param multipliers the factors on the input and on what it is projected to
 */
@API(status = API.Status.EXPERIMENTAL)
public record Mamba2Options(
        int stateSize,
        int headSize,
        int groups,
        int convolutionWidth,
        int expansion,
        int channels,
        boolean inputBias,
        boolean outputBias,
        boolean convolutionBias,
        boolean skipByChannel,
        Norm norm,
        boolean groupedNorm,
        float normEpsilon,
        double deltaMinimum,
        double deltaMaximum,
        Multipliers multipliers)
        implements MixerOptions {

    /**
     * The paper's settings: N 128, P 64, one group, W 4, twofold expansion, the norm after the gate
     * by groups, with an epsilon of 1e-5.
     */
    public static final Mamba2Options DEFAULTS =
            new Mamba2Options(
                    128,
                    64,
                    1,
                    4,
                    2,
                    0,
                    false,
                    false,
                    true,
                    false,
                    Norm.AFTER_GATE,
                    true,
                    1e-5f,
                    Double.NEGATIVE_INFINITY,
                    Double.POSITIVE_INFINITY,
                    Multipliers.NONE);

    /**
     * Fixed factors, by which a width can change without new rates of learning (Zuo et al., 2025,
     * "Falcon-H1", section 3.2).
     *
     * @param input the factor on the input
     * @param gate the factor on z
     * @param x the factor on x, before the convolution, as the next two
     * @param b the factor on B
     * @param c the factor on C
     * @param delta the factor on dt
     */
    public record Multipliers(
            double input, double gate, double x, double b, double c, double delta) {

        /** No factors. */
        public static final Multipliers NONE = new Multipliers(1, 1, 1, 1, 1, 1);

        /**
         * Checks the factors.
         *
         * @throws IllegalArgumentException if one is not finite
         */
        public Multipliers {
            for (double factor : new double[] {input, gate, x, b, c, delta}) {
                if (!Double.isFinite(factor)) {
                    throw new IllegalArgumentException(
                            "Mamba-2: a multiplier is " + factor + "; expected a finite number");
                }
            }
        }

        /** Whether a part of the projection has a factor. */
        boolean scaleProjection() {
            return gate != 1 || x != 1 || b != 1 || c != 1 || delta != 1;
        }
    }

    /** Where the norm before the output projection stands. */
    public enum Norm {
        /** No norm: y silu(z). */
        NONE,
        /** norm(y) silu(z). */
        BEFORE_GATE,
        /** norm(y silu(z)), as in the paper. */
        AFTER_GATE
    }

    /**
     * Checks the settings.
     *
     * @throws IllegalArgumentException if one is missing or out of range
     */
    public Mamba2Options {
        checkPositive("state size", stateSize);
        checkPositive("head size", headSize);
        checkPositive("number of groups", groups);
        checkPositive("convolution width", convolutionWidth);
        checkPositive("expansion", expansion);
        if (channels < 0) {
            throw new IllegalArgumentException(
                    "Mamba-2: the number of channels is "
                            + channels
                            + "; expected 1 or more, or 0 for a multiple of the model size");
        }
        checkGiven(multipliers);
        if (norm == null) {
            throw new IllegalArgumentException(
                    "Mamba-2: the norm is null; choose one of Norm, which may be NONE");
        }
        if (!(normEpsilon > 0) || Float.isInfinite(normEpsilon)) {
            throw new IllegalArgumentException(
                    "Mamba-2: the epsilon of the norm is "
                            + normEpsilon
                            + "; expected a small positive number");
        }
        if (!(deltaMinimum <= deltaMaximum)) {
            throw new IllegalArgumentException(
                    "Mamba-2: the limits of delta are "
                            + deltaMinimum
                            + " and "
                            + deltaMaximum
                            + "; expected a minimum that is not above the maximum");
        }
    }

    private static void checkGiven(Object value) {
        if (value == null) {
            throw new IllegalArgumentException(
                    "Mamba-2: the multipliers are null; give Multipliers.NONE for none");
        }
    }

    private static void checkPositive(String name, int value) {
        if (value <= 0) {
            throw new IllegalArgumentException(
                    "Mamba-2: the " + name + " is " + value + "; expected 1 or more");
        }
    }

    /**
     * Returns the number of channels for a model size.
     *
     * @param modelSize M
     * @return D
     * @throws IllegalArgumentException if the head size does not divide it, or the groups do not
     *     divide the heads
     */
    public long channelsFor(long modelSize) {
        long number = channels > 0 ? channels : Math.multiplyExact(expansion, modelSize);
        if (number % headSize != 0) {
            throw new IllegalArgumentException(
                    "Mamba-2: the head size "
                            + headSize
                            + " does not divide the "
                            + number
                            + " channels; set another with withHeadSize");
        }
        if (number / headSize % groups != 0) {
            throw new IllegalArgumentException(
                    "Mamba-2: the "
                            + groups
                            + " groups do not divide the "
                            + number / headSize
                            + " heads; set other ones with withGroups or withHeadSize");
        }
        return number;
    }

    /**
     * Returns these settings with another choice of the number of states N of each channel.
     *
     * @param value the number of states N of each channel
     * @return the settings
     */
    public Mamba2Options withStateSize(int value) {
        return with(draft -> draft.stateSize = value);
    }

    /**
     * Returns these settings with another choice of the channels P of each head.
     *
     * @param value the channels P of each head
     * @return the settings
     */
    public Mamba2Options withHeadSize(int value) {
        return with(draft -> draft.headSize = value);
    }

    /**
     * Returns these settings with another choice of the groups G of heads that share B and C.
     *
     * @param value the groups G of heads that share B and C
     * @return the settings
     */
    public Mamba2Options withGroups(int value) {
        return with(draft -> draft.groups = value);
    }

    /**
     * Returns these settings with another choice of the width W of the convolution.
     *
     * @param value the width W of the convolution
     * @return the settings
     */
    public Mamba2Options withConvolutionWidth(int value) {
        return with(draft -> draft.convolutionWidth = value);
    }

    /**
     * Returns these settings with another choice of the number of channels as a multiple of the
     * model size.
     *
     * @param value the number of channels as a multiple of the model size
     * @return the settings
     */
    public Mamba2Options withExpansion(int value) {
        return with(draft -> draft.expansion = value);
    }

    /**
     * Returns these settings with another choice of the number of channels D whatever the model
     * size.
     *
     * @param value the number of channels D whatever the model size; 0 for the multiple
     * @return the settings
     */
    public Mamba2Options withChannels(int value) {
        return with(draft -> draft.channels = value);
    }

    /**
     * Returns these settings with another choice of whether the input and output projections have a
     * bias.
     *
     * @param value whether the input and output projections have a bias
     * @return the settings
     */
    public Mamba2Options withProjectionBias(boolean value) {
        return withProjectionBias(value, value);
    }

    /**
     * Returns these settings with another choice of whether the convolution has a bias.
     *
     * @param value whether the convolution has a bias
     * @return the settings
     */
    public Mamba2Options withConvolutionBias(boolean value) {
        return with(draft -> draft.convolutionBias = value);
    }

    /**
     * Returns these settings with another choice of whether the skip D has a weight for each
     * channel instead of each head.
     *
     * @param value whether the skip D has a weight for each channel instead of each head
     * @return the settings
     */
    public Mamba2Options withSkipByChannel(boolean value) {
        return with(draft -> draft.skipByChannel = value);
    }

    /**
     * Returns these settings with another norm before the output projection.
     *
     * @param kind where the norm stands
     * @param grouped whether it takes the mean over each group of heads instead of all
     * @param epsilon what it adds to the mean square
     * @return the settings
     */
    public Mamba2Options withNorm(Norm kind, boolean grouped, float epsilon) {
        return with(
                draft -> {
                    draft.norm = kind;
                    draft.groupedNorm = grouped;
                    draft.normEpsilon = epsilon;
                });
    }

    /**
     * Returns these settings with bounds of the step sizes.
     *
     * @param minimum the smallest step size; negative infinity for no bound
     * @param maximum the largest step size; infinity for no bound
     * @return the settings
     */
    public Mamba2Options withDeltaLimits(double minimum, double maximum) {
        return with(
                draft -> {
                    draft.deltaMinimum = minimum;
                    draft.deltaMaximum = maximum;
                });
    }

    /**
     * Returns these settings with or without a bias in each of the two projections.
     *
     * @param input true for a bias in the input projection
     * @param output true for a bias in the output projection
     * @return the settings
     */
    public Mamba2Options withProjectionBias(boolean input, boolean output) {
        return with(
                draft -> {
                    draft.inputBias = input;
                    draft.outputBias = output;
                });
    }

    /**
     * Returns these settings with other factors on the input and on what it is projected to.
     *
     * @param factors the factors
     * @return the settings
     */
    public Mamba2Options withMultipliers(Multipliers factors) {
        return with(draft -> draft.multipliers = factors);
    }

    private Mamba2Options with(Consumer<Draft> change) {
        Draft draft = new Draft(this);
        change.accept(draft);
        return draft.finished();
    }

    /** {@inheritDoc} */
    @Override
    public SequenceMixer newMixer(long modelSize, double outputScale) {
        return Mamba2Block.builder()
                .setModelSize(modelSize)
                .optOptions(this)
                .optOutputScale(outputScale)
                .build();
    }

    /** Settings on the way from one choice to the next: a record can only be copied as a whole. */
    private static final class Draft {

        private int stateSize;
        private int headSize;
        private int groups;
        private int convolutionWidth;
        private int expansion;
        private int channels;
        private boolean inputBias;
        private boolean outputBias;
        private boolean convolutionBias;
        private boolean skipByChannel;
        private Norm norm;
        private boolean groupedNorm;
        private float normEpsilon;
        private double deltaMinimum;
        private double deltaMaximum;
        private Multipliers multipliers;

        private Draft(Mamba2Options from) {
            stateSize = from.stateSize;
            headSize = from.headSize;
            groups = from.groups;
            convolutionWidth = from.convolutionWidth;
            expansion = from.expansion;
            channels = from.channels;
            inputBias = from.inputBias;
            outputBias = from.outputBias;
            convolutionBias = from.convolutionBias;
            skipByChannel = from.skipByChannel;
            norm = from.norm;
            groupedNorm = from.groupedNorm;
            normEpsilon = from.normEpsilon;
            deltaMinimum = from.deltaMinimum;
            deltaMaximum = from.deltaMaximum;
            multipliers = from.multipliers;
        }

        private Mamba2Options finished() {
            return new Mamba2Options(
                    stateSize,
                    headSize,
                    groups,
                    convolutionWidth,
                    expansion,
                    channels,
                    inputBias,
                    outputBias,
                    convolutionBias,
                    skipByChannel,
                    norm,
                    groupedNorm,
                    normEpsilon,
                    deltaMinimum,
                    deltaMaximum,
                    multipliers);
        }
    }
}
