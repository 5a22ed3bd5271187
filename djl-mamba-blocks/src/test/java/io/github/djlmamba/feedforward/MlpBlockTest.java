/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.feedforward;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.ParameterList;
import ai.djl.training.ParameterStore;
import java.util.function.DoubleUnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class MlpBlockTest {

    @ParameterizedTest
    @EnumSource(MlpActivation.class)
    void activationsAreTheirFormulas(MlpActivation activation) {
        DoubleUnaryOperator formula =
                switch (activation) {
                    case GELU -> x -> x * normalDistribution(x);
                    case GELU_TANH ->
                            x -> {
                                double u = Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x);
                                return x * (1 + Math.tanh(u)) / 2;
                            };
                    case RELU -> x -> Math.max(x, 0);
                    case SQUARED_RELU -> x -> Math.max(x, 0) * Math.max(x, 0);
                    case SILU -> x -> x / (1 + Math.exp(-x));
                };
        double[] points = {-30, -5, -2.5, -1, -0.3, 0, 1e-3, 0.7, 1, 2, 4, 30};
        double[] expected = new double[points.length];
        for (int i = 0; i < points.length; i++) {
            expected[i] = formula.applyAsDouble(points[i]);
        }
        try (NDManager manager = NDManager.newBaseManager();
                NDArray x = manager.create(points);
                NDArray y = activation.apply(x)) {
            assertArrayEquals(expected, y.toDoubleArray(), 1e-9);
            assertArrayEquals(points, x.toDoubleArray());
        }
    }

    /** The distribution function of the standard normal, by Simpson's rule from 0. */
    private static double normalDistribution(double x) {
        int steps = 20000;
        double width = x / steps;
        double sum = 0;
        for (int i = 0; i <= steps; i++) {
            double t = i * width;
            double weight = i == 0 || i == steps ? 1 : i % 2 == 1 ? 4 : 2;
            sum += weight * Math.exp(-t * t / 2);
        }
        return 0.5 + sum * width / 3 / Math.sqrt(2 * Math.PI);
    }

    @Test
    void isTwoProjectionsAroundTheActivation() {
        MlpOptions options =
                MlpOptions.DEFAULTS.withActivation(MlpActivation.RELU).withSizeFactor(3);
        try (NDManager manager = NDManager.newBaseManager()) {
            MlpBlock block = (MlpBlock) options.newMixer(4, 0.5);
            block.initialize(manager, DataType.FLOAT64, new Shape(1, 1, 4));
            ParameterList parameters = block.getParameters();
            NDArray first = parameters.get("01fc1_weight").getArray();
            NDArray second = parameters.get("02fc2_weight").getArray();
            assertEquals(new Shape(12, 4), first.getShape());
            assertEquals(new Shape(4, 12), second.getShape());
            assertTrue(second.abs().max().getDouble() <= 0.5 / Math.sqrt(12));
            parameters.get("01fc1_bias").getArray().setRequiresGradient(false);
            parameters.get("01fc1_bias").getArray().addi(0.25);
            NDArray x = manager.randomNormal(0, 1, new Shape(2, 3, 4), DataType.FLOAT64);
            NDArray expected =
                    x.reshape(6, 4)
                            .matMul(first.transpose())
                            .add(0.25)
                            .maximum(0)
                            .matMul(second.transpose());
            NDArray actual =
                    block.forward(new ParameterStore(manager, false), new NDList(x), false)
                            .singletonOrThrow();
            assertArrayEquals(expected.toDoubleArray(), actual.toDoubleArray(), 1e-12);
        }
    }

    @Test
    void initialDeviationsAreNormal() {
        try (NDManager manager = NDManager.newBaseManager()) {
            MlpBlock block = (MlpBlock) MlpOptions.GPT2.newMixer(128, 0.5);
            block.initialize(manager, DataType.FLOAT32, new Shape(1, 1, 128));
            ParameterList parameters = block.getParameters();
            assertEquals(0.02, deviation(parameters, "01fc1_weight"), 0.0005);
            assertEquals(0.01, deviation(parameters, "02fc2_weight"), 0.0003);
            assertEquals(0, deviation(parameters, "02fc2_bias"));
        }
    }

    private static double deviation(ParameterList parameters, String name) {
        return Math.sqrt(parameters.get(name).getArray().square().mean().getFloat());
    }

    @Test
    void wrongSettingsAreNamed() {
        assertMessage("size factor is 0", () -> MlpOptions.DEFAULTS.withSizeFactor(0));
        assertMessage("activation is null", () -> MlpOptions.DEFAULTS.withActivation(null));
        assertMessage("deviation", () -> MlpOptions.DEFAULTS.withInitialDeviation(-0.1));
        assertMessage("model size is 0", () -> MlpBlock.builder().build());
        assertMessage("setInputs", () -> Projection.builder().setOutputs(3).build());
    }

    private static void assertMessage(String part, Runnable action) {
        String message = assertThrows(IllegalArgumentException.class, action::run).getMessage();
        assertTrue(message.contains(part), message);
    }
}
