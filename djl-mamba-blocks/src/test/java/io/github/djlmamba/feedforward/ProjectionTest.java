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

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Block;
import ai.djl.training.GradientCollector;
import ai.djl.training.ParameterStore;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class ProjectionTest {

    private static final int GROUPS = 3;
    private static final long INPUTS = 4;
    private static final long OUTPUTS = 2;

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

    @Test
    void groupsAreOneBlockDiagonalWeight() {
        Projection projection = grouped();
        NDArray x = manager.randomNormal(0, 1, new Shape(2, 5, GROUPS, INPUTS), DataType.FLOAT32);
        projection.initialize(manager, DataType.FLOAT32, x.getShape());
        NDArray weight = parameter(projection, "weight");
        NDArray bias = parameter(projection, "bias");
        assertEquals(new Shape(GROUPS, OUTPUTS, INPUTS), weight.getShape());
        assertEquals(new Shape(GROUPS, OUTPUTS), bias.getShape());
        bias.addi(manager.randomNormal(0, 1, bias.getShape(), DataType.FLOAT32));
        float[] blocks = weight.toFloatArray();
        float[] diagonal = new float[(int) (GROUPS * OUTPUTS * GROUPS * INPUTS)];
        for (int i = 0; i < blocks.length; i++) {
            long row = i / INPUTS;
            long column = row / OUTPUTS * INPUTS + i % INPUTS;
            diagonal[(int) (row * GROUPS * INPUTS + column)] = blocks[i];
        }
        NDArray whole = manager.create(diagonal, new Shape(GROUPS * OUTPUTS, GROUPS * INPUTS));
        NDArray expected =
                x.reshape(10, GROUPS * INPUTS)
                        .matMul(whole.transpose())
                        .add(bias.flatten())
                        .reshape(2, 5, GROUPS, OUTPUTS);
        NDArray actual = projection.forward(store, new NDList(x), false).singletonOrThrow();
        assertEquals(expected.getShape(), actual.getShape());
        assertEquals(actual.getShape(), projection.getOutputShapes(new Shape[] {x.getShape()})[0]);
        assertArrayEquals(expected.toFloatArray(), actual.toFloatArray(), 1e-5f);
    }

    @Test
    void everyGroupHasItsGradient() {
        Projection projection = grouped();
        NDArray x = manager.randomNormal(0, 1, new Shape(6, GROUPS, INPUTS), DataType.FLOAT32);
        projection.initialize(manager, DataType.FLOAT32, x.getShape());
        NDArray weight = parameter(projection, "weight");
        try (GradientCollector collector = Engine.getEngine("PyTorch").newGradientCollector()) {
            collector.backward(
                    projection.forward(store, new NDList(x), true).singletonOrThrow().sum());
        }
        // The derivative of the sum by each row of a group's weight is the sum of its inputs.
        NDArray sums = x.sum(new int[] {0}).expandDims(1);
        NDArray expected = sums.broadcast(weight.getShape());
        assertArrayEquals(expected.toFloatArray(), weight.getGradient().toFloatArray(), 1e-5f);
    }

    @Test
    void whatDoesNotFitIsRefused() {
        assertMessage(
                "groups is 0",
                () -> Projection.builder().setInputs(1).setOutputs(1).optGroups(0).build());
        assertMessage("from 0 to 1 values", () -> Projection.builder().setOutputs(1).build());
        Projection projection = grouped();
        Shape flat = new Shape(2, GROUPS * INPUTS);
        assertMessage(
                "(..., G, I) with I = 4 and G = 3",
                () -> projection.initialize(manager, DataType.FLOAT32, flat));
    }

    private static Projection grouped() {
        return Projection.builder().setInputs(INPUTS).setOutputs(OUTPUTS).optGroups(GROUPS).build();
    }

    private static NDArray parameter(Block block, String name) {
        return block.getDirectParameters().get(name).getArray();
    }

    private static void assertMessage(String part, Runnable action) {
        String message = assertThrows(IllegalArgumentException.class, action::run).getMessage();
        assertTrue(message.contains(part), message);
    }
}
