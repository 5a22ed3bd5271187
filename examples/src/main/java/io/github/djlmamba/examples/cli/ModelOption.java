/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.cli;

import ai.djl.MalformedModelException;
import ai.djl.repository.zoo.ModelNotFoundException;
import ai.djl.repository.zoo.ZooModel;
import io.github.djlmamba.zoo.icl.InContextLearner;
import io.github.djlmamba.zoo.icl.InContextModels;
import io.github.djlmamba.zoo.icl.InContextPrompt;
import io.github.djlmamba.zoo.icl.InContextSettings;
import java.io.IOException;
import java.nio.file.Path;
import picocli.CommandLine.Option;

/** The option that names an in-context-learning model. */
final class ModelOption {

    @Option(
            names = "--model",
            defaultValue = InContextModels.DEFAULT,
            description =
                    "A model of the zoo, or the folder of a training run. Default: ${DEFAULT-VALUE}.")
    private String nameOrFolder;

    /** Returns what the model is called in reports. */
    String name() {
        return Path.of(nameOrFolder).toAbsolutePath().normalize().getFileName().toString();
    }

    /** Loads the model. */
    ZooModel<InContextPrompt, float[]> load()
            throws IOException, ModelNotFoundException, MalformedModelException {
        return InContextModels.criteria(nameOrFolder).build().loadModel();
    }

    /** Returns the settings of a loaded model. */
    static InContextSettings settings(ZooModel<InContextPrompt, float[]> model) {
        return ((InContextLearner) model.getBlock()).getSettings();
    }
}
