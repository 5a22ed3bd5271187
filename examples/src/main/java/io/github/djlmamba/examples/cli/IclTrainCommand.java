/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.cli;

import io.github.djlmamba.ops.Precision;
import io.github.djlmamba.zoo.icl.InContextSettings;
import io.github.djlmamba.zoo.icl.InContextTraining;
import io.github.djlmamba.zoo.icl.InContextTrainingSettings;
import io.github.djlmamba.zoo.icl.TrainingRecord;
import io.github.djlmamba.zoo.training.TrainingHistory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

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
            names = "--steps",
            defaultValue = "32000",
            description = "The steps. Default: ${DEFAULT-VALUE}.")
    private long steps;

    @Option(
            names = "--batch",
            defaultValue = "64",
            description = "The prompts of a step. Default: ${DEFAULT-VALUE}.")
    private int batch;

    @Option(
            names = "--lr",
            defaultValue = "1e-3",
            description = "The learning rate after warm-up. Default: ${DEFAULT-VALUE}.")
    private double learningRate;

    @Option(
            names = "--final-lr",
            description =
                    "The learning rate at the end, by half a cosine. Default: a fiftieth of --lr.")
    private Double finalLearningRate;

    @Option(
            names = "--warm-up",
            description = "The steps until --lr is reached. Default: a fiftieth of --steps.")
    private Integer warmUp;

    @Option(
            names = "--clip",
            defaultValue = "1",
            description = "The gradient norm to clip to; 0 for none. Default: ${DEFAULT-VALUE}.")
    private double clip;

    @Option(
            names = "--seed",
            defaultValue = "0",
            description = "The seed of prompts and parameters. Default: ${DEFAULT-VALUE}.")
    private long seed;

    @Option(
            names = "--checkpoint-interval",
            defaultValue = "1000",
            description = "The steps between two checkpoints. Default: ${DEFAULT-VALUE}.")
    private long checkpointInterval;

    @Option(
            names = "--precision",
            defaultValue = "float32",
            description =
                    "float32, or bfloat16 for the activations; parameters stay float32. Default:"
                            + " ${DEFAULT-VALUE}.")
    private Precision precision;

    @Option(
            names = "--out",
            defaultValue = "out/icl-train",
            description = "The folder of the run. Default: ${DEFAULT-VALUE}.")
    private Path out;

    @Mixin private ThreadsOption threads;

    @Option(names = "--resume", description = "Go on from the checkpoint in the folder.")
    private boolean resume;

    @Spec private CommandSpec spec;

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
                        steps,
                        batch,
                        learningRate,
                        finalLearningRate == null ? learningRate / 50 : finalLearningRate,
                        warmUp == null ? Math.toIntExact(steps / 50) : warmUp,
                        clip,
                        seed,
                        checkpointInterval,
                        precision);
        try (TerminalProgress progress = new TerminalProgress()) {
            InContextTraining training =
                    new InContextTraining(settings, out, new StepProgress(progress, steps));
            TrainingHistory history = training.run(resume);
            TrainingRecord record =
                    TrainingRecord.of(
                            CommandText.of(spec),
                            System.getenv("DJLMAMBA_COMMIT"),
                            settings,
                            threads.count(),
                            history);
            Files.writeString(out.resolve(TrainingRecord.FILE), record.toJson() + "\n");
            spec.commandLine()
                    .getOut()
                    .printf(
                            Locale.ROOT,
                            "%d steps in %.0f s; the model is in %s%n",
                            steps,
                            history.seconds(),
                            out);
        }
        return 0;
    }
}
