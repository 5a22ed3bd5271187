/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.language;

import ai.djl.MalformedModelException;
import ai.djl.Model;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Block;
import ai.djl.training.dataset.Dataset;
import ai.djl.training.listener.TrainingListener;
import ai.djl.training.loss.Loss;
import ai.djl.translate.TranslateException;
import ai.djl.util.JsonUtils;
import io.github.djlmamba.language.LanguageModel;
import io.github.djlmamba.training.AdamTrainer;
import io.github.djlmamba.training.TokenCrossEntropy;
import io.github.djlmamba.zoo.huggingface.HuggingFaceCheckpoint;
import io.github.djlmamba.zoo.safetensors.TensorType;
import io.github.djlmamba.zoo.text.TextGeneration;
import io.github.djlmamba.zoo.training.SettingsCheck;
import io.github.djlmamba.zoo.training.TrainingHistory;
import io.github.djlmamba.zoo.training.TrainingRun;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apiguardian.api.API;

/**
 * Trains a byte-level Mamba-2-Hybrid on random windows of a text: AdamW, the learning rate warmed
 * up and then falling along half a cosine, the gradient norm clipped, the mean cross-entropy of the
 * next byte.
 *
 * <p>The folder of a run holds {@link TrainingRun#CHECKPOINT}, {@link TrainingRun#HISTORY}, {@value
 * #VALIDATION} and, at its end, the model as a {@link HuggingFaceCheckpoint} with matrices in
 * bfloat16. The held-out part of the text is not looked at. A run that resumes from its checkpoint
 * gives what it would have given without the break; see {@link TrainingRun}. Not thread safe.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class ByteModelTraining {

    /** The file of a run's bits per byte on the validation part. */
    public static final String VALIDATION = "validation.csv";

    private static final double BETA1 = 0.9;

    /** Below PyTorch's 0.999, as in the studies' trainings: gradients of text vary more. */
    private static final double BETA2 = 0.95;

    private final TrainingRun run;

    /**
     * Creates a run.
     *
     * @param settings the settings
     * @param text the text
     * @param folder the folder for the checkpoint, the losses and the model; it is created
     * @param listeners DJL listeners beside those that the run has itself, such as for progress
     * @throws IllegalArgumentException if the settings are for another text
     */
    public ByteModelTraining(
            ByteModelTrainingSettings settings,
            ByteText text,
            Path folder,
            TrainingListener... listeners) {
        SettingsCheck.require(
                settings.text().equals(text.parts()),
                "the text of the settings",
                settings.text(),
                "the given text, " + text.parts());
        List<TrainingListener> all = new ArrayList<>(List.of(listeners));
        if (settings.validationInterval() > 0
                && text.parts().heldOutFrom() > text.parts().validationFrom()) {
            all.add(
                    new ValidationHistory(
                            folder.resolve(VALIDATION),
                            text,
                            settings.validationInterval(),
                            settings.steps(),
                            BitsPerByte.forLength(settings.length())));
        }
        run = new TrainingRun(new Plan(settings, text), folder, all);
    }

    /**
     * Trains to the last step and saves the model.
     *
     * @param resume whether to go on from the checkpoint in the folder, where there is one
     * @return the losses of the run by step, in nats per byte, those before a break included
     * @throws IOException if a file cannot be read or written, or the folder holds a run that is
     *     not to be resumed
     * @throws MalformedModelException if the checkpoint is damaged or of another model
     * @throws IllegalArgumentException if the run began with other data or in another precision
     * @throws TranslateException if DJL's training loop fails
     */
    public TrainingHistory run(boolean resume)
            throws IOException, MalformedModelException, TranslateException {
        return run.run(resume);
    }

    private record Plan(ByteModelTrainingSettings training, ByteText text)
            implements TrainingRun.Plan {

        /** {@inheritDoc} */
        @Override
        public String settings() {
            return JsonUtils.GSON.toJson(training);
        }

        /** {@inheritDoc} */
        @Override
        public void checkContinues(String begun) {
            training.checkContinues(
                    JsonUtils.GSON.fromJson(begun, ByteModelTrainingSettings.class));
        }

        /** {@inheritDoc} */
        @Override
        public long seed() {
            return training.seed();
        }

        /** {@inheritDoc} */
        @Override
        public long steps() {
            return training.steps();
        }

        /** {@inheritDoc} */
        @Override
        public long checkpointInterval() {
            return training.checkpointInterval();
        }

        /** {@inheritDoc} */
        @Override
        public Block newBlock() {
            return new LanguageModel(training.model().options());
        }

        /** {@inheritDoc} */
        @Override
        public Loss newLoss() {
            return new TokenCrossEntropy();
        }

        /** {@inheritDoc} */
        @Override
        public void configure(AdamTrainer.Builder builder) {
            builder.setLearningRate(training.learningRateSchedule())
                    .optBetas(BETA1, BETA2)
                    .optWeightDecay(training.weightDecay(), true)
                    .optMaxGradientNorm(training.maxGradientNorm())
                    .optPrecision(training.precision());
        }

        /** {@inheritDoc} */
        @Override
        public Shape[] inputShapes() {
            return new Shape[] {new Shape(training.batch(), training.length())};
        }

        /** {@inheritDoc} */
        @Override
        public Dataset newDataset(long done) {
            return ByteWindows.builder()
                    .setText(text)
                    .setBatches(Math.toIntExact(training.steps() - done))
                    .optBatchSize(training.batch())
                    .optLength(training.length())
                    .optSeed(training.seed())
                    .optStartStep(done)
                    .build();
        }

        /** {@inheritDoc} */
        @Override
        public void save(Model model, Path folder) throws IOException {
            try {
                HuggingFaceCheckpoint.of(
                                training.model().config(), (LanguageModel) model.getBlock())
                        .withMatricesIn(TensorType.BF16)
                        .save(folder);
            } catch (MalformedModelException e) {
                throw new AssertionError("the settings have made this model", e);
            }
            // What text generation reads beside the configuration.
            Files.writeString(
                    folder.resolve("serving.properties"),
                    "engine=PyTorch\n" + TextGeneration.TOKENIZER + "=bytes\n");
        }
    }
}
