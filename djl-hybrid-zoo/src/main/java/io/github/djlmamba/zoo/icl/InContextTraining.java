/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.icl;

import ai.djl.MalformedModelException;
import ai.djl.Model;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Block;
import ai.djl.training.dataset.Dataset;
import ai.djl.training.listener.TrainingListener;
import ai.djl.training.loss.Loss;
import ai.djl.translate.TranslateException;
import ai.djl.util.JsonUtils;
import io.github.djlmamba.icl.IclDataset;
import io.github.djlmamba.icl.task.IclTask;
import io.github.djlmamba.training.AdamTrainer;
import io.github.djlmamba.training.MeanSquaredError;
import io.github.djlmamba.zoo.training.TrainingHistory;
import io.github.djlmamba.zoo.training.TrainingRun;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.apiguardian.api.API;

/**
 * Trains an {@link InContextLearner} on fresh prompts of a task, as the study does (Park et al.
 * 2024): Adam without weight decay, the gradient norm clipped, the mean squared error over all
 * positions, a curriculum over dimensions and points.
 *
 * <p>The folder of a run holds {@value #CHECKPOINT}, {@value #HISTORY} and, at its end, the model.
 * Prompts are a function of seed and step alone, and nothing else is drawn, so a run that resumes
 * from its checkpoint gives what it would have given without the break, to the last bit on the same
 * machine with as many threads. Not thread safe.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class InContextTraining {

    /** The file of a run's latest checkpoint. */
    public static final String CHECKPOINT = TrainingRun.CHECKPOINT;

    /** The file of a run's losses. */
    public static final String HISTORY = TrainingRun.HISTORY;

    private final TrainingRun run;

    /**
     * Creates a run.
     *
     * @param settings the settings
     * @param folder the folder for the checkpoint, the losses and the model; it is created
     * @param listeners DJL listeners beside those that the run has itself, such as for progress
     */
    public InContextTraining(
            InContextTrainingSettings settings, Path folder, TrainingListener... listeners) {
        run = new TrainingRun(new Plan(settings), folder, List.of(listeners));
    }

    /**
     * Trains to the last step and saves the model.
     *
     * @param resume whether to go on from the checkpoint in the folder, where there is one
     * @return the losses of the run by step, those before a break included
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

    /** How the study trains. */
    private record Plan(InContextTrainingSettings training) implements TrainingRun.Plan {

        /** {@inheritDoc} */
        @Override
        public String settings() {
            return JsonUtils.GSON.toJson(training);
        }

        /** {@inheritDoc} */
        @Override
        public void checkContinues(String begun) {
            training.checkContinues(
                    JsonUtils.GSON.fromJson(begun, InContextTrainingSettings.class));
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
            return new InContextLearner(training.model());
        }

        /** {@inheritDoc} */
        @Override
        public Loss newLoss() {
            return new MeanSquaredError();
        }

        /** {@inheritDoc} */
        @Override
        public void configure(AdamTrainer.Builder builder) {
            builder.setLearningRate(training.learningRateSchedule())
                    .optMaxGradientNorm(training.maxGradientNorm())
                    .optPrecision(training.precision());
        }

        /** {@inheritDoc} */
        @Override
        public Shape[] inputShapes() {
            long points = training.model().points();
            return new Shape[] {
                new Shape(training.batch(), points, training.model().dims()),
                new Shape(training.batch(), points)
            };
        }

        /** {@inheritDoc} */
        @Override
        public Dataset newDataset(long done) {
            IclTask task = training.newTask();
            return IclDataset.builder()
                    .setTask(task)
                    .setBatchesPerEpoch(Math.toIntExact(training.steps() - done))
                    .optBatchSize(training.batch())
                    .optSeed(training.seed())
                    .optCurriculum(training.curriculum(task))
                    .optStartStep(done)
                    .build();
        }

        /** {@inheritDoc} */
        @Override
        public void save(Model model, Path folder) throws IOException {
            InContextModels.save(model, folder);
        }
    }
}
