/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.norm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.training.ParameterStore;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class NormOptionsTest {

    @ParameterizedTest
    @EnumSource(NormOptions.Kind.class)
    void eachKindIsItsFormula(NormOptions.Kind kind) {
        int size = 5;
        float epsilon = 0.01f;
        try (NDManager manager = NDManager.newBaseManager()) {
            Block block = new NormOptions(kind, epsilon).newBlock(size);
            block.initialize(manager, DataType.FLOAT64, new Shape(1, 1, size));
            double[] weight = {1, 2, -1, 0.5, 3};
            double[] bias = {0.1, 0, 0.3, -1, 2};
            set(block.getParameters().valueAt(0), weight);
            if (kind == NormOptions.Kind.LAYER_NORM) {
                set(block.getParameters().valueAt(1), bias);
            }
            NDArray x = manager.randomNormal(1, 2, new Shape(2, 3, size), DataType.FLOAT64);
            double[] values = x.toDoubleArray();
            double[] expected = new double[values.length];
            for (int row = 0; row < values.length; row += size) {
                double mean = 0;
                double squares = 0;
                for (int i = 0; i < size; i++) {
                    mean += values[row + i] / size;
                    squares += values[row + i] * values[row + i] / size;
                }
                boolean centred = kind == NormOptions.Kind.LAYER_NORM;
                double variance = centred ? squares - mean * mean : squares;
                for (int i = 0; i < size; i++) {
                    double normed =
                            (values[row + i] - (centred ? mean : 0))
                                    / Math.sqrt(variance + epsilon);
                    expected[row + i] = normed * weight[i] + (centred ? bias[i] : 0);
                }
            }
            double[] actual =
                    block.forward(new ParameterStore(manager, false), new NDList(x), false)
                            .singletonOrThrow()
                            .toDoubleArray();
            assertArrayEquals(expected, actual, 1e-8);
        }
    }

    private static void set(Parameter parameter, double[] values) {
        NDArray array = parameter.getArray();
        array.setRequiresGradient(false);
        array.getManager().create(values).copyTo(array);
    }

    @Test
    void wrongSettingsAreNamed() {
        assertMessage("kind is null", () -> new NormOptions(null, 1e-5f));
        assertMessage("epsilon is 0.0", () -> new NormOptions(NormOptions.Kind.RMS_NORM, 0));
        assertMessage(
                "epsilon is NaN", () -> RmsNorm.builder().setSize(4).optEpsilon(Float.NaN).build());
        assertMessage("setSize", () -> RmsNorm.builder().build());
        try (NDManager manager = NDManager.newBaseManager()) {
            RmsNorm norm = RmsNorm.builder().setSize(4).build();
            norm.initialize(manager, DataType.FLOAT32, new Shape(2, 4));
            NDList wrong = new NDList(manager.ones(new Shape(2, 5)));
            ParameterStore store = new ParameterStore(manager, false);
            assertMessage("(2, 5)", () -> norm.forward(store, wrong, false));
        }
    }

    private static void assertMessage(String part, Runnable action) {
        String message = assertThrows(IllegalArgumentException.class, action::run).getMessage();
        assertTrue(message.contains(part), message);
    }
}
