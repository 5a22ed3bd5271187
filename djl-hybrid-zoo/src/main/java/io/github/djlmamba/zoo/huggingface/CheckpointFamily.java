/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.huggingface;

import ai.djl.MalformedModelException;
import io.github.djlmamba.language.LanguageModelOptions;

/**
 * A family of checkpoints: what its configuration means, and what its tensors are called. A family
 * has no part in computing anything. Implementations are stateless.
 */
interface CheckpointFamily {

    /** Returns the model_type of its configurations. */
    String modelType();

    /**
     * Reads the settings of the model.
     *
     * @throws MalformedModelException if a value is missing, wrong or asks for what is not there
     */
    LanguageModelOptions options(ModelConfig config) throws MalformedModelException;

    /**
     * Fills the table from stored names to the parameters of a model of these settings.
     *
     * @throws MalformedModelException if a value of the configuration is wrong
     */
    void map(ModelConfig config, LanguageModelOptions options, TensorTable table)
            throws MalformedModelException;
}
