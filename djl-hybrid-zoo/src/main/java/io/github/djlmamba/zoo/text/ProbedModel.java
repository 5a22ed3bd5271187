/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.text;

import ai.djl.inference.Predictor;
import ai.djl.repository.zoo.ZooModel;
import ai.djl.translate.TranslateException;
import io.github.djlmamba.icl.probe.TextContinuation;
import java.util.List;
import org.apiguardian.api.API;

/**
 * A language model as the probes of long contexts call it: greedy, and able to count its tokens.
 *
 * <pre>{@code
 * try (ProbedModel probed = ProbedModel.of(model)) {
 *     ProbeReport report =
 *             ProbeEvaluation.builder()
 *                     .setProbe(Phonebook.builder().optTokenCounter(probed::tokens).build())
 *                     .setLengths(1000, 2000)
 *                     .optTokenCounter(probed::tokens)
 *                     .build()
 *                     .evaluate("my-model", probed);
 * }
 * }</pre>
 *
 * <p>It holds a predictor, which closing it closes; the model stays open. Not thread safe: one for
 * each thread.
 */
@API(status = API.Status.EXPERIMENTAL)
public final class ProbedModel implements TextContinuation, AutoCloseable {

    private final TextCodec codec;
    private final Predictor<GenerationRequest, GenerationResult> predictor;

    private ProbedModel(TextCodec codec, Predictor<GenerationRequest, GenerationResult> predictor) {
        this.codec = codec;
        this.predictor = predictor;
    }

    /**
     * Takes a model.
     *
     * @param model a model with the translator that {@link TextGenerationTranslatorFactory} makes
     *     for these types; it must stay open as long as the result is used
     * @return the model as the probes call it
     * @throws IllegalArgumentException if it has another translator, or no tokenizer
     */
    public static ProbedModel of(ZooModel<GenerationRequest, GenerationResult> model) {
        TextCodec codec = TextGeneration.of(model).requireCodec();
        return new ProbedModel(codec, model.newPredictor());
    }

    /**
     * Counts the tokens of a prompt.
     *
     * @param text the whole prompt
     * @return how many tokens the model gets, with those that its tokenizer puts before a text
     */
    public int tokens(String text) {
        return codec.encode(text, true).length;
    }

    /** {@inheritDoc} The most probable token is taken each time. */
    @Override
    public List<String> complete(List<String> prompts, int maxNewTokens) throws TranslateException {
        GenerationOptions options = GenerationOptions.DEFAULTS.withMaxNewTokens(maxNewTokens);
        List<GenerationRequest> requests =
                prompts.stream()
                        .map(prompt -> GenerationRequest.of(prompt).withOptions(options))
                        .toList();
        return predictor.batchPredict(requests).stream().map(GenerationResult::text).toList();
    }

    /** Closes the predictor. */
    @Override
    public void close() {
        predictor.close();
    }
}
