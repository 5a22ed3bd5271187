/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.language;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.training.GradientCollector;
import ai.djl.training.ParameterStore;
import ai.djl.training.loss.Loss;
import io.github.djlmamba.hybrid.HybridStackOptions;
import io.github.djlmamba.hybrid.LayerPattern;
import io.github.djlmamba.language.LanguageModel.Positions;
import io.github.djlmamba.norm.NormOptions;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class LanguageModelTest {

    private static final LanguageModelOptions OPTIONS =
            LanguageModelOptions.of(
                    11,
                    HybridStackOptions.of(16, LayerPattern.parse("M*-M"))
                            .withNorm(NormOptions.RMS_NORM));
    private static final float TOLERANCE = 1e-5f;

    private NDManager manager;
    private ParameterStore store;

    @BeforeEach
    void open() {
        manager = NDManager.newBaseManager("PyTorch");
        store = new ParameterStore(manager, false);
        Engine.getEngine("PyTorch").setRandomSeed(7);
    }

    @AfterEach
    void close() {
        manager.close();
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aPrefixAndItsContinuationScoreAsTheWhole(boolean tied) {
        LanguageModel model = initialized(OPTIONS.withTiedEmbeddings(tied));
        NDArray ids = ids(2, 7);
        NDArray all = run(model, ids, Positions.ALL).logits();
        assertEquals(new Shape(2, 7, 11), all.getShape());
        LanguageModelOutput prefix =
                model.run(store, ids.get(":, :4"), null, Positions.LAST, true, false);
        assertEquals(new Shape(2, 1, 11), prefix.logits().getShape());
        assertClose(all.get(":, 3:4"), prefix.logits());
        NDArray rest =
                model.run(store, ids.get(":, 4:"), prefix.state(), Positions.ALL, false, false)
                        .logits();
        assertClose(all.get(":, 4:"), rest);
    }

    @Test
    void packedSequencesAreScoredEachByItself() {
        LanguageModel model = initialized(OPTIONS);
        NDArray ids = ids(1, 7);
        NDArray packing = manager.create(new int[] {0, 0, 0, 1, 1, 1, 1}, new Shape(1, 7));
        NDArray packed = model.forward(store, new NDList(ids, packing), false).head();
        assertClose(run(model, ids.get(":, 3:"), Positions.ALL).logits(), packed.get(":, 3:"));
        assertClose(run(model, ids.get(":, :3"), Positions.ALL).logits(), packed.get(":, :3"));
    }

    @Test
    void multipliersScaleEmbeddingsAndLogits() {
        LanguageModel plain = initialized(OPTIONS.withTiedEmbeddings(true));
        LanguageModel scaled =
                new LanguageModel(OPTIONS.withTiedEmbeddings(true).withLogitsMultiplier(0.25));
        share(plain, scaled);
        NDArray ids = ids(1, 3);
        assertClose(
                run(plain, ids, Positions.ALL).logits().mul(0.25),
                run(scaled, ids, Positions.ALL).logits());
        LanguageModel louder =
                new LanguageModel(OPTIONS.withTiedEmbeddings(true).withEmbeddingMultiplier(8));
        share(plain, louder);
        float[] quiet = run(plain, ids, Positions.ALL).logits().toFloatArray();
        float[] loud = run(louder, ids, Positions.ALL).logits().toFloatArray();
        assertTrue(Math.abs(quiet[0] - loud[0]) > TOLERANCE);
    }

    @Test
    void theGradientReachesTheTiedEmbeddingFromBothEnds() {
        LanguageModel model = initialized(OPTIONS.withTiedEmbeddings(true));
        NDArray ids = manager.create(new long[] {3, 5, 3}, new Shape(1, 3));
        NDArray table = model.getDirectParameters().get("embedding").getArray();
        table.setRequiresGradient(true);
        try (GradientCollector collector = Engine.getEngine("PyTorch").newGradientCollector()) {
            NDArray logits = model.forward(store, new NDList(ids), true).singletonOrThrow();
            collector.backward(
                    Loss.softmaxCrossEntropyLoss()
                            .evaluate(
                                    new NDList(ids.flatten()), new NDList(logits.reshape(-1, 11))));
        }
        NDArray gradient = table.getGradient();
        // By the head each row has a gradient; by the embedding only those of the ids.
        assertTrue(gradient.get(0).abs().sum().getFloat() > 0);
        assertTrue(gradient.get(3).abs().sum().getFloat() > gradient.get(0).abs().sum().getFloat());
    }

    @Test
    void whatDoesNotFitIsRefused() {
        LanguageModel model = initialized(OPTIONS);
        assertMessage("expected 0 to 10", () -> run(model, token(11), Positions.ALL));
        assertMessage("the id -1", () -> run(model, token(-1), Positions.ALL));
        assertMessage(
                "INT64 of shape (B, L)",
                () -> run(model, manager.ones(new Shape(1, 3)), Positions.ALL));
        assertMessage("null", () -> run(model, null, Positions.ALL));
        NDArray none = manager.zeros(new Shape(2, 0), DataType.INT64);
        assertMessage("no last token", () -> run(model, none, Positions.LAST));
        assertEquals(new Shape(2, 0, 11), run(model, none, Positions.ALL).logits().getShape());
        assertMessage("0 tokens", () -> LanguageModelOptions.of(0, OPTIONS.stack()));
        assertMessage("multiplier is 0", () -> OPTIONS.withLogitsMultiplier(0));
    }

    private LanguageModel initialized(LanguageModelOptions options) {
        LanguageModel model = new LanguageModel(options);
        model.initialize(manager, DataType.FLOAT32, new Shape(1, 4));
        return model;
    }

    private static void share(LanguageModel from, LanguageModel to) {
        for (int i = 0; i < from.getParameters().size(); i++) {
            Parameter source = from.getParameters().valueAt(i);
            Parameter target = to.getParameters().valueAt(i);
            target.setShape(null);
            target.setArray(source.getArray());
        }
    }

    private LanguageModelOutput run(LanguageModel model, NDArray ids, Positions positions) {
        return model.run(store, ids, null, positions, false, false);
    }

    private NDArray ids(long batch, long length) {
        return manager.randomInteger(0, 11, new Shape(batch, length), DataType.INT64);
    }

    private NDArray token(long id) {
        return manager.create(new long[] {id}, new Shape(1, 1));
    }

    private static void assertClose(NDArray expected, NDArray actual) {
        assertEquals(expected.getShape(), actual.getShape());
        assertArrayEquals(expected.toFloatArray(), actual.toFloatArray(), TOLERANCE);
    }

    private static void assertMessage(String part, Runnable action) {
        String message = assertThrows(IllegalArgumentException.class, action::run).getMessage();
        assertTrue(message.contains(part), message);
    }
}
