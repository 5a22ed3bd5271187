/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.cli;

import ai.djl.training.Trainer;
import ai.djl.training.listener.TrainingListenerAdapter;
import io.github.djlmamba.training.AdamTrainer;

/** Moves the progress bar with the steps of a training. */
final class StepProgress extends TrainingListenerAdapter {

    private final TerminalProgress progress;
    private final long steps;

    StepProgress(TerminalProgress progress, long steps) {
        this.progress = progress;
        this.steps = steps;
    }

    /** {@inheritDoc} */
    @Override
    public void onTrainingBegin(Trainer trainer) {
        progress.reset("Training", steps);
    }

    /** {@inheritDoc} */
    @Override
    public void onTrainingBatch(Trainer trainer, BatchData batchData) {
        progress.update(((AdamTrainer) trainer).getSteps() + 1);
    }
}
