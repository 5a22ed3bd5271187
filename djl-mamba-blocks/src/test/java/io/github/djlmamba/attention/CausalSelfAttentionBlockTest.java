/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.attention;

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
import ai.djl.training.ParameterStore;
import io.github.djlmamba.state.MixerOutput;
import io.github.djlmamba.state.MixerState;
import io.github.djlmamba.state.SequencePositions;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CausalSelfAttentionBlockTest {

    private NDManager manager;
    private ParameterStore store;

    @BeforeEach
    void open() {
        Engine.getInstance().setRandomSeed(5);
        manager = NDManager.newBaseManager();
        store = new ParameterStore(manager, false);
    }

    @AfterEach
    void close() {
        manager.close();
    }

    @ParameterizedTest
    @CsvSource({
        "1, 0, true, 0, 0, 0, 0",
        "2, 0, true, 0, 0, 0, 0",
        "4, 2, true, 0, 0, 0, 0",
        "4, 1, false, 0, 0, 0, 0",
        "12, 0, false, 0, 0, 0, 0",
        "4, 2, true, 5, 0, 0.25, 0",
        "2, 1, true, 0, 3, 0, 0",
        "2, 0, true, 0, 1, 0, 1",
        "5, 1, false, 4, 4, 1, 0.5",
    })
    void isTheFormula(
            int heads,
            int keyValueHeads,
            boolean bias,
            int ownHeadSize,
            int window,
            double scale,
            double rotated) {
        int batch = 2;
        int length = 7;
        int size = 12;
        CausalSelfAttentionBlock block =
                CausalSelfAttentionBlock.builder()
                        .setModelSize(size)
                        .optHeads(heads)
                        .optKeyValueHeads(keyValueHeads)
                        .optBias(bias)
                        .optHeadSize(ownHeadSize)
                        .optWindow(window)
                        .optScale(scale)
                        .optRotary(
                                rotated == 0
                                        ? null
                                        : RotaryOptions.DEFAULTS
                                                .withFraction(rotated)
                                                .withBase(100))
                        .build();
        block.initialize(manager, DataType.FLOAT64, new Shape(1, 1, size));
        for (Parameter parameter : block.getParameters().values()) {
            NDArray array = parameter.getArray();
            array.setRequiresGradient(false);
            array.addi(manager.randomNormal(0, 0.5f, array.getShape(), DataType.FLOAT64));
        }
        NDArray x = manager.randomNormal(0, 1, new Shape(batch, length, size), DataType.FLOAT64);
        double[] actual =
                block.forward(store, new NDList(x), false).singletonOrThrow().toDoubleArray();

        double[] input = x.toDoubleArray();
        double[] inWeight = values(block, "01qkv_proj_weight");
        double[] inBias = bias ? values(block, "01qkv_proj_bias") : null;
        double[] outWeight = values(block, "02out_proj_weight");
        double[] outBias = bias ? values(block, "02out_proj_bias") : null;
        int groups = keyValueHeads == 0 ? heads : keyValueHeads;
        int headSize = ownHeadSize == 0 ? size / heads : ownHeadSize;
        double factor = scale == 0 ? 1 / Math.sqrt(headSize) : scale;
        double[] expected = new double[input.length];
        for (int b = 0; b < batch; b++) {
            double[][] projected = new double[length][];
            for (int t = 0; t < length; t++) {
                projected[t] = project(inWeight, inBias, input, (b * length + t) * size, size);
                for (int h = 0; h < heads + groups; h++) {
                    turn(projected[t], h * headSize, (int) (headSize * rotated), t);
                }
                double[] joined = new double[heads * headSize];
                for (int h = 0; h < heads; h++) {
                    int key = (heads + h / (heads / groups)) * headSize;
                    int value = key + groups * headSize;
                    int first = window == 0 ? 0 : Math.max(0, t - window + 1);
                    double[] weights = new double[t + 1];
                    double total = 0;
                    for (int s = first; s <= t; s++) {
                        double dot = 0;
                        for (int p = 0; p < headSize; p++) {
                            dot += projected[t][h * headSize + p] * projected[s][key + p];
                        }
                        weights[s] = Math.exp(dot * factor);
                        total += weights[s];
                    }
                    for (int s = first; s <= t; s++) {
                        for (int p = 0; p < headSize; p++) {
                            joined[h * headSize + p] +=
                                    weights[s] / total * projected[s][value + p];
                        }
                    }
                }
                double[] output = project(outWeight, outBias, joined, 0, heads * headSize);
                System.arraycopy(output, 0, expected, (b * length + t) * size, size);
            }
        }
        assertArrayEquals(expected, actual, 1e-12);
    }

    /** Turns the first channels of one head, of pairs a half apart, with a base of 100. */
    private static void turn(double[] vector, int from, int rotated, int position) {
        for (int i = 0; i < rotated / 2; i++) {
            double angle = position * Math.pow(100, -2.0 * i / rotated);
            double a = vector[from + i];
            double b = vector[from + i + rotated / 2];
            vector[from + i] = a * Math.cos(angle) - b * Math.sin(angle);
            vector[from + i + rotated / 2] = b * Math.cos(angle) + a * Math.sin(angle);
        }
    }

    private static double[] values(CausalSelfAttentionBlock block, String name) {
        return block.getParameters().get(name).getArray().toDoubleArray();
    }

    private static double[] project(
            double[] weight, double[] bias, double[] x, int from, int inputs) {
        double[] y = new double[weight.length / inputs];
        for (int o = 0; o < y.length; o++) {
            y[o] = bias == null ? 0 : bias[o];
            for (int i = 0; i < inputs; i++) {
                y[o] += weight[o * inputs + i] * x[from + i];
            }
        }
        return y;
    }

    @Test
    void largeScoresStayFinite() {
        CausalSelfAttentionBlock block =
                CausalSelfAttentionBlock.builder().setModelSize(8).optHeads(2).build();
        block.initialize(manager, DataType.FLOAT32, new Shape(1, 1, 8));
        NDArray x = manager.randomNormal(0, 1e4f, new Shape(1, 6, 8), DataType.FLOAT32);
        NDArray y = block.forward(store, new NDList(x), false).singletonOrThrow();
        for (float value : y.toFloatArray()) {
            assertTrue(Float.isFinite(value));
        }
    }

    @Test
    void theStateGrowsWithTheSequence() {
        CausalSelfAttentionBlock block =
                CausalSelfAttentionBlock.builder()
                        .setModelSize(8)
                        .optHeads(4)
                        .optKeyValueHeads(2)
                        .build();
        block.initialize(manager, DataType.FLOAT32, new Shape(1, 1, 8));
        NDArray x = manager.ones(new Shape(3, 5, 8));
        AttentionState state = (AttentionState) block.mix(store, x, null, true, false).state();
        assertEquals(new Shape(3, 5, 2, 2), state.keys().getShape());
        state = (AttentionState) block.mix(store, x, state, true, false).state();
        assertEquals(new Shape(3, 10, 2, 2), state.values().getShape());
        AttentionState foreign =
                new AttentionState(
                        manager.ones(new Shape(3, 5, 4, 2)),
                        manager.ones(new Shape(3, 5, 4, 2)),
                        SequencePositions.alike(3, 5));
        assertMessage("(3, 5, 4, 2)", () -> block.mix(store, x, foreign, false, false));
        AttentionState few =
                new AttentionState(state.keys(), state.values(), SequencePositions.of(10));
        assertMessage("positions [10]", () -> block.mix(store, x, few, false, false));
    }

    /** A state may be continued from several times, and older ones remain what they are. */
    @Test
    void everyStateMayBeContinued() {
        CausalSelfAttentionBlock block =
                CausalSelfAttentionBlock.builder().setModelSize(8).optHeads(2).build();
        block.initialize(manager, DataType.FLOAT32, new Shape(1, 1, 8));
        NDArray x = manager.randomNormal(0, 1, new Shape(2, 40, 8), DataType.FLOAT32);
        NDArray whole = block.forward(store, new NDList(x), false).singletonOrThrow();
        List<MixerState> states = new ArrayList<>();
        MixerState state = null;
        for (int t = 0; t < 40; t++) {
            state = block.mix(store, x.get(":, {}:{}", t, t + 1), state, true, false).state();
            states.add(state);
        }
        // Another branch from each, which must not reach the others.
        for (int t = 0; t < 39; t++) {
            block.mix(store, manager.ones(new Shape(2, 1, 8)), states.get(t), true, false);
        }
        for (int t = 0; t < 39; t++) {
            NDArray rest = x.get(":, {}:", t + 1);
            NDArray output = block.mix(store, rest, states.get(t), false, false).output();
            assertArrayEquals(
                    whole.get(":, {}:", t + 1).toFloatArray(), output.toFloatArray(), 1e-5f);
        }
    }

    @Test
    void aWindowBoundsTheState() {
        CausalSelfAttentionBlock block =
                CausalSelfAttentionBlock.builder()
                        .setModelSize(8)
                        .optHeads(2)
                        .optWindow(5)
                        .optRotary(RotaryOptions.DEFAULTS)
                        .build();
        block.initialize(manager, DataType.FLOAT32, new Shape(1, 1, 8));
        NDArray x = manager.randomNormal(0, 1, new Shape(1, 200, 8), DataType.FLOAT32);
        NDArray whole = block.forward(store, new NDList(x), false).singletonOrThrow();
        AttentionState state = null;
        for (int t = 0; t < 200; t++) {
            NDArray token = x.get(":, {}:{}", t, t + 1);
            MixerOutput result = block.mix(store, token, state, true, false);
            state = (AttentionState) result.state();
            assertEquals(Math.min(t + 1, 4), state.keys().getShape().get(1));
            assertEquals(SequencePositions.of(t + 1), state.positions());
            assertArrayEquals(
                    whole.get(":, {}", t).toFloatArray(), result.output().toFloatArray(), 1e-5f);
        }
        AttentionState cut =
                new AttentionState(
                        state.keys().get(":, 1:"), state.values().get(":, 1:"), state.positions());
        assertMessage("window of 5", () -> block.mix(store, x, cut, false, false));
    }

    @Test
    void wrongSettingsAreNamed() {
        assertMessage(
                "3 heads do not divide the model size 8",
                () -> CausalSelfAttentionBlock.builder().setModelSize(8).optHeads(3).build());
        assertMessage("window is -1", () -> AttentionOptions.DEFAULTS.withWindow(-1));
        assertMessage("head size is -1", () -> AttentionOptions.DEFAULTS.withHeadSize(-1));
        assertMessage("scale is NaN", () -> AttentionOptions.DEFAULTS.withScale(Double.NaN));
        assertMessage("base is 0", () -> RotaryOptions.DEFAULTS.withBase(0));
        assertMessage("fraction is 1.5", () -> RotaryOptions.DEFAULTS.withFraction(1.5));
        assertMessage(
                "even number",
                () ->
                        CausalSelfAttentionBlock.builder()
                                .setModelSize(9)
                                .optHeads(3)
                                .optRotary(RotaryOptions.DEFAULTS)
                                .build());
        assertMessage("heads is 0", () -> CausalSelfAttentionBlock.builder().optHeads(0));
        assertMessage(
                "divisor of the 8", () -> CausalSelfAttentionBlock.builder().optKeyValueHeads(3));
        assertMessage("deviation", () -> AttentionOptions.DEFAULTS.withInitialDeviation(-1));
        assertMessage(
                "deviation", () -> AttentionOptions.DEFAULTS.withInitialDeviation(Double.NaN));
    }

    private static void assertMessage(String part, Runnable action) {
        String message = assertThrows(IllegalArgumentException.class, action::run).getMessage();
        assertTrue(message.contains(part), message);
    }
}
