/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.inference.Predictor;
import ai.djl.repository.zoo.Criteria;
import ai.djl.repository.zoo.ModelZoo;
import ai.djl.repository.zoo.ZooModel;
import io.github.djlmamba.icl.evaluation.IclEvaluation;
import io.github.djlmamba.icl.evaluation.IclReport;
import io.github.djlmamba.icl.task.IclTasks;
import io.github.djlmamba.zoo.icl.InContextLearner;
import io.github.djlmamba.zoo.icl.InContextModels;
import io.github.djlmamba.zoo.icl.InContextPrompt;
import io.github.djlmamba.zoo.icl.InContextSettings;
import io.github.djlmamba.zoo.icl.TrainingRecord;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;

/** Loads the model that the jar carries as a user would. */
class BundledModelTest {

    private static final String NAME = "mambaformer-linear-regression";

    @Test
    void loadsByCriteriaAndLearnsInContext() throws Exception {
        Criteria<InContextPrompt, float[]> criteria =
                Criteria.builder()
                        .setTypes(InContextPrompt.class, float[].class)
                        .optGroupId("io.github.djlmamba")
                        .optArtifactId(NAME)
                        .build();
        try (ZooModel<InContextPrompt, float[]> model = criteria.loadModel();
                Predictor<InContextPrompt, float[]> predictor = model.newPredictor()) {
            InContextSettings settings = ((InContextLearner) model.getBlock()).getSettings();
            assertTrue(settings.dims() >= 8);
            int dims = settings.dims();
            IclReport report =
                    IclEvaluation.builder()
                            .setTask(IclTasks.of("linear-regression", dims, settings.points()))
                            .optPrompts(320)
                            .optSeed(11)
                            .build()
                            .evaluate(NAME, InContextModels.predictor(predictor));
            for (IclReport.Entry entry : report.curve()) {
                if (entry.i() >= dims / 2) {
                    for (String baseline : List.of("averaging", "3-nearest-neighbours")) {
                        assertTrue(
                                entry.model() < entry.baselines().get(baseline),
                                () -> "worse than " + baseline + ": " + entry);
                    }
                }
            }
            IclReport.Entry last = report.curve().get(2 * dims);
            assertTrue(last.model() <= 0.1, last::toString);
        }
    }

    @Test
    void predictorsWorkSideBySide() throws Exception {
        InContextPrompt prompt =
                new InContextPrompt(
                        new float[][] {{1, 0, 0, 0, 0, 0, 0, 0}, {0, 1, 0, 0, 0, 0, 0, 0}},
                        new float[] {1});
        ExecutorService executor = Executors.newFixedThreadPool(4);
        try (ZooModel<InContextPrompt, float[]> model =
                InContextModels.criteria(NAME).build().loadModel()) {
            float[] expected;
            try (Predictor<InContextPrompt, float[]> predictor = model.newPredictor()) {
                expected = predictor.predict(prompt);
            }
            List<Future<Boolean>> results = new ArrayList<>();
            for (int thread = 0; thread < 4; thread++) {
                Callable<Boolean> task =
                        () -> {
                            try (Predictor<InContextPrompt, float[]> predictor =
                                    model.newPredictor()) {
                                for (int i = 0; i < 50; i++) {
                                    float[] predictions = predictor.predict(prompt);
                                    if (Math.abs(predictions[1] - expected[1]) > 1e-5) {
                                        return false;
                                    }
                                }
                                return true;
                            }
                        };
                results.add(executor.submit(task));
            }
            for (Future<Boolean> result : results) {
                assertTrue(result.get());
            }
        } finally {
            executor.shutdownNow();
        }
    }

    @Test
    void zooListsIt() {
        ModelZoo zoo = ModelZoo.getModelZoo(HybridModelZoo.GROUP_ID);
        assertTrue(
                zoo.getModelLoaders().stream()
                        .anyMatch(loader -> loader.getArtifactId().equals(NAME)));
    }

    @Test
    void recordSaysHowToRepeatIt() throws IOException {
        try (InputStream in =
                HybridModelZoo.class.getResourceAsStream(
                        "bundled/" + NAME + "/" + TrainingRecord.FILE)) {
            TrainingRecord record =
                    TrainingRecord.fromJson(new String(in.readAllBytes(), StandardCharsets.UTF_8));
            assertTrue(record.command().startsWith("djl-mamba icl train "), record.command());
            assertEquals(40, record.commit().length());
            assertTrue(record.seconds() < 2 * 3600);
            assertFalse(record.losses().isEmpty());
        }
    }
}
