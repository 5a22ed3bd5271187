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
import io.github.djlmamba.zoo.training.TrainingHistory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The options of a training whatever it trains: its length, its schedule and its folder. */
final class TrainingOptions {

    @Option(names = "--steps", description = "The steps. Default: ${DEFAULT-VALUE}.")
    private long steps;

    @Option(
            names = "--lr",
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
            description = "The seed of batches and parameters. Default: ${DEFAULT-VALUE}.")
    private long seed;

    @Option(
            names = "--checkpoint-interval",
            description = "The steps between two checkpoints. Default: ${DEFAULT-VALUE}.")
    private long checkpointInterval;

    @Option(
            names = "--precision",
            defaultValue = "float32",
            description =
                    "float32, or bfloat16 for the activations; parameters stay float32. Default:"
                            + " ${DEFAULT-VALUE}.")
    private Precision precision;

    @Option(names = "--out", description = "The folder of the run. Default: ${DEFAULT-VALUE}.")
    private Path out;

    @Option(names = "--resume", description = "Go on from the checkpoint in the folder.")
    private boolean resume;

    @Spec(Spec.Target.MIXEE)
    private CommandSpec command;

    /** Makes options with the defaults that depend on what is trained. */
    TrainingOptions(long steps, double learningRate, long checkpointInterval, String out) {
        this.steps = steps;
        this.learningRate = learningRate;
        this.checkpointInterval = checkpointInterval;
        this.out = Path.of(out);
    }

    long steps() {
        return steps;
    }

    double learningRate() {
        return learningRate;
    }

    double finalLearningRate() {
        return finalLearningRate == null ? learningRate / 50 : finalLearningRate;
    }

    int warmUp() {
        return warmUp == null ? Math.toIntExact(steps / 50) : warmUp;
    }

    double clip() {
        return clip;
    }

    long seed() {
        return seed;
    }

    long checkpointInterval() {
        return checkpointInterval;
    }

    Precision precision() {
        return precision;
    }

    Path out() {
        return out;
    }

    boolean resume() {
        return resume;
    }

    /** Returns the command line as it was typed, for the record. */
    String command() {
        return CommandText.of(command);
    }

    /** Returns the commit of the sources for the record; null where the launcher knows none. */
    String commit() {
        return System.getenv("DJLMAMBA_COMMIT");
    }

    /** Writes the record of a training that has ended into its folder, and says where that is. */
    void finish(TrainingHistory history, String file, String record) throws IOException {
        Files.writeString(out.resolve(file), record + "\n");
        command.commandLine()
                .getOut()
                .printf(
                        Locale.ROOT,
                        "%d steps in %.0f s; the model is in %s%n",
                        steps,
                        history.seconds(),
                        out);
    }
}
