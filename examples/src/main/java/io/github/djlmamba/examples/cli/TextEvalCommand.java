/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.cli;

import ai.djl.ndarray.NDList;
import ai.djl.repository.zoo.ZooModel;
import ai.djl.util.JsonUtils;
import io.github.djlmamba.language.LanguageModel;
import io.github.djlmamba.zoo.huggingface.HuggingFaceModels;
import io.github.djlmamba.zoo.language.BitsPerByte;
import io.github.djlmamba.zoo.language.ByteModelRecord;
import io.github.djlmamba.zoo.language.ByteText;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Measures how well a language model over bytes predicts a text, beside a compressor. */
@Command(
        name = "eval",
        description =
                "Show how many bits per byte a model needs for the end of a text, and how many xz"
                        + " needs.",
        mixinStandardHelpOptions = true)
final class TextEvalCommand implements Callable<Integer> {

    @Option(
            names = "--model",
            defaultValue = LanguageModelOption.DEFAULT,
            description =
                    "A model of the zoo, the folder of a training run, or hf://OWNER/NAME. Default:"
                            + " ${DEFAULT-VALUE}.")
    private String model;

    @Option(names = "--text", required = true, description = "The file with the text.")
    private Path textFile;

    @Option(
            names = "--held-out",
            defaultValue = "0.05",
            description =
                    "The share of the text that is scored, at its end; 1 for all of it. Default:"
                            + " ${DEFAULT-VALUE}.")
    private double heldOut;

    @Option(
            names = "--context",
            defaultValue = "256",
            description =
                    "The least number of bytes that a byte is predicted from, where there are so"
                            + " many before it. Default: ${DEFAULT-VALUE}.")
    private int context;

    @Option(
            names = "--stride",
            defaultValue = "256",
            description =
                    "The bytes that are scored together, so that a byte is predicted from less"
                            + " than the context and this. Default: ${DEFAULT-VALUE}.")
    private int stride;

    @Option(
            names = "--record",
            description = "Write the figures into the training record in the model's folder.")
    private boolean record;

    @Mixin private ThreadsOption threads;

    @Option(names = "--json", description = "Print the figures as JSON.")
    private boolean json;

    @Spec private CommandSpec spec;

    /** {@inheritDoc} */
    @Override
    public Integer call() throws Exception {
        threads.apply();
        byte[] text = Files.readAllBytes(textFile);
        int from = ByteText.heldOutFrom(text.length, heldOut);
        BitsPerByte method = new BitsPerByte(context, stride, 16);
        double bits;
        try (TerminalProgress progress = new TerminalProgress();
                ZooModel<NDList, NDList> zooModel =
                        HuggingFaceModels.criteria(model, NDList.class, NDList.class)
                                .build()
                                .loadModel()) {
            bits =
                    method.measure(
                            (LanguageModel) zooModel.getBlock(),
                            zooModel.getNDManager(),
                            text,
                            from,
                            text.length,
                            progress);
        }
        Double xz = XzBaseline.bitsPerByte(text, from);
        ByteModelRecord.Evaluation evaluation =
                new ByteModelRecord.Evaluation(from, text.length, bits, method, xz);
        if (record) {
            Path file = Path.of(model).resolve(ByteModelRecord.FILE);
            ByteModelRecord updated =
                    ByteModelRecord.fromJson(Files.readString(file)).withEvaluation(evaluation);
            Files.writeString(file, updated.toJson() + "\n");
        }
        PrintWriter out = spec.commandLine().getOut();
        if (json) {
            out.println(JsonUtils.GSON_PRETTY.toJson(evaluation));
        } else {
            out.printf(Locale.ROOT, "bytes %d to %d of %s%n", from, text.length, textFile);
            out.printf(Locale.ROOT, "%-8s %.4f bits per byte%n", "model", bits);
            out.printf(
                    Locale.ROOT,
                    "%-8s %s%n",
                    "xz -9e",
                    xz == null
                            ? "is not installed"
                            : String.format(
                                    Locale.ROOT, "%.4f bits per byte, given all before", xz));
        }
        out.flush();
        return 0;
    }
}
