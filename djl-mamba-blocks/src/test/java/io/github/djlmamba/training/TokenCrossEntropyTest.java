/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.training;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.GradientCollector;
import org.junit.jupiter.api.Test;

class TokenCrossEntropyTest {

    private static final long[] TOKENS = {2, 0, 1, 2, 2, 0};

    @Test
    void isTheMeanOverTokensAndGivesItsGradient() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Engine.getEngine("PyTorch").setRandomSeed(1);
            NDArray logits = manager.randomNormal(new Shape(2, 3, 3));
            NDArray labels = manager.create(TOKENS, new Shape(2, 3));
            float[] scores = logits.toFloatArray();
            double[] gradient = new double[scores.length];
            double expected = 0;
            for (int token = 0; token < TOKENS.length; token++) {
                double sum = 0;
                for (int v = 0; v < 3; v++) {
                    sum += Math.exp(scores[3 * token + v]);
                }
                for (int v = 0; v < 3; v++) {
                    double share = Math.exp(scores[3 * token + v]) / sum;
                    gradient[3 * token + v] = (share - (TOKENS[token] == v ? 1 : 0)) / 6;
                }
                expected += (Math.log(sum) - scores[3 * token + (int) TOKENS[token]]) / 6;
            }
            logits.setRequiresGradient(true);
            try (GradientCollector collector = Engine.getEngine("PyTorch").newGradientCollector()) {
                NDArray loss =
                        new TokenCrossEntropy().evaluate(new NDList(labels), new NDList(logits));
                assertEquals(expected, loss.getFloat(), 1e-6);
                collector.backward(loss);
            }
            float[] actual = logits.getGradient().toFloatArray();
            for (int i = 0; i < gradient.length; i++) {
                assertEquals(gradient[i], actual[i], 1e-6);
            }
        }
    }

    @Test
    void whatDoesNotFitIsRefused() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray logits = manager.zeros(new Shape(2, 3, 5));
            for (NDArray labels :
                    new NDArray[] {
                        manager.zeros(new Shape(2, 4), DataType.INT64),
                        manager.zeros(new Shape(6), DataType.INT64),
                        manager.zeros(new Shape(2, 3))
                    }) {
                IllegalArgumentException e =
                        assertThrows(
                                IllegalArgumentException.class,
                                () ->
                                        new TokenCrossEntropy()
                                                .evaluate(new NDList(labels), new NDList(logits)));
                assertTrue(e.getMessage().contains("expected INT64 (B, L)"), e.getMessage());
            }
        }
    }
}
