/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.icl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Model;
import ai.djl.inference.Predictor;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.repository.zoo.ZooModel;
import ai.djl.translate.TranslateException;
import io.github.djlmamba.icl.task.IclPrompts;
import io.github.djlmamba.icl.task.IclTasks;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What holds of every in-context learner, trained or not. */
class InContextLearnerTest {

    private static final int DIMS = 4;
    private static final int POINTS = 9;

    @TempDir private Path folder;

    @ParameterizedTest
    @ValueSource(strings = {"mambaformer", "mamba", "mamba2", "transformer", "hybrid", "M-*"})
    void predictionSeesNothingFromItsAnswerOn(String architecture) throws Exception {
        try (ZooModel<InContextPrompt, float[]> model = savedAndLoaded(settings(architecture));
                Predictor<InContextPrompt, float[]> predictor = model.newPredictor()) {
            InContextPrompt prompt = prompt(5);
            float[] predictions = predictor.predict(prompt);
            assertEquals(POINTS, predictions.length);
            for (int i = 0; i < POINTS; i++) {
                float[][] xs =
                        Arrays.stream(prompt.xs()).map(float[]::clone).toArray(float[][]::new);
                float[] ys = prompt.ys().clone();
                for (int later = i; later < POINTS; later++) {
                    ys[later] = 100 + later;
                    if (later > i) {
                        Arrays.fill(xs[later], -50 - later);
                    }
                }
                float[] changed = predictor.predict(new InContextPrompt(xs, ys));
                assertArrayEquals(
                        Arrays.copyOf(predictions, i + 1),
                        Arrays.copyOf(changed, i + 1),
                        "changes from y_" + i + " on reach a prediction before");
                if (i + 1 < POINTS) {
                    assertNotEquals(
                            predictions[i + 1], changed[i + 1], "y_" + i + " has no effect");
                }
            }
        }
    }

    @Test
    void promptsOfDifferentLengthsShareABatch() throws Exception {
        try (ZooModel<InContextPrompt, float[]> model = savedAndLoaded(settings("mambaformer"));
                Predictor<InContextPrompt, float[]> predictor = model.newPredictor()) {
            InContextPrompt whole = prompt(1);
            InContextPrompt question =
                    new InContextPrompt(Arrays.copyOf(whole.xs(), 4), Arrays.copyOf(whole.ys(), 3));
            InContextPrompt single =
                    new InContextPrompt(Arrays.copyOf(whole.xs(), 1), new float[0]);
            List<float[]> together = predictor.batchPredict(List.of(question, whole, single));
            float[] alone = predictor.predict(whole);
            assertArrayEquals(alone, together.get(1), 1e-5f);
            assertArrayEquals(Arrays.copyOf(alone, 4), together.get(0), 1e-5f);
            assertArrayEquals(Arrays.copyOf(alone, 1), together.get(2), 1e-5f);
        }
    }

    @Test
    void wrongPromptsAreNamed() throws Exception {
        assertMessage("at least one x", () -> new InContextPrompt(new float[0][], new float[0]));
        assertMessage(
                "x 1 has 2 numbers",
                () -> new InContextPrompt(new float[][] {{1}, {1, 2}}, new float[2]));
        assertMessage("as many ys", () -> new InContextPrompt(new float[3][2], new float[1]));
        try (ZooModel<InContextPrompt, float[]> model = savedAndLoaded(settings("transformer"));
                Predictor<InContextPrompt, float[]> predictor = model.newPredictor()) {
            assertTranslateMessage(
                    "the model takes 4",
                    predictor,
                    new InContextPrompt(new float[2][DIMS + 1], new float[2]));
            assertTranslateMessage(
                    "takes at most 18",
                    predictor,
                    new InContextPrompt(new float[19][DIMS], new float[19]));
        }
    }

    @Test
    void wrongSettingsAreNamed() {
        assertMessage(
                "neither mambaformer, mamba, mamba2, transformer, hybrid nor a pattern",
                () -> new InContextLearner(settings("lstm")));
        assertMessage("no multiple", () -> new InContextSettings("mamba", 2, 4, 9, 30, 8, 16));
        assertMessage("dims is 0", () -> new InContextSettings("mamba", 2, 0, 9, 32, 8, 16));
        assertMessage(
                "do not name \"heads\"",
                () ->
                        InContextSettings.fromArguments(
                                Map.of(
                                        "architecture",
                                        "mamba",
                                        "layers",
                                        2,
                                        "dims",
                                        4,
                                        "points",
                                        9,
                                        "modelSize",
                                        32)));
    }

    @Test
    void settingsSurviveTheirArguments() {
        InContextSettings settings = settings("hybrid");
        assertEquals(settings, InContextSettings.fromArguments(settings.toArguments()));
    }

    private ZooModel<InContextPrompt, float[]> savedAndLoaded(InContextSettings settings)
            throws Exception {
        Path saved = folder.resolve(settings.architecture().replace("*", "attention"));
        try (Model model = Model.newInstance("model", "PyTorch")) {
            InContextLearner learner = new InContextLearner(settings);
            learner.initialize(
                    model.getNDManager(),
                    DataType.FLOAT32,
                    new Shape(1, POINTS, DIMS),
                    new Shape(1, POINTS));
            model.setBlock(learner);
            InContextModels.save(model, saved);
        }
        return InContextModels.criteria(saved.toString()).build().loadModel();
    }

    private static InContextSettings settings(String architecture) {
        return new InContextSettings(architecture, 2, DIMS, POINTS, 32, 8, 16);
    }

    private static InContextPrompt prompt(long seed) {
        IclPrompts prompts = IclTasks.of("linear-regression", DIMS, POINTS).sample(seed, 0, 1);
        return InContextModels.prompt(prompts, 0);
    }

    private static void assertMessage(String part, Runnable runnable) {
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, runnable::run);
        assertTrue(e.getMessage().contains(part), e.getMessage());
    }

    private static void assertTranslateMessage(
            String part, Predictor<InContextPrompt, float[]> predictor, InContextPrompt prompt) {
        TranslateException e =
                assertThrows(TranslateException.class, () -> predictor.predict(prompt));
        assertTrue(e.getCause().getMessage().contains(part), e.getCause().getMessage());
    }
}
