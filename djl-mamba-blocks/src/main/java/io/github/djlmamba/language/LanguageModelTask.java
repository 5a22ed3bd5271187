/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.language;

import ai.djl.ndarray.NDList;
import ai.djl.training.ParameterStore;
import java.util.Iterator;
import org.apiguardian.api.API;

/**
 * An input of a {@link LanguageModel} that takes several runs of it, such as text to be generated.
 *
 * <p>DJL's predictors give a block what a translator made, as it is. So a translator may hand a
 * task over, as a list of arrays, and the model lets the task run it: {@code predict} to the task's
 * end, {@code streamingPredict} step by step. A task serves once, on one thread at a time.
 */
@API(status = API.Status.EXPERIMENTAL)
public abstract class LanguageModelTask extends NDList {

    private static final long serialVersionUID = 1L;

    /** Makes a task without arrays; a predictor runs one that has an array at least. */
    protected LanguageModelTask() {}

    /**
     * Runs the model, a step for each element that is taken.
     *
     * @param model the model
     * @param parameterStore where its parameters' values come from
     * @return what the steps give; the last one is the result of the whole
     */
    public abstract Iterator<NDList> steps(LanguageModel model, ParameterStore parameterStore);
}
