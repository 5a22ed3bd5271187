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
import io.github.djlmamba.zoo.language.ByteModelRecord;
import io.github.djlmamba.zoo.language.ByteModelSettings;
import io.github.djlmamba.zoo.language.ByteModelTraining;
import io.github.djlmamba.zoo.language.ByteModelTrainingSettings;
import io.github.djlmamba.zoo.language.ByteText;
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

/** Trains a byte-level Mamba-2-Hybrid on a text. */
@Command(
        name = "train",
        description = "Train a byte-level Mamba-2-Hybrid on a text.",
        mixinStandardHelpOptions = true)
final class TextTrainCommand implements Callable<Integer> {

    @Option(names = "--text", required = true, description = "The file with the text.")
    private Path textFile;

    @Option(
            names = "--text-source",
            description = "Where the text comes from, for the record: package, version, command.")
    private String textSource;

    @Option(names = "--note", description = "What else to say of the run, for the record.")
    private String note;

    @Option(
            names = "--held-out",
            defaultValue = "0.05",
            description =
                    "The share at the end of the text that training never sees. Default:"
                            + " ${DEFAULT-VALUE}.")
    private double heldOut;

    @Option(
            names = "--validation",
            defaultValue = "0.01",
            description =
                    "The share before it that is scored on the way but not trained on. Default:"
                            + " ${DEFAULT-VALUE}.")
    private double validation;

    @Option(
            names = "--pattern",
            defaultValue = "M-M*-M-M*-",
            description =
                    "The layers: M (Mamba-2), * (attention) and - (MLP). Default:"
                            + " ${DEFAULT-VALUE}.")
    private String pattern;

    @Option(
            names = "--d-model",
            defaultValue = "256",
            description = "The width of the model. Default: ${DEFAULT-VALUE}.")
    private int modelSize;

    @Option(
            names = "--state-size",
            defaultValue = "64",
            description = "The state size of Mamba-2. Default: ${DEFAULT-VALUE}.")
    private int stateSize;

    @Option(
            names = "--state-head-size",
            defaultValue = "64",
            description = "The channels of a head of Mamba-2. Default: ${DEFAULT-VALUE}.")
    private int stateHeadSize;

    @Option(
            names = "--heads",
            defaultValue = "8",
            description = "The query heads of attention. Default: ${DEFAULT-VALUE}.")
    private int heads;

    @Option(
            names = "--key-value-heads",
            defaultValue = "2",
            description = "The key and value heads of attention. Default: ${DEFAULT-VALUE}.")
    private int keyValueHeads;

    @Option(
            names = "--steps",
            defaultValue = "2000",
            description = "The steps. Default: ${DEFAULT-VALUE}.")
    private long steps;

    @Option(
            names = "--batch",
            defaultValue = "16",
            description = "The windows of a step. Default: ${DEFAULT-VALUE}.")
    private int batch;

    @Option(
            names = "--length",
            defaultValue = "512",
            description = "The bytes of a window. Default: ${DEFAULT-VALUE}.")
    private int length;

    @Option(
            names = "--lr",
            defaultValue = "2e-3",
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
            names = "--weight-decay",
            defaultValue = "0.1",
            description = "The decay of weights. Default: ${DEFAULT-VALUE}.")
    private double weightDecay;

    @Option(
            names = "--clip",
            defaultValue = "1",
            description = "The gradient norm to clip to; 0 for none. Default: ${DEFAULT-VALUE}.")
    private double clip;

    @Option(
            names = "--seed",
            defaultValue = "0",
            description = "The seed of windows and parameters. Default: ${DEFAULT-VALUE}.")
    private long seed;

    @Option(
            names = "--checkpoint-interval",
            defaultValue = "500",
            description = "The steps between two checkpoints. Default: ${DEFAULT-VALUE}.")
    private long checkpointInterval;

    @Option(
            names = "--validation-interval",
            defaultValue = "500",
            description =
                    "The steps between two looks at the validation part; 0 for none. Default:"
                            + " ${DEFAULT-VALUE}.")
    private long validationInterval;

    @Option(
            names = "--precision",
            defaultValue = "float32",
            description =
                    "float32, or bfloat16 for the activations; parameters stay float32. Default:"
                            + " ${DEFAULT-VALUE}.")
    private Precision precision;

    @Option(
            names = "--out",
            defaultValue = "out/text-train",
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
        ByteText text = ByteText.read(textFile, validation, heldOut);
        ByteModelTrainingSettings settings =
                new ByteModelTrainingSettings(
                        new ByteModelSettings(
                                pattern, modelSize, stateSize, stateHeadSize, heads, keyValueHeads),
                        text.parts(),
                        steps,
                        batch,
                        length,
                        learningRate,
                        finalLearningRate == null ? learningRate / 50 : finalLearningRate,
                        warmUp == null ? Math.toIntExact(steps / 50) : warmUp,
                        weightDecay,
                        clip,
                        seed,
                        checkpointInterval,
                        validationInterval,
                        precision);
        try (TerminalProgress progress = new TerminalProgress()) {
            TrainingHistory history =
                    new ByteModelTraining(settings, text, out, new StepProgress(progress, steps))
                            .run(resume);
            ByteModelRecord record =
                    ByteModelRecord.of(
                            CommandText.of(spec),
                            System.getenv("DJLMAMBA_COMMIT"),
                            textSource,
                            note,
                            settings,
                            threads.count(),
                            history);
            Files.writeString(out.resolve(ByteModelRecord.FILE), record.toJson() + "\n");
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
