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
import io.github.djlmamba.hybrid.HybridStack;
import io.github.djlmamba.hybrid.HybridStackOptions;
import io.github.djlmamba.hybrid.LayerPattern;
import io.github.djlmamba.hybrid.LayerSymbol;
import io.github.djlmamba.norm.NormOptions;
import io.github.djlmamba.ops.FusedMamba;
import io.github.djlmamba.ops.FusedMamba2;
import io.github.djlmamba.ops.OpsProvider;
import io.github.djlmamba.ssm.Mamba2Options;
import io.github.djlmamba.ssm.MambaOptions;
import io.github.djlmamba.state.MixerOptions;
import io.github.djlmamba.state.MixerOutput;
import io.github.djlmamba.state.MixerState;
import io.github.djlmamba.state.SequenceMixer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The calls for whole blocks and layers give what the calls of their ops give. */
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
                    compare(mixer, type, 2, length);
                }
                // More rows than are projected one by one.
                compare(mixer, type, 9, 2);
            }
        }
    }

    /** A sequence and two more tokens, by one call each and by those for training. */
    private void compare(SequenceMixer mixer, DataType type, long batch, long length) {
        NDArray x = manager.randomNormal(0, 1, new Shape(batch, length, SIZE), type);
        NDArray more = manager.randomNormal(0, 1, new Shape(batch, 2, SIZE), type);
        List<NDArray> parts = List.of(x, more.get(":, 0:1"), more.get(":, 1:"));
        List<double[]> expected = results(mixer, parts, true);
        List<double[]> actual = results(mixer, parts, false);
        for (int i = 0; i < expected.size(); i++) {
            double tolerance = type == DataType.FLOAT32 ? 2e-6 : 1e-14;
            double largest = Arrays.stream(expected.get(i)).map(Math::abs).max().orElse(0);
            assertArrayEquals(
                    expected.get(i),
                    actual.get(i),
                    tolerance * Math.max(1, largest),
                    mixer + " result " + i);
        }
    }

    /** Outputs and states; those that were continued are read when all is done. */
    private List<double[]> results(SequenceMixer mixer, List<NDArray> parts, boolean training) {
        NDList arrays = new NDList();
        MixerState state = null;
        for (NDArray part : parts) {
            MixerOutput output = mixer.mix(store, part, state, true, training);
            state = output.state();
            arrays.add(output.output());
            arrays.addAll(state.arrays());
        }
        List<double[]> results = new ArrayList<>();
        for (NDArray array : arrays) {
            results.add(array.toType(DataType.FLOAT64, true).toDoubleArray());
        }
        return results;
    }

    /** Blocks by themselves, and two layers of each. */
    private static List<SequenceMixer> mixers() {
        List<SequenceMixer> mixers = new ArrayList<>();
        for (MixerOptions options : options()) {
            mixers.add(options.newMixer(SIZE, 1));
            mixers.add(
                    new HybridStack(
                            new HybridStackOptions(
                                    SIZE,
                                    LayerPattern.parse("MM"),
                                    Map.of(LayerSymbol.MAMBA, options),
                                    new NormOptions(NormOptions.Kind.RMS_NORM, 1e-4f),
                                    0,
                                    false,
                                    0.5,
                                    null)));
        }
        return mixers;
    }

    private static List<MixerOptions> options() {
        MambaOptions mamba = MambaOptions.DEFAULTS;
        Mamba2Options mamba2 = Mamba2Options.DEFAULTS.withHeadSize(4).withStateSize(5);
        List<MixerOptions> options = new ArrayList<>();
        options.add(mamba);
        options.add(
                mamba.withConvolutionWidth(2).withProjectionBias(true).withConvolutionBias(false));
        options.add(mamba.withConvolutionWidth(1).withStateSize(3));
        for (Mamba2Options.Norm norm : Mamba2Options.Norm.values()) {
            options.add(mamba2.withNorm(norm, false, 1e-5f));
        }
        options.add(
                mamba2.withGroups(2)
                        .withNorm(Mamba2Options.Norm.AFTER_GATE, true, 1e-6f)
                        .withProjectionBias(true)
                        .withSkipByChannel(true)
                        .withDeltaLimits(0.002, 0.05));
        return options;
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
                                        wrong, wrong, null, null, null, null)));
        assertThrows(
                IllegalArgumentException.class,
                () ->
                        provider.fusedMamba2(
                                new FusedMamba2(
                                        x, wrong, null, wrong, null, wrong, wrong, wrong, null,
                                        wrong, null, null, null, 1, 1, true, 1, 1e-5, 0, 1, null)));
    }
}
