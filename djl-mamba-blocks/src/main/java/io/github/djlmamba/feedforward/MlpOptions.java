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
 * The settings of an {@link MlpBlock}. Immutable and thread safe.
 *
 * @param sizeFactor the hidden size as a multiple of the model size
 * @param hiddenSize the hidden size F whatever the model size; 0 for the multiple
 * @param activation the function between the two projections
 * @param bias whether the projections have a bias
 * @param initialDeviation the standard deviation of normal initial weights; 0 for uniform ones in
 *     +-1/sqrt(inputs)
 */
@API(status = API.Status.EXPERIMENTAL)
public record MlpOptions(
        int sizeFactor,
        long hiddenSize,
        MlpActivation activation,
        boolean bias,
        double initialDeviation)
        implements MixerOptions {

    /** GPT-2's block: four times the size, GELU in its tanh form, bias, deviation 0.02. */
    public static final MlpOptions GPT2 = new MlpOptions(4, 0, MlpActivation.GELU_TANH, true, 0.02);

    /** As {@link #GPT2}, with uniform initial weights. */
    public static final MlpOptions DEFAULTS = GPT2.withInitialDeviation(0);

    /**
     * Checks the settings.
     *
     * @throws IllegalArgumentException if one is missing or out of range
     */
    public MlpOptions {
        if (sizeFactor <= 0) {
            throw new IllegalArgumentException(
                    "MLP: the size factor is " + sizeFactor + "; expected 1 or more, usually 4");
        }
        if (hiddenSize < 0) {
            throw new IllegalArgumentException(
                    "MLP: the hidden size is "
                            + hiddenSize
                            + "; expected 1 or more, or 0 for a multiple of the model size");
        }
        if (activation == null) {
            throw new IllegalArgumentException(
                    "MLP: the activation is null; choose one of MlpActivation");
        }
        if (!(initialDeviation >= 0) || Double.isInfinite(initialDeviation)) {
            throw new IllegalArgumentException(
                    "MLP: the initial deviation is "
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
        return hiddenSize > 0 ? hiddenSize : Math.multiplyExact(sizeFactor, modelSize);
    }

    /**
     * Returns these settings with a hidden size of its own.
     *
     * @param size F, or 0 for the multiple of the model size
     * @return the settings
     */
    public MlpOptions withHiddenSize(long size) {
        return new MlpOptions(sizeFactor, size, activation, bias, initialDeviation);
    }

    /**
     * Returns these settings with another hidden size.
     *
     * @param factor the hidden size as a multiple of the model size
     * @return the settings
     */
    public MlpOptions withSizeFactor(int factor) {
        return new MlpOptions(factor, hiddenSize, activation, bias, initialDeviation);
    }

    /**
     * Returns these settings with another activation.
     *
     * @param function the function between the projections
     * @return the settings
     */
    public MlpOptions withActivation(MlpActivation function) {
        return new MlpOptions(sizeFactor, hiddenSize, function, bias, initialDeviation);
    }

    /**
     * Returns these settings with or without a bias.
     *
     * @param newBias true for a bias
     * @return the settings
     */
    public MlpOptions withBias(boolean newBias) {
        return new MlpOptions(sizeFactor, hiddenSize, activation, newBias, initialDeviation);
    }

    /**
     * Returns these settings with other initial weights.
     *
     * @param deviation the standard deviation, or 0 for uniform weights
     * @return the settings
     */
    public MlpOptions withInitialDeviation(double deviation) {
        return new MlpOptions(sizeFactor, hiddenSize, activation, bias, deviation);
    }

    /** {@inheritDoc} */
    @Override
    public SequenceMixer newMixer(long modelSize, double outputScale) {
        return MlpBlock.builder()
                .setModelSize(modelSize)
                .optOptions(this)
                .optOutputScale(outputScale)
                .build();
    }
}
