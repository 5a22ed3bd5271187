/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo;

import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Model;
import ai.djl.inference.Predictor;
import ai.djl.ndarray.types.Shape;
import ai.djl.repository.zoo.ZooModel;
import ai.djl.training.DefaultTrainingConfig;
import ai.djl.training.EasyTrain;
import ai.djl.training.tracker.Tracker;
import io.github.djlmamba.icl.IclDataset;
import io.github.djlmamba.icl.task.IclTasks;
import io.github.djlmamba.training.AdamTrainer;
import io.github.djlmamba.training.MeanSquaredError;
import io.github.djlmamba.zoo.icl.InContextLearner;
import io.github.djlmamba.zoo.icl.InContextModels;
import io.github.djlmamba.zoo.icl.InContextPrompt;
import io.github.djlmamba.zoo.icl.InContextSettings;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

/**
 * Watches the resident memory of the process over many steps and predictions.
 *
 * <p>The first part is warm-up, for the caches of allocators and of the just-in-time compiler.
 * After it memory may not grow by more than a leak of one small array a step would make of it in
 * the full run.
 */
@EnabledOnOs(value = OS.LINUX, disabledReason = "reads the resident memory from /proc")
class MemoryTest {

    private static final boolean LONG = Boolean.getBoolean("djlmamba.test.long");
    private static final long ALLOWED = 24L << 20;

    @Test
    void trainingStepsLeaveNothingBehind() throws Exception {
        int steps = LONG ? 2000 : 200;
        int dims = 8;
        int points = 17;
        InContextSettings settings =
                new InContextSettings("mambaformer", 2, dims, points, 64, 8, 16);
        try (Model model = Model.newInstance("model", "PyTorch")) {
            model.setBlock(new InContextLearner(settings));
            try (AdamTrainer trainer =
                    AdamTrainer.builder()
                            .setModel(model)
                            .setTrainingConfig(new DefaultTrainingConfig(new MeanSquaredError()))
                            .setLearningRate(Tracker.fixed(1e-4f))
                            .optMaxGradientNorm(1)
                            .build()) {
                trainer.initialize(new Shape(64, points, dims), new Shape(64, points));
                IclDataset dataset =
                        IclDataset.builder()
                                .setTask(IclTasks.of("linear-regression", dims, points))
                                .setBatchesPerEpoch(Math.max(40, steps / 4))
                                .build();
                EasyTrain.fit(trainer, 1, dataset, null);
                long before = residentBytes();
                EasyTrain.fit(trainer, 1, newDataset(dims, points, steps), null);
                assertFlat(before, steps + " training steps");
            }
        }
    }

    @Test
    void predictionsLeaveNothingBehind() throws Exception {
        int predictions = LONG ? 20_000 : 2000;
        InContextPrompt prompt = new InContextPrompt(new float[17][8], new float[17]);
        List<InContextPrompt> batch = List.of(prompt, prompt, prompt, prompt);
        try (ZooModel<InContextPrompt, float[]> model =
                        InContextModels.criteria(InContextModels.DEFAULT).build().loadModel();
                Predictor<InContextPrompt, float[]> predictor = model.newPredictor()) {
            for (int i = 0; i < predictions / 8; i++) {
                predictor.batchPredict(batch);
            }
            long before = residentBytes();
            for (int i = 0; i < predictions / 4; i++) {
                predictor.batchPredict(batch);
            }
            assertFlat(before, predictions + " predictions");
        }
    }

    private static IclDataset newDataset(int dims, int points, int steps) {
        return IclDataset.builder()
                .setTask(IclTasks.of("linear-regression", dims, points))
                .setBatchesPerEpoch(steps)
                .build();
    }

    private static void assertFlat(long before, String what) throws IOException {
        long grown = residentBytes() - before;
        assertTrue(
                grown < ALLOWED,
                () -> what + " have added " + (grown >> 10) + " KiB to resident memory");
    }

    /**
     * The process's resident memory, after the Java heap has been brought to a size that repeats.
     */
    private static long residentBytes() throws IOException {
        System.gc();
        List<String> fields =
                Arrays.asList(Files.readString(Path.of("/proc/self/smaps_rollup")).split("\\s+"));
        return Long.parseLong(fields.get(fields.indexOf("Rss:") + 1)) << 10;
    }
}
