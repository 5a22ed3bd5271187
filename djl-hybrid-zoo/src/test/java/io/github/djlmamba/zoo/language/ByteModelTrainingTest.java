/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.language;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.inference.Predictor;
import ai.djl.repository.zoo.ZooModel;
import ai.djl.training.Trainer;
import ai.djl.training.listener.TrainingListenerAdapter;
import io.github.djlmamba.ops.Precision;
import io.github.djlmamba.training.AdamTrainer;
import io.github.djlmamba.zoo.huggingface.HuggingFaceModels;
import io.github.djlmamba.zoo.safetensors.SafetensorsFolder;
import io.github.djlmamba.zoo.text.GenerationOptions;
import io.github.djlmamba.zoo.text.GenerationRequest;
import io.github.djlmamba.zoo.text.GenerationResult;
import io.github.djlmamba.zoo.training.TrainingHistory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Trains a small model for a few steps. */
class ByteModelTrainingTest {

    private static final ByteModelSettings MODEL = new ByteModelSettings("M*-", 32, 16, 16, 4, 2);

    @TempDir private Path folder;
    private ByteText text;

    @BeforeEach
    void writeText() throws IOException {
        Path file = folder.resolve("text");
        Files.writeString(file, Verses.TEXT.repeat(4));
        text = ByteText.read(file, 0.1, 0.1);
    }

    @Test
    void learnsAText() throws Exception {
        Path run = folder.resolve("run");
        TrainingHistory history = new ByteModelTraining(settings(300, 100), text, run).run(false);
        List<TrainingHistory.Entry> losses = history.entries();
        assertEquals(3, losses.size());
        double last = losses.get(2).loss();
        assertTrue(last < 1.5, "the loss after 300 steps is " + last + " nats per byte");
        List<String> validation = Files.readAllLines(run.resolve(ByteModelTraining.VALIDATION));
        assertEquals("step,bits_per_byte", validation.get(0));
        assertEquals(
                List.of("100", "200", "300"),
                validation.stream().skip(1).map(line -> line.split(",")[0]).toList());
        double bits = Double.parseDouble(validation.get(3).split(",")[1]);
        // The text repeats itself, so the validation part has been seen before it.
        assertTrue(bits < 3, validation::toString);

        GenerationRequest request =
                GenerationRequest.of("And God said, Let there be ")
                        .withOptions(GenerationOptions.DEFAULTS.withMaxNewTokens(8));
        try (ZooModel<GenerationRequest, GenerationResult> model =
                        HuggingFaceModels.criteria(
                                        run, GenerationRequest.class, GenerationResult.class)
                                .build()
                                .loadModel();
                Predictor<GenerationRequest, GenerationResult> predictor = model.newPredictor()) {
            GenerationResult result = predictor.predict(request);
            assertEquals(8, result.ids().length);
            // Bytes that the text has, which a model that has not learnt it would hardly give.
            assertTrue(result.text().chars().allMatch(c -> Verses.TEXT.indexOf(c) >= 0));
        }
    }

    @Test
    void resumedRunEqualsAnUninterruptedOne() throws Exception {
        ByteModelTrainingSettings settings = settings(60, 20);
        Path whole = folder.resolve("whole");
        new ByteModelTraining(settings, text, whole).run(false);
        Path broken = folder.resolve("broken");
        assertThrows(
                IllegalStateException.class,
                () -> new ByteModelTraining(settings, text, broken, new Failure(33)).run(false));
        new ByteModelTraining(settings, text, broken).run(true);
        for (String file : List.of(SafetensorsFolder.SINGLE_FILE, ByteModelTraining.VALIDATION)) {
            assertArrayEquals(
                    Files.readAllBytes(whole.resolve(file)),
                    Files.readAllBytes(broken.resolve(file)),
                    file);
        }
    }

    @Test
    void aRunGoesOnWithTheTextItBeganWith() throws Exception {
        Path run = folder.resolve("run");
        new ByteModelTraining(settings(5, 0), text, run).run(false);
        Path file = folder.resolve("other");
        Files.writeString(file, Verses.TEXT.repeat(5));
        ByteText other = ByteText.read(file, 0.1, 0.1);
        ByteModelTrainingSettings settings = settings(10, 0);
        assertThrows(
                IllegalArgumentException.class, () -> new ByteModelTraining(settings, other, run));
        text = other;
        IllegalArgumentException e =
                assertThrows(
                        IllegalArgumentException.class,
                        () -> new ByteModelTraining(settings(10, 0), other, run).run(true));
        assertTrue(e.getMessage().contains("the run began with text"), e.getMessage());
    }

    @Test
    void recordSurvivesItsJson() throws Exception {
        ByteModelTrainingSettings settings = settings(5, 0);
        TrainingHistory history =
                new ByteModelTraining(settings, text, folder.resolve("run")).run(false);
        ByteModelRecord record =
                ByteModelRecord.of("command", "commit", "source", null, settings, 2, history)
                        .withEvaluation(
                                new ByteModelRecord.Evaluation(
                                        10, 20, 1.5, BitsPerByte.forLength(32), 1.9));
        assertTrue(record.seconds() > 0);
        assertEquals(record, ByteModelRecord.fromJson(record.toJson()));
    }

    @Test
    void wrongSettingsAreNamed() {
        assertMessage("'x'", () -> new ByteModelSettings("Mx", 32, 16, 16, 4, 2));
        assertMessage("a divisor of 32", () -> new ByteModelSettings("M", 32, 16, 16, 5, 5));
        assertMessage("num_query_groups", () -> new ByteModelSettings("M*", 32, 16, 16, 4, 3));
        assertMessage("mamba_head_dim", () -> new ByteModelSettings("M", 32, 16, 24, 4, 2));
        assertMessage("warm-up steps is 2", () -> settings(2, 0));
    }

    private ByteModelTrainingSettings settings(long steps, long validationInterval) {
        return new ByteModelTrainingSettings(
                MODEL,
                text == null ? new ByteText.Parts("", 1, 1, 1) : text.parts(),
                steps,
                8,
                64,
                1e-2,
                1e-3,
                2,
                0.1,
                1,
                1,
                20,
                validationInterval,
                Precision.FLOAT32);
    }

    private static void assertMessage(String part, Runnable action) {
        String message = assertThrows(IllegalArgumentException.class, action::run).getMessage();
        assertTrue(message.contains(part), message);
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
