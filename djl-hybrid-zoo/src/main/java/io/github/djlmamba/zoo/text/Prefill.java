/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.text;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import io.github.djlmamba.language.LanguageModel;
import io.github.djlmamba.language.LanguageModelOutput;
import io.github.djlmamba.ops.GradientMode;
import io.github.djlmamba.ops.Precision;
import io.github.djlmamba.state.MixerState;
import java.util.Arrays;

/**
 * What a model is in after a prompt.
 *
 * @param state the state after the last token, of one sequence
 * @param logits the scores of the next token
 * @param owned whether the state is this one's to close: not where it is a saved one's
 */
record Prefill(MixerState state, float[] logits, boolean owned) {

    /**
     * The most tokens that the model is given at once, which bounds the memory for a long prompt.
     */
    private static final int CHUNK = 2048;

    /**
     * Reads a prompt.
     *
     * @param model the model
     * @param parameterStore where its parameters' values come from
     * @param manager the manager that the state goes to
     * @param ids the prompt
     * @param prefix the state after the tokens before the prompt, or null
     * @return the state after the prompt
     */
    static Prefill run(
            LanguageModel model,
            ParameterStore parameterStore,
            NDManager manager,
            long[] ids,
            PromptState prefix) {
        if (ids.length == 0) {
            return new Prefill(prefix.state(), prefix.logits(), false);
        }
        MixerState state = prefix == null ? null : prefix.state();
        float[] logits = null;
        for (int from = 0; from < ids.length; from += CHUNK) {
            int to = Math.min(ids.length, from + CHUNK);
            try (NDManager step = manager.newSubManager()) {
                NDArray chunk =
                        step.create(Arrays.copyOfRange(ids, from, to), new Shape(1, to - from));
                LanguageModelOutput output =
                        model.run(
                                parameterStore,
                                chunk,
                                state,
                                LanguageModel.Positions.LAST,
                                true,
                                false);
                output.state().attach(manager);
                if (from > 0) {
                    state.close();
                }
                state = output.state();
                if (to == ids.length) {
                    logits = floats(output.logits());
                }
            }
        }
        return new Prefill(state, logits, true);
    }

    /** The values of scores, whatever they were computed in. */
    static float[] floats(NDArray logits) {
        return GradientMode.off(
                () -> {
                    if (logits.getDataType() == DataType.FLOAT32) {
                        return logits.toFloatArray();
                    }
                    NDArray wide =
                            logits.getDataType() == DataType.FLOAT64
                                    ? logits.toType(DataType.FLOAT32, false)
                                    : Precision.FLOAT32.cast(logits);
                    return wide.toFloatArray();
                });
    }
}
