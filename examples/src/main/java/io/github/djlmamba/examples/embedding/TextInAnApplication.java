/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.examples.embedding;

import ai.djl.inference.Predictor;
import ai.djl.repository.zoo.ZooModel;
import ai.djl.translate.TranslateException;
import io.github.djlmamba.zoo.huggingface.HuggingFaceModels;
import io.github.djlmamba.zoo.text.GenerationOptions;
import io.github.djlmamba.zoo.text.GenerationRequest;
import io.github.djlmamba.zoo.text.GenerationResult;
import io.github.djlmamba.zoo.text.PromptState;
import io.github.djlmamba.zoo.text.TextGeneration;
import io.github.djlmamba.zoo.text.TextStream;
import java.util.List;
import java.util.stream.Stream;

/** Text generation inside an application, with nothing but the class path. */
public final class TextInAnApplication {

    private static final GenerationOptions OPTIONS =
            GenerationOptions.DEFAULTS
                    .withMaxNewTokens(100)
                    .withTemperature(0.7)
                    .withTopP(0.9)
                    .withSeed(1)
                    .withStopStrings(List.of("\n"));

    private TextInAnApplication() {}

    /**
     * Generates texts in three ways and prints them.
     *
     * @param arguments the model: a name of the zoo (that of the model in the jar, if none is
     *     given), the folder of a Hugging Face checkpoint, or hf://owner/name
     * @throws Exception if the model cannot be loaded or fails
     */
    public static void main(String[] arguments) throws Exception {
        String name = arguments.length == 0 ? "mamba2-hybrid-king-james" : arguments[0];
        try (ZooModel<GenerationRequest, GenerationResult> model =
                HuggingFaceModels.criteria(name, GenerationRequest.class, GenerationResult.class)
                        .build()
                        .loadModel()) {
            stream(model, "In the beginning");
            continueTogether(model, "And Moses said unto", "Blessed are");
            continuePrefix(model, "And it came to pass, that", " the king", " the people");
        }
    }

    /** Prints the text as it comes. */
    private static void stream(ZooModel<GenerationRequest, ?> model, String prompt)
            throws TranslateException {
        GenerationRequest request = GenerationRequest.of(prompt).withOptions(OPTIONS);
        try (Predictor<GenerationRequest, TextStream> predictor =
                        predictor(model, TextStream.class);
                TextStream text = predictor.streamingPredict(request).getIterativeOutput()) {
            System.out.print(prompt);
            while (text.hasNext()) {
                System.out.print(text.next());
                System.out.flush();
            }
            System.out.println();
        }
    }

    /**
     * Continues prompts in one batch. Their lengths may differ; each text is as it would be alone.
     */
    private static void continueTogether(
            ZooModel<GenerationRequest, GenerationResult> model, String... prompts)
            throws TranslateException {
        List<GenerationRequest> requests =
                Stream.of(prompts)
                        .map(prompt -> GenerationRequest.of(prompt).withOptions(OPTIONS))
                        .toList();
        try (Predictor<GenerationRequest, GenerationResult> predictor = model.newPredictor()) {
            List<GenerationResult> results = predictor.batchPredict(requests);
            for (int i = 0; i < prompts.length; i++) {
                System.out.println(prompts[i] + results.get(i).text());
            }
        }
    }

    /** Reads what texts have in common once. */
    private static void continuePrefix(
            ZooModel<GenerationRequest, GenerationResult> model, String prefix, String... prompts)
            throws TranslateException {
        try (Predictor<GenerationRequest, PromptState> reader =
                        predictor(model, PromptState.class);
                PromptState state = reader.predict(GenerationRequest.of(prefix));
                Predictor<GenerationRequest, GenerationResult> predictor = model.newPredictor()) {
            for (String prompt : prompts) {
                GenerationRequest request =
                        GenerationRequest.of(prompt).withPrefix(state).withOptions(OPTIONS);
                System.out.println(prefix + prompt + predictor.predict(request).text());
            }
        }
    }

    private static <O> Predictor<GenerationRequest, O> predictor(
            ZooModel<GenerationRequest, ?> model, Class<O> output) {
        return model.newPredictor(
                TextGeneration.of(model).translator(GenerationRequest.class, output));
    }
}
