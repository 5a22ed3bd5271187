/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Model;
import ai.djl.inference.Predictor;
import ai.djl.repository.zoo.ZooModel;
import ai.djl.translate.TranslateException;
import io.github.djlmamba.icl.probe.NeedleInHaystack;
import io.github.djlmamba.icl.probe.Phonebook;
import io.github.djlmamba.icl.probe.Probe;
import io.github.djlmamba.icl.probe.ProbeEvaluation;
import io.github.djlmamba.icl.probe.ProbeReport;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class ProbedModelTest {

    private static ZooModel<GenerationRequest, GenerationResult> zooModel(
            Model model, String tokenizer) throws TranslateException {
        return new ZooModel<>(
                model,
                new TextGenerationTranslatorFactory()
                        .newInstance(
                                GenerationRequest.class,
                                GenerationResult.class,
                                model,
                                Map.of("tokenizer", tokenizer)));
    }

    @Test
    void probesEveryKindOfStack() throws Exception {
        for (String name : List.of("Mamba", "Mamba-2 hybrid")) {
            try (ZooModel<GenerationRequest, GenerationResult> model =
                            zooModel(
                                    GenerationModels.model(GenerationModels.stacks().get(name)),
                                    "bytes");
                    ProbedModel probed = ProbedModel.of(model)) {
                assertReport(probed, Phonebook.builder().optReversed(true), 4);
                ProbeReport report =
                        ProbeEvaluation.builder()
                                .setProbe(
                                        NeedleInHaystack.builder()
                                                .optTokenCounter(probed::tokens)
                                                .build())
                                .setLengths(400, 600)
                                .optDepths(0, 1)
                                .optSamples(3)
                                .optTokenCounter(probed::tokens)
                                .build()
                                .evaluate(name, probed);
                assertEquals(4, report.cells().size());
                for (ProbeReport.Cell cell : report.cells()) {
                    assertTrue(cell.tokens() > 200 && cell.tokens() <= cell.length());
                    assertEquals(0, cell.scores().get("exact_match").mean());
                }
            }
        }
    }

    private static void assertReport(ProbedModel probed, Phonebook.Builder builder, int samples)
            throws TranslateException {
        Probe phonebook = builder.build();
        ProbeReport report =
                ProbeEvaluation.builder()
                        .setProbe(phonebook)
                        .setLengths(3, 5)
                        .optSamples(samples)
                        .optBatchSize(3)
                        .build()
                        .evaluate("random", probed);
        ProbeReport one =
                ProbeEvaluation.builder()
                        .setProbe(phonebook)
                        .setLengths(5, 3)
                        .optSamples(samples)
                        .optBatchSize(1)
                        .build()
                        .evaluate("random", probed);
        assertEquals(report, one);
    }

    @Test
    void continuesEachPromptAsAlone() throws Exception {
        try (ZooModel<GenerationRequest, GenerationResult> model =
                        zooModel(GenerationModels.mamba(), "bytes");
                ProbedModel probed = ProbedModel.of(model);
                Predictor<GenerationRequest, GenerationResult> predictor = model.newPredictor()) {
            List<String> prompts = List.of("Ann Bell:", "A much longer prompt than the first: ");
            List<String> texts = probed.complete(prompts, 9);
            for (int k = 0; k < 2; k++) {
                GenerationResult alone =
                        predictor.predict(
                                GenerationRequest.of(prompts.get(k))
                                        .withOptions(
                                                GenerationOptions.DEFAULTS.withMaxNewTokens(9)));
                assertEquals(9, alone.ids().length);
                assertEquals(alone.text(), texts.get(k));
            }
            String text = "é 1";
            assertEquals(text.getBytes(StandardCharsets.UTF_8).length, probed.tokens(text));
        }
    }

    @Test
    void saysWhatAModelLacks() throws Exception {
        try (ZooModel<GenerationRequest, GenerationResult> model =
                zooModel(GenerationModels.mamba(), "none")) {
            IllegalArgumentException error =
                    assertThrows(IllegalArgumentException.class, () -> ProbedModel.of(model));
            assertTrue(error.getMessage().contains("no tokenizer"), error.getMessage());
        }
        try (ZooModel<GenerationRequest, GenerationResult> model =
                new ZooModel<>(GenerationModels.mamba(), null)) {
            IllegalArgumentException error =
                    assertThrows(IllegalArgumentException.class, () -> ProbedModel.of(model));
            assertTrue(
                    error.getMessage().contains("model random was not loaded for it"),
                    error.getMessage());
        }
    }
}
