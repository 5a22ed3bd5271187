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
import io.github.djlmamba.zoo.huggingface.HuggingFaceModels;
import io.github.djlmamba.zoo.huggingface.LanguageModelBlockFactory;
import io.github.djlmamba.zoo.text.GenerationRequest;
import io.github.djlmamba.zoo.text.GenerationResult;
import java.io.IOException;
import java.nio.file.Path;
import picocli.CommandLine.Option;

/** The option that names a language model. */
final class LanguageModelOption {

    /** The model of the zoo that is used where none is named. */
    static final String DEFAULT = "mamba2-hybrid-king-james";

    @Option(
            names = "--model",
            defaultValue = DEFAULT,
            description =
                    "A model of the zoo, the folder of a Hugging Face checkpoint, or"
                            + " hf://OWNER/NAME. Default: ${DEFAULT-VALUE}.")
    private String model;

    @Option(
            names = "--weights",
            defaultValue = "float32",
            description =
                    "How the model's matrices are kept: float32, or bfloat16, which takes half the"
                            + " memory and time. Default: ${DEFAULT-VALUE}.")
    private String weights;

    /** Returns what the model is called in reports: the last part of its address. */
    String name() {
        String address = model.replaceFirst("\\?.*", "");
        if (address.startsWith("hf:")) {
            return address.substring(address.lastIndexOf('/') + 1);
        }
        return Path.of(address).toAbsolutePath().normalize().getFileName().toString();
    }

    /** Loads the model. */
    ZooModel<GenerationRequest, GenerationResult> load()
            throws IOException, ModelNotFoundException, MalformedModelException {
        return HuggingFaceModels.criteria(model, GenerationRequest.class, GenerationResult.class)
                .optArgument(LanguageModelBlockFactory.WEIGHTS, weights)
                .build()
                .loadModel();
    }
}
