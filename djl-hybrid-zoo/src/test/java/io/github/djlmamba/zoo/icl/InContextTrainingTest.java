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
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.training.Trainer;
import ai.djl.training.listener.TrainingListenerAdapter;
import ai.djl.training.tracker.Tracker;
import ai.djl.util.JsonUtils;
import io.github.djlmamba.icl.Curriculum;
import io.github.djlmamba.ops.OpsProviders;
import io.github.djlmamba.ops.Precision;
import io.github.djlmamba.training.AdamTrainer;
import io.github.djlmamba.zoo.training.TrainingHistory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Trains small models for a few steps. */
class InContextTrainingTest {

    @TempDir private Path folder;

    @ParameterizedTest
    @ValueSource(strings = {"mambaformer", "mamba", "mamba2", "transformer", "hybrid"})
    void lossFalls(String architecture) throws Exception {
        InContextTrainingSettings settings = settings(architecture, 400, 3e-3);
        List<TrainingHistory.Entry> losses =
                new InContextTraining(settings, folder).run(false).entries();
        assertEquals(
                List.of(100L, 200L, 300L, 400L),
                losses.stream().map(TrainingHistory.Entry::step).toList());
        // Two dimensions: an untrained model has an error of 2, the mean of y squared.
        double last = losses.get(3).loss();
        assertTrue(last < 1.85, "the loss after 400 steps is " + last);
    }

    @ParameterizedTest
    @ValueSource(strings = {"mambaformer", "transformer"})
    void bfloat16LearnsAsFloat32Does(String architecture) throws Exception {
        assumeTrue(
                OpsProviders.all().stream()
                        .anyMatch(
                                provider ->
                                        provider.unavailableReason() == null
                                                && provider.reducedPrecision() != null),
                "no provider of ops offers bfloat16");
        InContextTrainingSettings settings = settings(architecture, 400, 3e-3);
        InContextTrainingSettings reduced = settings.withPrecision(Precision.BFLOAT16);
        double single = lastLoss(settings, folder.resolve("float32"));
        double half = lastLoss(reduced, folder.resolve("bfloat16"));
        assertNotEquals(single, half);
        assertEquals(single, half, 0.05 * single);
    }

    private static double lastLoss(InContextTrainingSettings settings, Path run) throws Exception {
        List<TrainingHistory.Entry> losses =
                new InContextTraining(settings, run).run(false).entries();
        return losses.get(losses.size() - 1).loss();
    }

    @Test
    void resumedRunEqualsAnUninterruptedOne() throws Exception {
        InContextTrainingSettings settings = settings("mambaformer", 230, 1e-3);
        Path whole = folder.resolve("whole");
        new InContextTraining(settings, whole).run(false);

        Path broken = folder.resolve("broken");
        assertThrows(
                IllegalStateException.class,
                () -> new InContextTraining(settings, broken, new Failure(127)).run(false));
        // The checkpoint at the end of the broken run is newer than the last at an interval; a
        // crash leaves the latter.
        assertThrows(
                IllegalStateException.class,
                () -> new InContextTraining(settings, broken, new Failure(171)).run(true));
        assertThrows(IOException.class, () -> new InContextTraining(settings, broken).run(false));
        new InContextTraining(settings, broken).run(true);

        assertArrayEquals(
                Files.readAllBytes(whole.resolve(InContextModels.PARAMETERS)),
                Files.readAllBytes(broken.resolve(InContextModels.PARAMETERS)));
        List<String> expected = losses(whole);
        assertEquals(2, expected.size());
        assertEquals(expected, losses(broken));
    }

    @Test
    void aRunGoesOnWithWhatItBeganWith() throws Exception {
        InContextTrainingSettings settings = settings("mamba", 40, 1e-3);
        assertThrows(
                IllegalStateException.class,
                () -> new InContextTraining(settings, folder, new Failure(30)).run(false));
        byte[] checkpoint = Files.readAllBytes(folder.resolve(InContextTraining.CHECKPOINT));
        InContextTrainingSettings other = settings.withPrecision(Precision.BFLOAT16);
        IllegalArgumentException e =
                assertThrows(
                        IllegalArgumentException.class,
                        () -> new InContextTraining(other, folder).run(true));
        assertTrue(
                e.getMessage().contains("precision float32 but is to go on with bfloat16"),
                e.getMessage());
        assertArrayEquals(
                checkpoint, Files.readAllBytes(folder.resolve(InContextTraining.CHECKPOINT)));
        new InContextTraining(settings, folder).run(true);
    }

