/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import ai.djl.inference.Predictor;
import ai.djl.ndarray.NDManager;
import ai.djl.repository.zoo.ZooModel;
import io.github.djlmamba.zoo.huggingface.HuggingFaceModels;
import io.github.djlmamba.zoo.safetensors.SafetensorsFile;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Checkpoints of every family generate what Hugging Face's library generated from them. */
class CheckpointGenerationTest {

    private static final int PROMPT = 9;

    @ParameterizedTest
    @ValueSource(
            strings = {
                "mamba",
                "mamba2",
                "falcon_mamba",
                "jamba",
                "zamba",
                "zamba2",
                "bamba",
                "falcon_h1",
                "granitemoehybrid",
                "nemotron_h"
            })
    void greedyTokensAreThoseOfTheLibrary(String family) throws Exception {
        Path folder =
                Path.of(
                        CheckpointGenerationTest.class
                                .getResource("/io/github/djlmamba/zoo/huggingface/" + family)
                                .toURI());
        long[] all;
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SafetensorsFile expected =
                        SafetensorsFile.open(folder.resolve("expected.safetensors"))) {
            all = expected.read("greedy", manager).toLongArray();
        }
        assertEquals(PROMPT + 16, all.length);
        long[] prompt = Arrays.copyOf(all, PROMPT);
        long[] continuation = Arrays.copyOfRange(all, PROMPT, all.length);
        GenerationOptions options =
                GenerationOptions.DEFAULTS.withMaxNewTokens(16).withIgnoreEndOfSequence(true);
        try (ZooModel<GenerationRequest, GenerationResult> model =
                        HuggingFaceModels.criteria(
                                        folder, GenerationRequest.class, GenerationResult.class)
                                .build()
                                .loadModel();
                Predictor<GenerationRequest, GenerationResult> predictor = model.newPredictor()) {
            // All that the library wrote after prompts of all lengths, alone and in one batch.
            List<GenerationRequest> requests = new ArrayList<>();
            for (int more = 0; more < 8; more++) {
                requests.add(
                        GenerationRequest.ofIds(Arrays.copyOf(all, PROMPT + more))
                                .withOptions(options.withMaxNewTokens(16 - more)));
            }
            assertArrayEquals(continuation, predictor.predict(requests.get(0)).ids());
            List<GenerationResult> batch = predictor.batchPredict(requests);
            for (int more = 0; more < 8; more++) {
                assertArrayEquals(
                        Arrays.copyOfRange(continuation, more, 16), batch.get(more).ids());
            }
            TextGeneration generation = TextGeneration.of(model);
            try (Predictor<long[], PromptState> reader =
                            model.newPredictor(
                                    generation.translator(long[].class, PromptState.class));
                    PromptState prefix = reader.predict(Arrays.copyOf(prompt, 5))) {
                long[] ids =
                        predictor
                                .predict(
                                        GenerationRequest.ofIds(
                                                        Arrays.copyOfRange(prompt, 5, PROMPT))
                                                .withOptions(options)
                                                .withPrefix(prefix))
                                .ids();
                assertArrayEquals(continuation, ids);
            }
        }
    }
}
