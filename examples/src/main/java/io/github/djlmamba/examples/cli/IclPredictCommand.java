/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.cli;

import ai.djl.inference.Predictor;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.repository.zoo.ZooModel;
import io.github.djlmamba.icl.evaluation.IclPredictor;
import io.github.djlmamba.icl.task.IclPrompts;
import io.github.djlmamba.zoo.icl.InContextModels;
import io.github.djlmamba.zoo.icl.InContextPrompt;
import io.github.djlmamba.zoo.safetensors.SafetensorsFile;
import io.github.djlmamba.zoo.safetensors.SafetensorsWriter;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Predicts the answers of stored prompts. */
@Command(
        name = "predict",
        description =
                "Read xs (B, N, d) and ys (B, N), write predictions (B, N); prediction i sees only what stands before y_i.",
        mixinStandardHelpOptions = true)
final class IclPredictCommand implements Callable<Integer> {

    private static final int BATCH = 64;

    @Mixin private ModelOption model;

    @Option(names = "--input", required = true, description = "The safetensors file to read.")
    private Path input;

    @Option(names = "--output", required = true, description = "The safetensors file to write.")
    private Path output;

    /** {@inheritDoc} */
    @Override
    public Integer call() throws Exception {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            IclPrompts prompts;
            try (SafetensorsFile file = SafetensorsFile.open(input)) {
                prompts = IclPrompts.of(file.read("xs", manager), file.read("ys", manager));
            }
            float[] predictions = new float[prompts.count() * prompts.points()];
            try (ZooModel<InContextPrompt, float[]> zooModel = model.load();
                    Predictor<InContextPrompt, float[]> predictor = zooModel.newPredictor()) {
                IclPredictor function = InContextModels.predictor(predictor);
                for (int from = 0; from < prompts.count(); from += BATCH) {
                    int to = Math.min(from + BATCH, prompts.count());
                    float[][] rows = function.predict(prompts.slice(from, to));
                    for (int k = from; k < to; k++) {
                        System.arraycopy(
                                rows[k - from],
                                0,
                                predictions,
                                k * prompts.points(),
                                prompts.points());
                    }
                }
            }
            NDArray result =
                    manager.create(predictions, new Shape(prompts.count(), prompts.points()));
            SafetensorsWriter.builder().addTensor("predictions", result).build().write(output);
        }
        return 0;
    }
}
