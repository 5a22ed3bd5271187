/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.state;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import ai.djl.nn.Parameter;
import ai.djl.training.ParameterStore;
import io.github.djlmamba.ops.PackedSequences;
import io.github.djlmamba.ops.Precision;
import org.apiguardian.api.API;

/**
 * What a {@link SequenceMixer} is given.
 *
 * @param parameterStore where the parameters' values come from
 * @param x the sequence, of shape (B, L, M); L may be 0
 * @param sequences which sequences lie side by side in each row of x; null where each row is one
 * @param before the state after the tokens before x; null at the start of a sequence
 * @param keepState whether the state after x is wanted
 * @param training true to record for a gradient, false to predict
 * @param stackInput what the stack around this mixer was given, (B, L, M), with its positions; null
 *     outside of a stack
 */
@API(status = API.Status.EXPERIMENTAL)
public record MixerInput(
        ParameterStore parameterStore,
        NDArray x,
        PackedSequences sequences,
        MixerState before,
        boolean keepState,
        boolean training,
        NDArray stackInput) {

    /**
     * Checks how the components go together.
     *
     * @throws IllegalArgumentException if packed sequences continue from a state or are to leave
     *     one
     */
    public MixerInput {
        if (sequences != null && (before != null || keepState)) {
            throw new IllegalArgumentException(
                    "packed sequences start without a state and leave none; mix them without"
                            + " keepState, or each by itself");
        }
    }

    /**
     * Makes the input of a mixer that stands outside of a stack.
     *
     * @param parameterStore where the parameters' values come from
     * @param x the sequence, of shape (B, L, M); L may be 0
     * @param sequences which sequences lie side by side in each row of x, or null
     * @param before the state after the tokens before x, or null
     * @param keepState whether the state after x is wanted
     * @param training true to record for a gradient, false to predict
     */
    public MixerInput(
            ParameterStore parameterStore,
            NDArray x,
            PackedSequences sequences,
            MixerState before,
            boolean keepState,
            boolean training) {
        this(parameterStore, x, sequences, before, keepState, training, null);
    }

    /**
     * Returns whether a provider's call for a whole block or layer may answer: one that predicts,
     * in float32 or float64, each row being one sequence.
     *
     * @return true if nothing is to be recorded, reduced or unpacked
     */
    public boolean isPlainPrediction() {
        return !training
                && sequences == null
                && x.getDataType() != DataType.UNKNOWN
                && Precision.active() == Precision.FLOAT32;
    }

    /**
     * Returns the value of a parameter on the device of the sequence.
     *
     * @param parameter the parameter, or null
     * @return its value, or null for no parameter
     */
    public NDArray value(Parameter parameter) {
        return parameterStore.getValue(parameter, x.getDevice(), training);
    }

    /**
     * Returns the input of a mixer inside of the one that was given this input.
     *
     * @param newX its sequence
     * @param newBefore its state before, or null
     * @return the input, alike in all else
     */
    public MixerInput with(NDArray newX, MixerState newBefore) {
        return new MixerInput(
                parameterStore, newX, sequences, newBefore, keepState, training, stackInput);
    }

    /**
     * Returns this input for mixers inside of a stack.
     *
     * @param newStackInput what the stack was given, with its positions
     * @return the input, alike in all else
     */
    public MixerInput withStackInput(NDArray newStackInput) {
        return new MixerInput(
                parameterStore, x, sequences, before, keepState, training, newStackInput);
    }
}
