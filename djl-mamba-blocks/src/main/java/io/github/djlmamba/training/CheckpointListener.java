/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.training;

import ai.djl.training.Trainer;
import ai.djl.training.listener.TrainingListenerAdapter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.function.LongFunction;
import org.apiguardian.api.API;

/**
 * Writes a {@link TrainingCheckpoint} of an {@link AdamTrainer} at intervals, and when the trainer
 * is closed.
 *
 * <p>DJL calls listeners after a batch's backward pass and before its step, so a checkpoint holds
 * the steps completed before that batch, and a run that continues from it starts with that batch
 * again.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class CheckpointListener extends TrainingListenerAdapter {

    private final Path file;
    private final long interval;
    private final LongFunction<Map<String, String>> notes;
    private long saved;

    /**
     * Creates the listener.
     *
     * @param file the checkpoint's file, replaced each time
     * @param interval the number of steps between two checkpoints
     * @throws IllegalArgumentException if the interval is not positive
     */
    public CheckpointListener(Path file, long interval) {
        this(file, interval, steps -> Map.of());
    }

    /**
     * Creates a listener that stores notes of the caller in each checkpoint.
     *
     * @param file the checkpoint's file, replaced each time
     * @param interval the number of steps between two checkpoints
     * @param notes gives the notes, by the number of completed steps
     * @throws IllegalArgumentException if the interval is not positive
     */
    public CheckpointListener(Path file, long interval, LongFunction<Map<String, String>> notes) {
        if (interval < 1) {
            throw new IllegalArgumentException("interval is " + interval + "; expected at least 1");
        }
        this.file = file;
        this.interval = interval;
        this.notes = notes;
    }

    /** {@inheritDoc} */
    @Override
    public void onTrainingBatch(Trainer trainer, BatchData batchData) {
        AdamTrainer adamTrainer = (AdamTrainer) trainer;
        if (adamTrainer.isBetweenSteps() && adamTrainer.getSteps() >= saved + interval) {
            save(adamTrainer);
        }
    }

    /** {@inheritDoc} */
    @Override
    public void onTrainingEnd(Trainer trainer) {
        AdamTrainer adamTrainer = (AdamTrainer) trainer;
        if (adamTrainer.isBetweenSteps() && adamTrainer.getSteps() > saved) {
            save(adamTrainer);
        }
    }

    private void save(AdamTrainer trainer) {
        try {
            TrainingCheckpoint.save(trainer, file, notes.apply(trainer.getSteps()));
            saved = trainer.getSteps();
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write the checkpoint " + file, e);
        }
    }
}
