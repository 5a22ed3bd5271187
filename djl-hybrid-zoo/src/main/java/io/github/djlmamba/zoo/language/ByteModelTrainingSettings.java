/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.language;

import ai.djl.training.tracker.Tracker;
import io.github.djlmamba.ops.Precision;
import io.github.djlmamba.zoo.training.LearningRates;
import io.github.djlmamba.zoo.training.SettingsCheck;
import org.apiguardian.api.API;

/**
 * The settings of a {@link ByteModelTraining}.
 *
 * @param model the model
 * @param text the text, by its hash, and how it is cut
 * @param steps the number of steps
 * @param batch the windows of a step
 * @param length the bytes of a window that are predicted from
 * @param learningRate the learning rate after warm-up
 * @param finalLearningRate the learning rate at the last step, reached along half a cosine; the
 *     learning rate for a constant one
 * @param warmUpSteps the steps over which the learning rate rises from 0
 * @param weightDecay AdamW's decay of weights, which spares biases, norms, A and D
 * @param maxGradientNorm the global norm that gradients are clipped to; 0 for no clipping
 * @param seed the seed of the windows and of the initial parameters
 * @param checkpointInterval the steps between two checkpoints
 * @param validationInterval the steps between two looks at the validation part; 0 for none
 * @param precision the precision of the forward pass
 */
@API(status = API.Status.EXPERIMENTAL)
public record ByteModelTrainingSettings(
        ByteModelSettings model,
        ByteText.Parts text,
        long steps,
        int batch,
        int length,
        double learningRate,
        double finalLearningRate,
        int warmUpSteps,
        double weightDecay,
        double maxGradientNorm,
        long seed,
        long checkpointInterval,
        long validationInterval,
        Precision precision) {

    /**
     * Checks the settings.
     *
     * @throws IllegalArgumentException if one is missing or out of its range
     */
    public ByteModelTrainingSettings {
        SettingsCheck.require(model != null, "the model", null, "its settings");
        SettingsCheck.require(text != null, "the text", null, "its parts");
        SettingsCheck.require(precision != null, "the precision", null, "float32 or bfloat16");
        SettingsCheck.require(
                steps >= 1 && steps <= Integer.MAX_VALUE, "steps", steps, "1 to 2^31 - 1");
        SettingsCheck.require(batch >= 1, "batch", batch, "at least 1");
        SettingsCheck.require(length >= 1, "length", length, "at least 1");
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
                weightDecay >= 0 && weightDecay < 10, "the weight decay", weightDecay, "0 to 10");
        SettingsCheck.require(
                maxGradientNorm >= 0, "the gradient norm", maxGradientNorm, "at least 0");
        SettingsCheck.require(
                checkpointInterval >= 1,
                "the checkpoint interval",
                checkpointInterval,
                "at least 1");
        SettingsCheck.require(
                validationInterval >= 0,
                "the validation interval",
                validationInterval,
                "at least 1, or 0 for none");
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
    void checkContinues(ByteModelTrainingSettings begun) {
        SettingsCheck.requireSame("model", begun.model, model);
        SettingsCheck.requireSame("text", begun.text, text);
        SettingsCheck.requireSame("batch", begun.batch, batch);
        SettingsCheck.requireSame("length", begun.length, length);
        SettingsCheck.requireSame("seed", begun.seed, seed);
        SettingsCheck.requireSame("precision", begun.precision, precision);
    }
}
