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
import static org.junit.jupiter.api.Assertions.assertThrows;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import io.github.djlmamba.ops.FusedMamba;
import io.github.djlmamba.ops.FusedMamba2;
import io.github.djlmamba.ops.OpsProvider;
import io.github.djlmamba.ssm.Mamba2Options;
import io.github.djlmamba.ssm.MambaOptions;
import io.github.djlmamba.state.MixerOutput;
import io.github.djlmamba.state.MixerState;
import io.github.djlmamba.state.SequenceMixer;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The calls for whole blocks give what the calls of their ops give, to the bit. */
class NativeFusedMixersTest {

    private static final long SIZE = 16;

    private OpsProvider provider;
    private NDManager manager;
    private ParameterStore store;

    @BeforeEach
    void open() {
        provider = NativeTests.provider();
        manager = NDManager.newBaseManager("PyTorch");
        store = new ParameterStore(manager, false);
        Engine.getEngine("PyTorch").setRandomSeed(5);
    }

    @AfterEach
    void close() {
        if (manager != null) {
            manager.close();
        }
    }

    @Test
    void predictAsTheOpsOfTrainingDo() {
        for (DataType type : List.of(DataType.FLOAT32, DataType.FLOAT64)) {
            for (SequenceMixer mixer : mixers()) {
                mixer.initialize(manager, type, new Shape(1, 1, SIZE));
                for (long length : new long[] {9, 1, 0, 3}) {
                    compare(mixer, type, length);
                }
            }
        }
    }

    /** A sequence and its continuation, by one call and by those for training. */
    private void compare(SequenceMixer mixer, DataType type, long length) {
        NDArray x = manager.randomNormal(0, 1, new Shape(2, length, SIZE), type);
        NDArray more = manager.randomNormal(0, 1, new Shape(2, 1, SIZE), type);
        List<double[]> expected = results(mixer, x, more, true);
        List<double[]> actual = results(mixer, x, more, false);
        for (int i = 0; i < expected.size(); i++) {
            assertArrayEquals(expected.get(i), actual.get(i), mixer + " result " + i);
        }
    }

    private List<double[]> results(SequenceMixer mixer, NDArray x, NDArray more, boolean training) {
        List<double[]> results = new ArrayList<>();
        MixerState state = null;
        for (NDArray part : List.of(x, more)) {
            MixerOutput output = mixer.mix(store, part, state, true, training);
            state = output.state();
            NDList arrays = new NDList(output.output());
            arrays.addAll(state.arrays());
            for (NDArray array : arrays) {
                results.add(array.toType(DataType.FLOAT64, true).toDoubleArray());
            }
        }
        return results;
    }

    private static List<SequenceMixer> mixers() {
        MambaOptions mamba = MambaOptions.DEFAULTS;
        Mamba2Options mamba2 = Mamba2Options.DEFAULTS.withHeadSize(4).withStateSize(5);
        List<SequenceMixer> mixers = new ArrayList<>();
        mixers.add(mamba.newMixer(SIZE, 1));
        mixers.add(
                mamba.withConvolutionWidth(2)
                        .withProjectionBias(true)
                        .withConvolutionBias(false)
                        .newMixer(SIZE, 1));
        for (Mamba2Options.Norm norm : Mamba2Options.Norm.values()) {
            mixers.add(mamba2.withNorm(norm, false, 1e-5f).newMixer(SIZE, 1));
        }
        mixers.add(
                mamba2.withGroups(2)
                        .withNorm(Mamba2Options.Norm.AFTER_GATE, true, 1e-6f)
                        .withProjectionBias(true)
                        .withSkipByChannel(true)
                        .withDeltaLimits(0.002, 0.05)
                        .newMixer(SIZE, 1));
        return mixers;
    }

    @Test
    void whatDoesNotFitIsRefused() {
        NDArray x = manager.ones(new Shape(1, 2, 4));
        NDArray wrong = manager.ones(new Shape(3, 3));
        assertThrows(
                IllegalArgumentException.class,
                () ->
                        provider.fusedMamba(
                                new FusedMamba(
                                        x, wrong, null, wrong, null, wrong, wrong, wrong, wrong,
                                        wrong, wrong, null, null, null)));
        assertThrows(
                IllegalArgumentException.class,
                () ->
                        provider.fusedMamba2(
                                new FusedMamba2(
                                        x, wrong, null, wrong, null, wrong, wrong, wrong, null,
                                        wrong, null, null, null, 1, 1, true, 1, 1e-5, 0, 1)));
    }
}
