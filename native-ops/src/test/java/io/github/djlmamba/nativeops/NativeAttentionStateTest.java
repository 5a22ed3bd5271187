/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.nativeops;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import io.github.djlmamba.attention.AttentionOptions;
import io.github.djlmamba.attention.RotaryOptions;
import io.github.djlmamba.feedforward.GatedMlpOptions;
import io.github.djlmamba.hybrid.HybridStack;
import io.github.djlmamba.hybrid.HybridStackOptions;
import io.github.djlmamba.hybrid.LayerPattern;
import io.github.djlmamba.hybrid.LayerSymbol;
import io.github.djlmamba.norm.NormOptions;
import io.github.djlmamba.ops.Precision;
import io.github.djlmamba.state.MixerOutput;
import io.github.djlmamba.state.MixerState;
import io.github.djlmamba.state.SequenceMixer;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** States of attention whose arrays share memory, and attention in bfloat16. */
class NativeAttentionStateTest {

    private static final int SIZE = 16;
    private static final int LENGTH = 150;

    private NDManager manager;
    private ParameterStore store;

    @BeforeEach
    void open() {
        NativeTests.provider();
        Engine.getEngine("PyTorch").setRandomSeed(3);
        manager = NDManager.newBaseManager();
        store = new ParameterStore(manager, false);
    }

    @AfterEach
    void close() {
        if (manager != null) {
            manager.close();
        }
    }

    private SequenceMixer stack(int keyValueHeads, int window, boolean rotary) {
        AttentionOptions attention =
                AttentionOptions.DEFAULTS
                        .withHeads(4)
                        .withKeyValueHeads(keyValueHeads)
                        .withWindow(window)
                        .withRotary(rotary ? RotaryOptions.DEFAULTS : null);
        SequenceMixer stack =
                new HybridStack(
                        HybridStackOptions.of(SIZE, LayerPattern.parse("*-*-"))
                                .withNorm(NormOptions.RMS_NORM)
                                .withMixer(LayerSymbol.ATTENTION, attention)
                                .withMixer(LayerSymbol.MLP, GatedMlpOptions.DEFAULTS));
        stack.initialize(manager, DataType.FLOAT32, new Shape(1, 1, SIZE));
        return stack;
    }

    @ParameterizedTest
    @CsvSource({"0, 0, false", "2, 0, true", "1, 7, true"})
    void everyStateMayBeContinued(int keyValueHeads, int window, boolean rotary) {
        SequenceMixer stack = stack(keyValueHeads, window, rotary);
        NDArray x = manager.randomNormal(0, 1, new Shape(2, LENGTH, SIZE), DataType.FLOAT32);
        NDArray whole = stack.forward(store, new NDList(x), false).singletonOrThrow();
        List<MixerState> states = new ArrayList<>();
        MixerState state = null;
        for (int t = 0; t < LENGTH; t++) {
            NDArray token = x.get(":, {}:{}", t, t + 1);
            MixerOutput result = stack.mix(store, token, state, true, false);
            state = result.state();
            states.add(state);
            assertClose(whole.get(":, {}:{}", t, t + 1), result.output(), 1e-4f);
        }
        // Other tokens after each state, which must reach no other state.
        for (int t = 0; t < LENGTH - 1; t++) {
            NDArray other = manager.ones(new Shape(2, 1 + t % 3, SIZE));
            stack.mix(store, other, states.get(t), true, false).state().close();
        }
        for (int t = 0; t < LENGTH - 1; t += 7) {
            NDArray rest = x.get(":, {}:", t + 1);
            NDArray output = stack.mix(store, rest, states.get(t), false, false).output();
            assertClose(whole.get(":, {}:", t + 1), output, 1e-4f);
            states.get(t).close();
        }
    }

    @ParameterizedTest
    @CsvSource({"0, 0, false", "2, 5, true"})
    void bfloat16(int keyValueHeads, int window, boolean rotary) {
        SequenceMixer stack = stack(keyValueHeads, window, rotary);
        NDArray x = manager.randomNormal(0, 1, new Shape(2, 40, SIZE), DataType.FLOAT32);
        NDArray wide = stack.forward(store, new NDList(x), false).singletonOrThrow();
        NDArray whole = reduced(stack, x);
        assertClose(wide, whole, 0.1f);
        MixerState state = null;
        for (int t = 0; t < 40; t++) {
            NDArray token = x.get(":, {}:{}", t, t + 1);
            MixerState before = state;
            MixerOutput result =
                    Precision.BFLOAT16.within(() -> stack.mix(store, token, before, true, false));
            state = result.state();
            NDArray output = Precision.FLOAT32.cast(result.output());
            assertClose(wide.get(":, {}:{}", t, t + 1), output, 0.1f);
        }
    }

    private NDArray reduced(SequenceMixer stack, NDArray x) {
        return Precision.FLOAT32.cast(
                Precision.BFLOAT16.within(
                        () -> stack.forward(store, new NDList(x), false).singletonOrThrow()));
    }

    private static void assertClose(NDArray expected, NDArray actual, float tolerance) {
        assertEquals(expected.getShape(), actual.getShape());
        assertArrayEquals(expected.toFloatArray(), actual.toFloatArray(), tolerance);
    }
}
