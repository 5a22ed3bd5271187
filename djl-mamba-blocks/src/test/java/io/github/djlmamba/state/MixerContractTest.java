/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.state;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import io.github.djlmamba.ops.PackedSequences;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What every mixer and every stack must hold to beside its states and gradients. */
class MixerContractTest extends AbstractMixerTest {

    @ParameterizedTest(name = "{0}")
    @MethodSource("mixers")
    void noOutputDependsOnLaterInputs(String name, Supplier<SequenceMixer> builder) {
        SequenceMixer mixer = initialized(builder);
        int length = (int) SHAPE.get(1);
        NDArray x = input(SHAPE);
        NDArray before = whole(mixer, x);
        for (int t = 0; t < length; t++) {
            NDArray changed = x.duplicate();
            changed.set(
                    new NDIndex(":, {}", t),
                    manager.randomNormal(0, 1, new Shape(2, M), DataType.FLOAT32));
            NDArray after = whole(mixer, changed);
            if (t > 0) {
                assertArrayEquals(
                        before.get(":, :{}", t).toFloatArray(),
                        after.get(":, :{}", t).toFloatArray(),
                        1e-6f,
                        "outputs before " + t);
            }
            float change = before.sub(after).get(":, {}", t).abs().max().getFloat();
            assertTrue(change > 1e-4, "the output at " + t + " depends on its own input");
        }
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("mixers")
    void sequencesOfABatchAreIndependent(String name, Supplier<SequenceMixer> builder) {
        SequenceMixer mixer = initialized(builder);
        NDArray x = input(SHAPE);
        assertClose(whole(mixer, x).get("1:2"), whole(mixer, x.get("1:2")), 1e-5f);
        assertEquals(new Shape(0, 3, M), whole(mixer, input(new Shape(0, 3, M))).getShape());
        assertEquals(new Shape(2, 0, M), whole(mixer, input(new Shape(2, 0, M))).getShape());
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("mixers")
    void packedSequencesAreMixedEachByItself(String name, Supplier<SequenceMixer> builder) {
        SequenceMixer mixer = initialized(builder);
        NDArray x = input(SHAPE);
        int[] indices = {0, 0, 0, 1, 1, 1, 1, 3, 3, 0, 1, 1, 1, 1, 1, 2, 2, 2};
        NDArray packing = manager.create(indices, SHAPE.slice(0, 2));
        for (boolean training : new boolean[] {false, true}) {
            NDArray packed =
                    mixer.forward(parameters, new NDList(x, packing), training).singletonOrThrow();
            int[][] bounds = {{0, 0, 3}, {0, 3, 7}, {0, 7, 9}, {1, 0, 1}, {1, 1, 6}, {1, 6, 9}};
            for (int[] of : bounds) {
                NDIndex part = new NDIndex("{}:{}, {}:{}", of[0], of[0] + 1, of[1], of[2]);
                assertClose(whole(mixer, x.get(part)), packed.get(part), 1e-5f);
            }
        }
        NDArray none = input(new Shape(2, 0, M));
        NDArray noPacking = manager.zeros(new Shape(2, 0), DataType.INT32);
        assertEquals(
                none.getShape(),
                mixer.forward(parameters, new NDList(none, noPacking), false).head().getShape());
    }

    @Test
    void packingThatDoesNotFitIsRefused() {
        SequenceMixer mixer = initialized(MixerCases.all().get("Mamba"));
        NDArray x = input(SHAPE);
        NDArray packing = manager.zeros(new Shape(2, 4), DataType.INT32);
        assertThrows(
                IllegalArgumentException.class,
                () -> mixer.forward(parameters, new NDList(x, packing), false));
        PackedSequences packed = PackedSequences.ofLengths(9);
        assertThrows(
                IllegalArgumentException.class,
                () -> new MixerInput(parameters, x, packed, null, true, false));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("mixers")
    void savedParametersRoundTrip(String name, Supplier<SequenceMixer> builder) throws Exception {
        SequenceMixer mixer = initialized(builder);
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        mixer.saveParameters(new DataOutputStream(bytes));
        SequenceMixer loaded = builder.get();
        loaded.loadParameters(
                manager, new DataInputStream(new ByteArrayInputStream(bytes.toByteArray())));
        assertTrue(loaded.isInitialized());
        NDArray x = input(new Shape(3, 6, M));
        assertArrayEquals(whole(mixer, x).toFloatArray(), whole(loaded, x).toFloatArray());
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("mixers")
    void oneSeedGivesOneModel(String name, Supplier<SequenceMixer> builder) {
        Engine.getInstance().setRandomSeed(11);
        SequenceMixer first = initialized(builder);
        Engine.getInstance().setRandomSeed(11);
        SequenceMixer second = initialized(builder);
        for (int i = 0; i < first.getParameters().size(); i++) {
            assertArrayEquals(
                    first.getParameters().valueAt(i).getArray().toFloatArray(),
                    second.getParameters().valueAt(i).getArray().toFloatArray());
        }
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("mixers")
    void predictionsLeaveNothingBehind(String name, Supplier<SequenceMixer> builder) {
        SequenceMixer mixer = initialized(builder);
        int held = manager.getManagedArrays().size();
        // A store that copies on first use must still hold good copies afterwards.
        ParameterStore copies = new ParameterStore(manager, true);
        int parameterCount = mixer.getParameters().size();
        try (NDManager requests = NDManager.newBaseManager()) {
            NDArray x = requests.ones(new Shape(1, 1, M));
            MixerState state = null;
            for (int i = 0; i < 20; i++) {
                MixerOutput result = mixer.mix(copies, x, state, true, false);
                if (state != null) {
                    state.close();
                }
                state = result.state();
                assertEquals(
                        2 + state.arrays().size(),
                        requests.getManagedArrays().size(),
                        "input, output and state");
                result.output().close();
                assertEquals(held + parameterCount, manager.getManagedArrays().size());
            }
        }
        assertEquals(held + parameterCount, manager.getManagedArrays().size());
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("mixers")
    void wrongInputsAreNamed(String name, Supplier<SequenceMixer> builder) {
        SequenceMixer mixer = initialized(builder);
        NDArray narrow = manager.ones(new Shape(2, 3, M - 1));
        String message =
                assertThrows(
                                IllegalArgumentException.class,
                                () -> mixer.mix(parameters, narrow, null, false, false))
                        .getMessage();
        assertTrue(message.contains("(2, 3, 7)") && message.contains("M = 8"), message);

        NDArray x = manager.ones(new Shape(2, 3, M));
        MixerState foreign =
                new MixerState() {
                    @Override
                    public NDList arrays() {
                        return new NDList();
                    }

                    @Override
                    public MixerState with(NDList arrays, SequencePositions positions) {
                        return this;
                    }
                };
        message =
                assertThrows(
                                IllegalArgumentException.class,
                                () -> mixer.mix(parameters, x, foreign, false, false))
                        .getMessage();
        assertTrue(message.contains("give the state that this block left"), message);

        MixerState state = mixer.mix(parameters, x, null, true, false).state();
        if (!state.arrays().isEmpty()) {
            NDArray single = manager.ones(new Shape(1, 3, M));
            message =
                    assertThrows(
                                    IllegalArgumentException.class,
                                    () -> mixer.mix(parameters, single, state, false, false))
                            .getMessage();
            assertTrue(message.contains("batch of 2"), message);
            state.close();
            state.close();
            message =
                    assertThrows(
                                    IllegalStateException.class,
                                    () -> mixer.mix(parameters, x, state, false, false))
                            .getMessage();
            assertTrue(message.contains("the state is closed"), message);
        }
        NDArray wide = x.toType(DataType.FLOAT64, false);
        message =
                assertThrows(
                                IllegalArgumentException.class,
                                () -> mixer.mix(parameters, wide, null, false, false))
                        .getMessage();
        assertTrue(message.contains("type float64"), message);
        message =
                assertThrows(
                                IllegalArgumentException.class,
                                () -> mixer.mix(parameters, null, null, false, false))
                        .getMessage();
        assertTrue(message.contains("the input is null"), message);
        x.close();
        message =
                assertThrows(
                                IllegalStateException.class,
                                () -> mixer.mix(parameters, x, null, false, false))
                        .getMessage();
        assertTrue(message.contains("the input is closed"), message);
    }
}