    @Test
    void recordsBeforeThereWasAChoiceOfPrecisionAreReadAsFloat32() {
        InContextTrainingSettings settings = settings("mamba", 100, 1e-3);
        String json = JsonUtils.GSON.toJson(settings).replace(",\"precision\":\"FLOAT32\"", "");
        assertFalse(json.contains("precision"), json);
        assertEquals(settings, JsonUtils.GSON.fromJson(json, InContextTrainingSettings.class));
    }

    @Test
    void recordSurvivesItsJson() throws Exception {
        InContextTrainingSettings settings = settings("mamba", 100, 1e-3);
        TrainingHistory history = new InContextTraining(settings, folder).run(false);
        TrainingRecord record = TrainingRecord.of("the command", "commit", settings, 2, history);
        assertEquals(1, record.losses().size());
        assertTrue(record.seconds() > 0);
        assertEquals(record, TrainingRecord.fromJson(record.toJson()));
    }

    @Test
    void scheduleAndCurriculumAreTheStudys() {
        InContextTrainingSettings settings =
                new InContextTrainingSettings(
                        new InContextSettings("mambaformer", 4, 20, 41, 64, 8, 16),
                        "linear-regression",
                        500_001,
                        64,
                        1e-4,
                        1e-4,
                        0,
                        10,
                        0,
                        1000,
                        Precision.FLOAT32);
        Curriculum curriculum = settings.curriculum(settings.newTask());
        Curriculum studys = Curriculum.linearRegression();
        for (long step = 0; step < 40_000; step += 500) {
            assertEquals(studys.dimsAt(step), curriculum.dimsAt(step), "dims at " + step);
            assertEquals(studys.pointsAt(step), curriculum.pointsAt(step), "points at " + step);
        }
        assertEquals(1e-4f, settings.learningRateSchedule().getNewValue(0));
        assertEquals(1e-4f, settings.learningRateSchedule().getNewValue(400_000));

        Tracker tracker = settings("mamba", 1000, 1e-2).learningRateSchedule();
        assertEquals(0, tracker.getNewValue(0));
        assertEquals(5e-3f, tracker.getNewValue(10), 1e-6f);
        assertEquals(1e-2f, tracker.getNewValue(20), 1e-6f);
        assertEquals(1e-3f, tracker.getNewValue(1000), 1e-6f);
    }

    @Test
    void wrongSettingsAreNamed() {
        IllegalArgumentException e =
                assertThrows(IllegalArgumentException.class, () -> settings("mamba", 10, 1e-3));
        assertTrue(e.getMessage().contains("warm-up steps is 20"), e.getMessage());
    }

    private static InContextTrainingSettings settings(
            String architecture, long steps, double learningRate) {
        return new InContextTrainingSettings(
                new InContextSettings(architecture, 2, 2, 6, 32, 4, 8),
                "linear-regression",
                steps,
                16,
                learningRate,
                learningRate / 10,
                20,
                1,
                3,
                50,
                Precision.FLOAT32);
    }

    private static List<String> losses(Path run) throws IOException {
        // Without the seconds, which differ from run to run.
        return Files.readAllLines(run.resolve(InContextTraining.HISTORY)).stream()
                .skip(1)
                .map(line -> line.substring(0, line.lastIndexOf(',')))
                .toList();
    }

    /** Breaks a run off in the middle of a step. */
    private static final class Failure extends TrainingListenerAdapter {

        private final long step;

        Failure(long step) {
            this.step = step;
        }

        /** {@inheritDoc} */
        @Override
        public void onTrainingBatch(Trainer trainer, BatchData batchData) {
            if (((AdamTrainer) trainer).getSteps() == step) {
                throw new IllegalStateException("broken off");
            }
        }
    }
}
