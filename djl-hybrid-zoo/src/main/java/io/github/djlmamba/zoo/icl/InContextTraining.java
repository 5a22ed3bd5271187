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
import ai.djl.engine.Engine;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.DefaultTrainingConfig;
import ai.djl.training.EasyTrain;
import ai.djl.training.listener.TrainingListener;
import ai.djl.translate.TranslateException;
import ai.djl.util.JsonUtils;
import io.github.djlmamba.icl.IclDataset;
import io.github.djlmamba.icl.task.IclTask;
import io.github.djlmamba.training.AdamTrainer;
import io.github.djlmamba.training.CheckpointListener;
import io.github.djlmamba.training.MeanSquaredError;
import io.github.djlmamba.training.TrainingCheckpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
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
    public static final String CHECKPOINT = "checkpoint.safetensors";

    /** The file of a run's losses. */
    public static final String HISTORY = "history.csv";

    private static final String SETTINGS = "settings";

    private final InContextTrainingSettings settings;
    private final Path folder;
    private final List<TrainingListener> listeners;

    /**
     * Creates a run.
     *
     * @param settings the settings
     * @param folder the folder for the checkpoint, the losses and the model; it is created
     * @param listeners DJL listeners beside those that the run has itself, such as for progress
     */
    public InContextTraining(
            InContextTrainingSettings settings, Path folder, TrainingListener... listeners) {
        this.settings = settings;
        this.folder = folder;
        this.listeners = List.of(listeners);
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
        Path checkpoint = folder.resolve(CHECKPOINT);
        boolean restore = Files.exists(checkpoint);
        if (restore && !resume) {
            throw new IOException(
                    folder + " holds a run already: resume it, or name another folder");
        }
        if (restore) {
            checkContinues(checkpoint);
        }
        Files.createDirectories(folder);
        IclTask task = settings.newTask();
        Engine.getEngine("PyTorch").setRandomSeed(Math.toIntExact(settings.seed() & 0x7fffffff));
        try (Model model = Model.newInstance("model", "PyTorch")) {
            model.setBlock(new InContextLearner(settings.model()));
            TrainingHistory history = new TrainingHistory(folder.resolve(HISTORY));
            List<TrainingListener> all = new ArrayList<>(listeners);
            all.add(history);
            all.add(
                    new CheckpointListener(
                            checkpoint,
                            settings.checkpointInterval(),
                            steps -> notes(history, steps)));
            DefaultTrainingConfig config =
                    new DefaultTrainingConfig(new MeanSquaredError())
                            .addTrainingListeners(all.toArray(TrainingListener[]::new));
            try (AdamTrainer trainer = newTrainer(model, config)) {
                trainer.initialize(
                        new Shape(settings.batch(), task.points(), task.dims()),
                        new Shape(settings.batch(), task.points()));
                Map<String, String> notes = Map.of();
                if (restore) {
                    notes = TrainingCheckpoint.restore(trainer, checkpoint);
                }
                history.resumeAt(trainer.getSteps(), notes);
                if (trainer.getSteps() < settings.steps()) {
                    EasyTrain.fit(trainer, 1, newDataset(task, trainer.getSteps()), null);
                }
                InContextModels.save(model, folder);
            }
            return history;
        }
    }

    private void checkContinues(Path checkpoint) throws IOException, MalformedModelException {
        String begun = TrainingCheckpoint.notes(checkpoint).get(SETTINGS);
        if (begun == null) {
            throw new MalformedModelException(
                    checkpoint + " is not of a run like this: it does not name its settings");
        }
        settings.checkContinues(JsonUtils.GSON.fromJson(begun, InContextTrainingSettings.class));
    }

    private Map<String, String> notes(TrainingHistory history, long steps) {
        Map<String, String> notes = new HashMap<>(history.notes(steps));
        notes.put(SETTINGS, JsonUtils.GSON.toJson(settings));
        return notes;
    }

    private AdamTrainer newTrainer(Model model, DefaultTrainingConfig config) {
        return AdamTrainer.builder()
                .setModel(model)
                .setTrainingConfig(config)
                .setLearningRate(settings.learningRateSchedule())
                .optMaxGradientNorm(settings.maxGradientNorm())
                .optPrecision(settings.precision())
                .build();
    }

    private IclDataset newDataset(IclTask task, long done) {
        return IclDataset.builder()
                .setTask(task)
                .setBatchesPerEpoch(Math.toIntExact(settings.steps() - done))
                .optBatchSize(settings.batch())
                .optSeed(settings.seed())
                .optCurriculum(settings.curriculum(task))
                .optStartStep(done)
                .build();
    }
}
