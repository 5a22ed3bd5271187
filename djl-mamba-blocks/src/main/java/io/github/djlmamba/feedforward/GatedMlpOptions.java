/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.feedforward;

import io.github.djlmamba.state.MixerOptions;
import io.github.djlmamba.state.SequenceMixer;
import org.apiguardian.api.API;

/**
 * The settings of a {@link GatedMlpBlock}. Immutable and thread safe.
 *
 * @param hiddenSize the hidden size F; 0 for 8/3 of the model size, rounded up to a multiple of 8,
 *     by which the block has as many weights as an MLP of four times the size
 * @param activation the function of the gate; SiLU for SwiGLU, GELU for GEGLU
 * @param bias whether the projections have a bias
 * @param gateMultiplier the factor on the gate before its function, usually 1
 * @param outputMultiplier the factor on the output, usually 1
 * @param initialDeviation the standard deviation of normal initial weights; 0 for uniform ones in
 *     +-1/sqrt(inputs)
 */
@API(status = API.Status.EXPERIMENTAL)
public record GatedMlpOptions(
        long hiddenSize,
        MlpActivation activation,
        boolean bias,
        double gateMultiplier,
        double outputMultiplier,
        double initialDeviation)
        implements MixerOptions {

    /** The usual hidden size, SiLU, no bias, uniform initial weights. */
    public static final GatedMlpOptions DEFAULTS =
            new GatedMlpOptions(0, MlpActivation.SILU, false, 1, 1, 0);

    private static final long HIDDEN_MULTIPLE = 8;

    /**
     * Checks the settings.
     *
     * @throws IllegalArgumentException if one is missing or out of range
     */
    public GatedMlpOptions {
        if (hiddenSize < 0) {
            throw new IllegalArgumentException(
                    "gated MLP: the hidden size is "
                            + hiddenSize
                            + "; expected 1 or more, or 0 for 8/3 of the model size");
        }
        if (activation == null) {
            throw new IllegalArgumentException(
                    "gated MLP: the activation is null; choose one of MlpActivation");
        }
        if (!Double.isFinite(gateMultiplier) || !Double.isFinite(outputMultiplier)) {
            throw new IllegalArgumentException(
                    "gated MLP: the multipliers of gate and output are "
                            + gateMultiplier
                            + " and "
                            + outputMultiplier
                            + "; expected finite numbers, such as 1 for none");
        }
        if (!(initialDeviation >= 0) || Double.isInfinite(initialDeviation)) {
            throw new IllegalArgumentException(
                    "gated MLP: the initial deviation is "
                            + initialDeviation
                            + "; expected 0 for uniform weights, or a positive number");
        }
    }

    /**
     * Returns the hidden size for a model size.
     *
     * @param modelSize M
     * @return F
     */
    public long hiddenSizeFor(long modelSize) {
        if (hiddenSize > 0) {
            return hiddenSize;
        }
        long least = (8 * modelSize + 2) / 3;
        return (least + HIDDEN_MULTIPLE - 1) / HIDDEN_MULTIPLE * HIDDEN_MULTIPLE;
    }

    /**
     * Returns these settings with another hidden size.
     *
     * @param size F, or 0 for 8/3 of the model size
     * @return the settings
     */
    public GatedMlpOptions withHiddenSize(long size) {
        return new GatedMlpOptions(
                size, activation, bias, gateMultiplier, outputMultiplier, initialDeviation);
    }

    /**
     * Returns these settings with another function of the gate.
     *
     * @param newActivation the function
     * @return the settings
     */
    public GatedMlpOptions withActivation(MlpActivation newActivation) {
        return new GatedMlpOptions(
                hiddenSize,
                newActivation,
                bias,
                gateMultiplier,
                outputMultiplier,
                initialDeviation);
    }

    /**
     * Returns these settings with or without a bias.
     *
     * @param newBias true for a bias
     * @return the settings
     */
    public GatedMlpOptions withBias(boolean newBias) {
        return new GatedMlpOptions(
                hiddenSize,
                activation,
                newBias,
                gateMultiplier,
                outputMultiplier,
                initialDeviation);
    }

    /**
     * Returns these settings with other initial weights.
     *
     * @param deviation the standard deviation, or 0 for uniform weights
     * @return the settings
     */
    public GatedMlpOptions withInitialDeviation(double deviation) {
        return new GatedMlpOptions(
                hiddenSize, activation, bias, gateMultiplier, outputMultiplier, deviation);
    }

    /**
     * Returns these settings with other factors.
     *
     * @param gate the factor on the gate before its function
     * @param output the factor on the output
     * @return the settings
     */
    public GatedMlpOptions withMultipliers(double gate, double output) {
        return new GatedMlpOptions(hiddenSize, activation, bias, gate, output, initialDeviation);
    }

    /** {@inheritDoc} */
    @Override
    public SequenceMixer newMixer(long modelSize, double outputScale) {
        return GatedMlpBlock.builder()
                .setModelSize(modelSize)
                .optOptions(this)
                .optOutputScale(outputScale)
                .build();
    }
}
