/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.cli;

import ai.djl.inference.Predictor;
import ai.djl.repository.zoo.ZooModel;
import ai.djl.translate.TranslateException;
import ai.djl.util.JsonUtils;
import com.google.gson.JsonObject;
import io.github.djlmamba.zoo.text.GenerationOptions;
import io.github.djlmamba.zoo.text.GenerationRequest;
import io.github.djlmamba.zoo.text.GenerationResult;
import io.github.djlmamba.zoo.text.TextGeneration;
import io.github.djlmamba.zoo.text.TextStream;
import java.io.PrintWriter;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Continues a text or tokens. */
@Command(
        name = "generate",
        description =
                "Continue a text, token by token. A model without a tokenizer continues ids alone.",
        mixinStandardHelpOptions = true)
final class GenerateCommand implements Callable<Integer> {

    @Mixin private LanguageModelOption model;

    @ArgGroup(multiplicity = "1")
    private Prompt prompt;

    @Option(
            names = "--max-new-tokens",
            defaultValue = "128",
            description = "The most tokens to generate. Default: ${DEFAULT-VALUE}.")
    private int maxNewTokens;

    @Option(
            names = "--temperature",
            defaultValue = "0",
            description =
                    "What scores are divided by; 0 takes the most probable token each time."
                            + " Default: ${DEFAULT-VALUE}.")
    private double temperature;

    @Option(
            names = "--top-k",
            defaultValue = "0",
            description = "How many tokens may be drawn; 0 for all. Default: ${DEFAULT-VALUE}.")
    private int topK;

    @Option(
            names = "--top-p",
            defaultValue = "1",
            description =
                    "The probability that tokens that may be drawn have together. Default:"
                            + " ${DEFAULT-VALUE}.")
    private double topP;

    @Option(
            names = "--min-p",
            defaultValue = "0",
            description =
                    "The least probability of a token that may be drawn, as a part of the most"
                            + " probable one's. Default: ${DEFAULT-VALUE}.")
    private double minP;

    @Option(
            names = "--repetition-penalty",
            defaultValue = "1",
            description = "Above 1, tokens that have come before get rarer. Default: none.")
    private double repetitionPenalty;

    @Option(
            names = "--seed",
            defaultValue = "0",
            description = "The seed of what is drawn. Default: ${DEFAULT-VALUE}.")
    private long seed;

    @Option(
            names = "--stop",
            paramLabel = "TEXT",
            description = "Stop before this text; may be given several times.")
    private List<String> stop = List.of();

    @Mixin private ThreadsOption threads;

    @Option(
            names = "--json",
            description = "Print ids, text and rates as JSON, at the end, instead of the text.")
    private boolean json;

    @Spec private CommandSpec spec;

    /** What is to be continued: one of the two. */
    private static final class Prompt {

        @Option(names = "--prompt", paramLabel = "TEXT", description = "The text to continue.")
        private String text;

        @Option(
                names = "--prompt-ids",
                paramLabel = "ID",
                split = ",",
                description = "The tokens to continue, with commas between them.")
        private long[] ids;
    }

    /** {@inheritDoc} */
    @Override
    public Integer call() throws Exception {
        threads.apply();
        GenerationOptions options =
                GenerationOptions.DEFAULTS
                        .withMaxNewTokens(maxNewTokens)
                        .withTemperature(temperature)
                        .withTopK(topK)
                        .withTopP(topP)
                        .withMinP(minP)
                        .withRepetitionPenalty(repetitionPenalty)
                        .withSeed(seed)
                        .withStopStrings(stop);
        GenerationRequest request =
                (prompt.text == null
                                ? GenerationRequest.ofIds(prompt.ids)
                                : GenerationRequest.of(prompt.text))
                        .withOptions(options);
        try (ZooModel<GenerationRequest, GenerationResult> zooModel = model.load()) {
            TextGeneration generation = TextGeneration.of(zooModel);
            GenerationResult result =
                    json || generation.codec() == null
                            ? predicted(zooModel, request)
                            : streamed(zooModel, generation, request);
            if (json) {
                out().println(json(result));
            } else if (result.text() == null) {
                out().println(
                                LongStream.of(result.ids())
                                        .mapToObj(Long::toString)
                                        .collect(Collectors.joining(" ")));
            }
            out().flush();
            spec.commandLine()
                    .getErr()
                    .printf(
                            Locale.ROOT,
                            "%d tokens after %d; prefill %.1f, decode %.1f tokens/s%n",
                            result.ids().length,
                            result.promptIds().length,
                            result.prefillTokensPerSecond(),
                            result.decodeTokensPerSecond());
        }
        return 0;
    }

    private PrintWriter out() {
        return spec.commandLine().getOut();
    }

    private static GenerationResult predicted(
            ZooModel<GenerationRequest, GenerationResult> zooModel, GenerationRequest request)
            throws TranslateException {
        try (Predictor<GenerationRequest, GenerationResult> predictor = zooModel.newPredictor()) {
            return predictor.predict(request);
        }
    }

    private GenerationResult streamed(
            ZooModel<GenerationRequest, GenerationResult> zooModel,
            TextGeneration generation,
            GenerationRequest request)
            throws TranslateException {
        try (Predictor<GenerationRequest, TextStream> predictor =
                        zooModel.newPredictor(
                                generation.translator(GenerationRequest.class, TextStream.class));
                TextStream stream = predictor.streamingPredict(request).getIterativeOutput()) {
            while (stream.hasNext()) {
                out().print(stream.next());
                out().flush();
                if (Thread.interrupted()) {
                    throw new CancellationException("interrupted");
                }
            }
            out().println();
            return stream.result();
        }
    }

    private static String json(GenerationResult result) {
        JsonObject json = new JsonObject();
        json.add("prompt_ids", JsonUtils.GSON.toJsonTree(result.promptIds()));
        json.add("ids", JsonUtils.GSON.toJsonTree(result.ids()));
        json.addProperty("text", result.text());
        json.addProperty("prefill_tokens_per_s", result.prefillTokensPerSecond());
        json.addProperty("decode_tokens_per_s", result.decodeTokensPerSecond());
        return json.toString();
    }
}
