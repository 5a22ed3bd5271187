/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.cli;

import io.github.djlmamba.zoo.icl.InContextSettings;
import io.github.djlmamba.zoo.icl.InContextTraining;
import io.github.djlmamba.zoo.icl.InContextTrainingSettings;
import io.github.djlmamba.zoo.icl.TrainingRecord;
import io.github.djlmamba.zoo.training.TrainingHistory;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Trains a model on a task. */
@Command(
        name = "train",
        description =
                "Train a model on a task; the folder can be given to eval and predict as --model.",
        mixinStandardHelpOptions = true)
final class IclTrainCommand implements Callable<Integer> {

    @Option(
            names = "--task",
            defaultValue = "linear-regression",
            description = "The task. Default: ${DEFAULT-VALUE}.")
    private String task;

    @Option(
            names = "--model",
            defaultValue = "mambaformer",
            description =
                    "mambaformer, mamba, mamba2, transformer, hybrid, or a pattern of M (Mamba),"
                            + " * (attention) and - (MLP). Default: ${DEFAULT-VALUE}.")
    private String model;

    @Option(
            names = "--d-model",
            defaultValue = "64",
            description = "The width of the model. Default: ${DEFAULT-VALUE}.")
    private int modelSize;

    @Option(
            names = "--layers",
            defaultValue = "6",
            description =
                    "The single layers as the study counts them (MambaFormer has one more)."
                            + " Default: ${DEFAULT-VALUE}.")
    private int layers;

    @Option(
            names = "--heads",
            defaultValue = "8",
            description = "The heads of attention. Default: ${DEFAULT-VALUE}.")
    private int heads;

    @Option(
            names = "--state-size",
            defaultValue = "16",
            description = "The state size of Mamba and Mamba-2. Default: ${DEFAULT-VALUE}.")
    private int stateSize;

    @Option(
            names = "--dims",
            defaultValue = "8",
            description = "The size of an x. Default: ${DEFAULT-VALUE}.")
    private int dims;

    @Option(names = "--points", description = "The examples of a prompt. Default: 2 dims + 1.")
    private Integer points;

    @Option(
            names = "--batch",
            defaultValue = "64",
            description = "The prompts of a step. Default: ${DEFAULT-VALUE}.")
    private int batch;

    @Mixin
    private final TrainingOptions training =
            new TrainingOptions(32_000, 1e-3, 1000, "out/icl-train");

    @Mixin private ThreadsOption threads;

    /** {@inheritDoc} */
    @Override
    public Integer call() throws Exception {
        threads.apply();
        InContextTrainingSettings settings =
                new InContextTrainingSettings(
                        new InContextSettings(
                                model,
                                layers,
                                dims,
                                points == null ? 2 * dims + 1 : points,
                                modelSize,
                                heads,
                                stateSize),
                        task,
                        training.steps(),
                        batch,
                        training.learningRate(),
                        training.finalLearningRate(),
                        training.warmUp(),
                        training.clip(),
                        training.seed(),
                        training.checkpointInterval(),
                        training.precision());
        try (TerminalProgress progress = new TerminalProgress()) {
            TrainingHistory history =
                    new InContextTraining(
                                    settings,
                                    training.out(),
                                    new StepProgress(progress, training.steps()))
                            .run(training.resume());
            TrainingRecord record =
                    TrainingRecord.of(
                            training.command(),
                            training.commit(),
                            settings,
                            threads.count(),
                            history);
            training.finish(history, TrainingRecord.FILE, record.toJson());
        }
        return 0;
    }
}
