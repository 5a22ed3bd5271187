/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.icl;

import ai.djl.Application;
import ai.djl.Model;
import ai.djl.inference.Predictor;
import ai.djl.repository.zoo.Criteria;
import ai.djl.repository.zoo.ModelLoader;
import ai.djl.repository.zoo.ModelZoo;
import io.github.djlmamba.icl.evaluation.IclPredictor;
import io.github.djlmamba.icl.task.IclPrompts;
import io.github.djlmamba.zoo.HybridModelZoo;
import java.io.IOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apiguardian.api.API;

/**
 * Loads and saves models of the in-context-learning study, and turns them into what an evaluation
 * calls. Thread safe.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class InContextModels {

    /** The model of the zoo that is used where none is named. */
    public static final String DEFAULT = "mambaformer-linear-regression";

    /** The file of a saved model's parameters. */
    public static final String PARAMETERS = "model-0000.params";

    private static final String MODEL_NAME = "model";
    private static final String SERVING_PROPERTIES = "serving.properties";

    private InContextModels() {}

    /**
     * Returns the criteria that load a model.
     *
     * @param nameOrFolder the name of a model in the zoo, or a folder that {@link #save} wrote
     * @return the criteria's builder
     * @throws IllegalArgumentException if it is neither
     */
    public static Criteria.Builder<InContextPrompt, float[]> criteria(String nameOrFolder) {
        Criteria.Builder<InContextPrompt, float[]> builder =
                Criteria.builder().setTypes(InContextPrompt.class, float[].class);
        Path folder = Path.of(nameOrFolder);
        if (!Files.isRegularFile(folder.resolve(SERVING_PROPERTIES))) {
            requireInZoo(nameOrFolder);
            return builder.optGroupId(HybridModelZoo.GROUP_ID).optArtifactId(nameOrFolder);
        }
        // Instances rather than class names, for which DJL would search the jars of the folder.
        return builder.optModelPath(folder)
                .optEngine("PyTorch")
                .optArgument("blockFactory", new InContextBlockFactory())
                .optTranslatorFactory(new InContextTranslatorFactory());
    }

    private static void requireInZoo(String name) {
        // The zoo's other models, those of text generation, name what they are for.
        List<String> names =
                ModelZoo.getModelZoo(HybridModelZoo.GROUP_ID).getModelLoaders().stream()
                        .filter(model -> model.getApplication() == Application.UNDEFINED)
                        .map(ModelLoader::getArtifactId)
                        .sorted()
                        .toList();
        if (!names.contains(name)) {
            throw new IllegalArgumentException(
                    "\""
                            + name
                            + "\" is neither the folder of a finished training run nor an in-context"
                            + " learner of the zoo, which holds "
                            + String.join(", ", names));
        }
    }

    /**
     * Saves a model so that {@link #criteria} finds it.
     *
     * @param model the model, around an {@link InContextLearner}
     * @param folder the folder to write to; it is created
     * @throws IOException if it cannot be written
     */
    public static void save(Model model, Path folder) throws IOException {
        Files.createDirectories(folder);
        model.save(folder, MODEL_NAME);
        Properties properties = new Properties();
        properties.setProperty("engine", "PyTorch");
        properties.setProperty("option.modelName", MODEL_NAME);
        InContextLearner learner = (InContextLearner) model.getBlock();
        for (Map.Entry<String, Object> entry : learner.getSettings().toArguments().entrySet()) {
            properties.setProperty(entry.getKey(), entry.getValue().toString());
        }
        try (Writer writer = Files.newBufferedWriter(folder.resolve(SERVING_PROPERTIES))) {
            properties.store(writer, null);
        }
    }

    /**
     * Returns what an evaluation calls.
     *
     * @param predictor a predictor of the model; it must stay open as long as the result is used
     * @return the function from prompts to predictions, of the predictor's thread safety
     */
    public static IclPredictor predictor(Predictor<InContextPrompt, float[]> predictor) {
        return prompts -> {
            List<InContextPrompt> inputs = new ArrayList<>(prompts.count());
            for (int k = 0; k < prompts.count(); k++) {
                inputs.add(prompt(prompts, k));
            }
            return predictor.batchPredict(inputs).toArray(new float[0][]);
        };
    }

    static InContextPrompt prompt(IclPrompts prompts, int k) {
        int points = prompts.points();
        int dims = prompts.dims();
        float[][] xs = new float[points][];
        for (int i = 0; i < points; i++) {
            int from = (k * points + i) * dims;
            xs[i] = Arrays.copyOfRange(prompts.xs().values(), from, from + dims);
        }
        return new InContextPrompt(
                xs, Arrays.copyOfRange(prompts.ys().values(), k * points, (k + 1) * points));
    }
}
