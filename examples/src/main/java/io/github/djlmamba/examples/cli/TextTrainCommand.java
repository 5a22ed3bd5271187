/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.cli;

import io.github.djlmamba.zoo.language.ByteModelRecord;
import io.github.djlmamba.zoo.language.ByteModelSettings;
import io.github.djlmamba.zoo.language.ByteModelTraining;
import io.github.djlmamba.zoo.language.ByteModelTrainingSettings;
import io.github.djlmamba.zoo.language.ByteText;
import io.github.djlmamba.zoo.training.TrainingHistory;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

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
            names = "--weight-decay",
            defaultValue = "0.1",
            description = "The decay of weights. Default: ${DEFAULT-VALUE}.")
    private double weightDecay;

    @Option(
            names = "--validation-interval",
            defaultValue = "500",
            description =
                    "The steps between two looks at the validation part; 0 for none. Default:"
                            + " ${DEFAULT-VALUE}.")
    private long validationInterval;

    @Mixin
    private final TrainingOptions training = new TrainingOptions(2000, 2e-3, 500, "out/text-train");

    @Mixin private ThreadsOption threads;

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
                        training.steps(),
                        batch,
                        length,
                        training.learningRate(),
                        training.finalLearningRate(),
                        training.warmUp(),
                        weightDecay,
                        training.clip(),
                        training.seed(),
                        training.checkpointInterval(),
                        validationInterval,
                        training.precision());
        try (TerminalProgress progress = new TerminalProgress()) {
            TrainingHistory history =
                    new ByteModelTraining(
                                    settings,
                                    text,
                                    training.out(),
                                    new StepProgress(progress, training.steps()))
                            .run(training.resume());
            ByteModelRecord record =
                    ByteModelRecord.of(
                            training.command(),
                            training.commit(),
                            textSource,
                            note,
                            settings,
                            threads.count(),
                            history);
            training.finish(history, ByteModelRecord.FILE, record.toJson());
        }
        return 0;
    }
}
