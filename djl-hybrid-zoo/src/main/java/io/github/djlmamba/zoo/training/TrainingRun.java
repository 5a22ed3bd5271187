/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.training;

import ai.djl.MalformedModelException;
import ai.djl.Model;
import ai.djl.engine.Engine;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Block;
import ai.djl.training.DefaultTrainingConfig;
import ai.djl.training.EasyTrain;
import ai.djl.training.dataset.Dataset;
import ai.djl.training.listener.TrainingListener;
import ai.djl.training.loss.Loss;
import ai.djl.translate.TranslateException;
import io.github.djlmamba.training.AdamTrainer;
import io.github.djlmamba.training.CheckpointListener;
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
 * A training in a folder, which can be broken off at any moment and resumed.
 *
 * <p>The folder holds {@value #CHECKPOINT}, {@value #HISTORY} and, at the end, the model. Where the
 * plan's data are a function of seed and step alone, and nothing else is drawn, a run that resumes
 * from its checkpoint gives what it would have given without the break, to the last bit on the same
 * machine with as many threads. Not thread safe.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class TrainingRun {

    /** The file of a run's latest checkpoint. */
    public static final String CHECKPOINT = "checkpoint.safetensors";

    /** The file of a run's losses. */
    public static final String HISTORY = "history.csv";

    private static final String SETTINGS = "settings";

    private final Plan plan;
    private final Path folder;
    private final List<TrainingListener> listeners;

    /**
     * Creates a run.
     *
     * @param plan what is trained, and how
     * @param folder the folder for the checkpoint, the losses and the model; it is created
     * @param listeners DJL listeners beside those that the run has itself, called before them
     */
    public TrainingRun(Plan plan, Path folder, List<? extends TrainingListener> listeners) {
        this.plan = plan;
        this.folder = folder;
        this.listeners = List.copyOf(listeners);
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
        Engine.getEngine("PyTorch").setRandomSeed(Math.toIntExact(plan.seed() & 0x7fffffff));
        try (Model model = Model.newInstance("model", "PyTorch")) {
            model.setBlock(plan.newBlock());
            TrainingHistory history = new TrainingHistory(folder.resolve(HISTORY));
            try (AdamTrainer trainer = newTrainer(model, history, checkpoint)) {
                trainer.initialize(plan.inputShapes());
                Map<String, String> notes = Map.of();
                if (restore) {
                    notes = TrainingCheckpoint.restore(trainer, checkpoint);
                }
                history.resumeAt(trainer.getSteps(), notes);
                if (trainer.getSteps() < plan.steps()) {
                    EasyTrain.fit(trainer, 1, plan.newDataset(trainer.getSteps()), null);
                }
                plan.save(model, folder);
            }
            return history;
        }
    }

    private AdamTrainer newTrainer(Model model, TrainingHistory history, Path checkpoint) {
        List<TrainingListener> all = new ArrayList<>(listeners);
        all.add(history);
        all.add(
                new CheckpointListener(
                        checkpoint, plan.checkpointInterval(), steps -> notes(history, steps)));
        AdamTrainer.Builder builder =
                AdamTrainer.builder()
                        .setModel(model)
                        .setTrainingConfig(
                                new DefaultTrainingConfig(plan.newLoss())
                                        .addTrainingListeners(
                                                all.toArray(TrainingListener[]::new)));
        plan.configure(builder);
        return builder.build();
    }

    private void checkContinues(Path checkpoint) throws IOException, MalformedModelException {
        String begun = TrainingCheckpoint.notes(checkpoint).get(SETTINGS);
        if (begun == null) {
            throw new MalformedModelException(
                    checkpoint + " is not of a run like this: it does not name its settings");
        }
        plan.checkContinues(begun);
    }

    private Map<String, String> notes(TrainingHistory history, long steps) {
        Map<String, String> notes = new HashMap<>(history.notes(steps));
        notes.put(SETTINGS, plan.settings());
        return notes;
    }

    /** What a run trains, and how. */
    public interface Plan {

        /**
         * Returns the settings, which each checkpoint keeps.
         *
         * @return a text that {@link #checkContinues} reads
         */
        String settings();

        /**
         * Checks that the run may go on from where one with other settings stopped.
         *
         * @param begun the settings that the run began with
         * @throws IllegalArgumentException if it may not
         */
        void checkContinues(String begun);

        /**
         * Returns the seed of the initial parameters.
         *
         * @return any number
         */
        long seed();

        /**
         * Returns the number of steps.
         *
         * @return 1 or more
         */
        long steps();

        /**
         * Returns the steps between two checkpoints.
         *
         * @return 1 or more
         */
        long checkpointInterval();

        /**
         * Makes the model.
         *
         * @return a block without parameters yet
         */
        Block newBlock();

        /**
         * Makes the loss.
         *
         * @return the loss
         */
        Loss newLoss();

        /**
         * Sets the learning rate and the rest of the trainer but model and configuration.
         *
         * @param builder the trainer's builder
         */
        void configure(AdamTrainer.Builder builder);

        /**
         * Returns the shapes of the model's inputs.
         *
         * @return one for each input
         */
        Shape[] inputShapes();

        /**
         * Makes the data for the rest of the run, one epoch.
         *
         * @param done the number of steps that are done
         * @return a batch for each step that is left
         */
        Dataset newDataset(long done);

        /**
         * Saves the trained model.
         *
         * @param model the model
         * @param folder the run's folder
         * @throws IOException if it cannot be written
         */
        void save(Model model, Path folder) throws IOException;
    }
}
