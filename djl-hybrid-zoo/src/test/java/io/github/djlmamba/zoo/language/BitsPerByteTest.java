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
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import io.github.djlmamba.language.LanguageModel;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BitsPerByteTest {

    private NDManager manager;
    private LanguageModel model;

    @BeforeEach
    void open() {
        Engine.getEngine("PyTorch").setRandomSeed(3);
        manager = NDManager.newBaseManager("PyTorch");
        model = new LanguageModel(new ByteModelSettings("M*-", 16, 8, 8, 4, 2).options());
        model.initialize(manager, DataType.FLOAT32, new Shape(1, 4));
    }

    @AfterEach
    void close() {
        manager.close();
    }

    @ParameterizedTest
    @CsvSource({"5, 3, 2, 0, 40", "5, 3, 2, 7, 41", "1, 1, 4, 9, 20", "8, 50, 2, 30, 45"})
    void equalsScoringByteByByte(int context, int stride, int batch, int from, int to) {
        double measured =
                new BitsPerByte(context, stride, batch)
                        .measure(model, manager, Verses.BYTES, from, to, null);
        double bits = from == 0 ? 8 : 0;
        int first = Math.max(from, 1);
        // The stretches that the windows score: those short of context are scored like the others.
        int begin = first;
        for (int i = first; i < to; i++) {
            if (i == begin + stride) {
                begin = i;
            }
            bits += surprise(Math.max(0, begin - context), i);
        }
        assertEquals(bits / (to - from), measured, 1e-4);
    }

    /** The bits of one byte, from those from an offset on. */
    private double surprise(int contextFrom, int index) {
        try (NDManager scope = manager.newSubManager()) {
            long[] ids = new long[index - contextFrom];
            for (int i = 0; i < ids.length; i++) {
                ids[i] = Verses.BYTES[contextFrom + i];
            }
            float[] logits =
                    model.run(
                                    new ParameterStore(scope, false),
                                    scope.create(ids, new Shape(1, ids.length)),
                                    null,
                                    LanguageModel.Positions.LAST,
                                    false,
                                    false)
                            .logits()
                            .toFloatArray();
            double sum = 0;
            for (float logit : logits) {
                sum += Math.exp(logit);
            }
            return (Math.log(sum) - logits[Verses.BYTES[index]]) / Math.log(2);
        }
    }

    @Test
    void whatDoesNotFitIsRefused() {
        BitsPerByte measure = BitsPerByte.forLength(8);
        assertEquals(4, measure.context());
        assertEquals(4, measure.stride());
        for (int[] stretch : new int[][] {{-1, 5}, {5, 5}, {0, 100_000}}) {
            IllegalArgumentException e =
                    assertThrows(
                            IllegalArgumentException.class,
                            () ->
                                    measure.measure(
                                            model,
                                            manager,
                                            Verses.BYTES,
                                            stretch[0],
                                            stretch[1],
                                            null));
            assertTrue(e.getMessage().contains("inside of it"), e.getMessage());
        }
        assertThrows(IllegalArgumentException.class, () -> new BitsPerByte(0, 1, 1));
    }
}
