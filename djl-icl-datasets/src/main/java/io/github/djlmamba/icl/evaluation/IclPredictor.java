/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.icl.evaluation;

import ai.djl.translate.TranslateException;
import io.github.djlmamba.icl.task.IclPrompts;
import org.apiguardian.api.API;

/** A function from prompts to predictions: what is evaluated. */
@FunctionalInterface
@API(status = API.Status.EXPERIMENTAL)
public interface IclPredictor {

    /**
     * Predicts all answers of a batch of prompts.
     *
     * @param prompts the prompts with all their answers; only y_0 to y_(i-1) may influence
     *     prediction i
     * @return the predictions, shape (B, N)
     * @throws TranslateException if the model fails
     */
    float[][] predict(IclPrompts prompts) throws TranslateException;
}
