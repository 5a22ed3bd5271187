/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.icl;

import ai.djl.training.tracker.Tracker;
import io.github.djlmamba.icl.Curriculum;
import io.github.djlmamba.icl.task.IclTask;
import io.github.djlmamba.icl.task.IclTasks;
import io.github.djlmamba.ops.Precision;
import io.github.djlmamba.zoo.training.LearningRates;
import io.github.djlmamba.zoo.training.SettingsCheck;
import org.apiguardian.api.API;

/**
 * The settings of an {@link InContextTraining}.
 *
 * @param model the model
 * @param task the name of the task, one of {@link IclTasks#names()}
 * @param steps the number of steps
 * @param batch the prompts of a step
 * @param learningRate the learning rate after warm-up
 * @param finalLearningRate the learning rate at the last step, reached along half a cosine; the
 *     learning rate for a constant one
 * @param warmUpSteps the steps over which the learning rate rises from 0
 * @param maxGradientNorm the global norm that gradients are clipped to; 0 for no clipping
 * @param seed the seed of the prompts and of the initial parameters
 * @param checkpointInterval the steps between two checkpoints
 * @param precision the precision of the forward pass; null, as in records of runs before there was
 *     a choice, for float32
 */
@API(status = API.Status.EXPERIMENTAL)
public record InContextTrainingSettings(
        InContextSettings model,
        String task,
        long steps,
        int batch,
        double learningRate,
        double finalLearningRate,
        int warmUpSteps,
        double maxGradientNorm,
        long seed,
        long checkpointInterval,
        Precision precision) {

    /** The share of a run over which the curriculum grows: the study's 30,000 of 500,001 steps. */
    private static final double CURRICULUM_SHARE = 0.06;

    /**
     * Checks the settings.
     *
     * @throws IllegalArgumentException if one is out of its range
     */
    public InContextTrainingSettings {
        precision = precision == null ? Precision.FLOAT32 : precision;
        SettingsCheck.require(
                steps >= 1 && steps <= Integer.MAX_VALUE, "steps", steps, "1 to 2^31 - 1");
        SettingsCheck.require(batch >= 1, "batch", batch, "at least 1");
        SettingsCheck.require(
                learningRate > 0 && learningRate < 1,
                "the learning rate",
                learningRate,
                "between 0 and 1");
        SettingsCheck.require(
                finalLearningRate >= 0 && finalLearningRate <= learningRate,
                "the final learning rate",
                finalLearningRate,
                "between 0 and the learning rate");
        SettingsCheck.require(
                warmUpSteps >= 0 && warmUpSteps < steps,
                "the number of warm-up steps",
                warmUpSteps,
                "less than the number of steps");
        SettingsCheck.require(
                maxGradientNorm >= 0, "the gradient norm", maxGradientNorm, "at least 0");
        SettingsCheck.require(
                checkpointInterval >= 1,
                "the checkpoint interval",
                checkpointInterval,
                "at least 1");
    }

    /**
     * Returns the same settings with another precision.
     *
     * @param newPrecision the precision of the forward pass
     * @return a copy with it
     */
    public InContextTrainingSettings withPrecision(Precision newPrecision) {
        return new InContextTrainingSettings(
                model,
                task,
                steps,
                batch,
                learningRate,
                finalLearningRate,
                warmUpSteps,
                maxGradientNorm,
                seed,
                checkpointInterval,
                newPrecision);
    }

    /**
     * Returns the task in the model's size.
     *
     * @return the task
     * @throws IllegalArgumentException if there is no such task
     */
    public IclTask newTask() {
        return IclTasks.of(task, model.dims(), model.points());
    }

    /**
     * Returns the size of the prompts by step: from a quarter of the dimensions and twice as many
     * points plus one, in even steps over the first 6% of the run, to all, as the study's schedule
     * for 20 dimensions, 41 points and 500,001 steps.
     *
     * @param iclTask the task
     * @return the curriculum
     */
    public Curriculum curriculum(IclTask iclTask) {
        int dims = Math.max(1, (iclTask.dims() + 3) / 4);
        int points = Math.min(2 * dims + 1, iclTask.points());
        int increments = Math.max(1, iclTask.dims() - dims);
        int interval = (int) Math.max(1, Math.round(steps * CURRICULUM_SHARE / increments));
        return new Curriculum(
                new Curriculum.Ramp(dims, iclTask.dims(), 1, interval),
                new Curriculum.Ramp(points, iclTask.points(), 2, interval));
    }

    /**
     * Returns the learning rate by step.
     *
     * @return the schedule
     */
    public Tracker learningRateSchedule() {
        return LearningRates.warmUpThenCosine(learningRate, finalLearningRate, warmUpSteps, steps);
    }

    /**
     * Checks that a run with these settings may go on from where another one stopped: what they
     * train, on which data, and in which precision must be the same. The number of steps and how
     * they go on from there may be others, though the run then equals no uninterrupted one.
     *
     * @param begun the settings that the run began with
     * @throws IllegalArgumentException if it may not
     */
    void checkContinues(InContextTrainingSettings begun) {
        SettingsCheck.requireSame("model", begun.model, model);
        SettingsCheck.requireSame("task", begun.task, task);
        SettingsCheck.requireSame("batch", begun.batch, batch);
        SettingsCheck.requireSame("seed", begun.seed, seed);
        SettingsCheck.requireSame("precision", begun.precision, precision);
    }
}
