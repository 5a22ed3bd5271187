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
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.training.ParameterStore;
import io.github.djlmamba.attention.AttentionOptions;
import io.github.djlmamba.feedforward.MixtureOfExpertsOptions;
import io.github.djlmamba.feedforward.MlpOptions;
import io.github.djlmamba.hybrid.HybridStackOptions;
import io.github.djlmamba.hybrid.LayerPattern;
import io.github.djlmamba.hybrid.LayerSymbol;
import io.github.djlmamba.language.Bfloat16Weights;
import io.github.djlmamba.language.LanguageModel;
import io.github.djlmamba.language.LanguageModel.Positions;
import io.github.djlmamba.language.LanguageModelOptions;
import io.github.djlmamba.language.LanguageModelOutput;
import io.github.djlmamba.norm.NormOptions;
import io.github.djlmamba.ops.Precision;
import io.github.djlmamba.ssm.Mamba2Options;
import io.github.djlmamba.ssm.MambaOptions;
import io.github.djlmamba.state.MixerState;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class NativeBfloat16WeightsTest {

    private static final int VOCABULARY = 50;

    private NDManager manager;
    private ParameterStore store;

    @BeforeEach
    void open() {
        NativeTests.provider();
        manager = NDManager.newBaseManager("PyTorch");
        store = new ParameterStore(manager, false);
        Engine.getEngine("PyTorch").setRandomSeed(3);
    }

    @AfterEach
    void close() {
        if (manager != null) {
            manager.close();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"MM", "M2", "M*-M", "MEE"})
    void predictAsTheirNumbersInFloat32(String pattern) {
        LanguageModel model = model(pattern);
        for (Parameter weight : Bfloat16Weights.of(model)) {
            NDArray rounded = Precision.FLOAT32.cast(Precision.BFLOAT16.cast(weight.getArray()));
            rounded.copyTo(weight.getArray());
        }
        NDArray ids = manager.randomInteger(0, VOCABULARY, new Shape(2, 21), DataType.INT64);
        float[] prefill = prefill(model, ids);
        float[] decoded = decoded(model, ids);
        Bfloat16Weights.store(model);
        store = new ParameterStore(manager, false);
        for (Parameter weight : Bfloat16Weights.of(model)) {
            assertTrue(Precision.isBfloat16(weight.getArray()), weight.getName());
        }
        assertArrayEquals(prefill, prefill(model, ids), 1e-4f);
        assertArrayEquals(decoded, decoded(model, ids), 1e-4f);
        Bfloat16Weights.store(model);
    }

    @ParameterizedTest
    @ValueSource(strings = {"M*-M", "MEE"})
    void coverAllMatrices(String pattern) {
        LanguageModel model = model(pattern);
        long all = 0;
        for (Parameter parameter : model.getParameters().values()) {
            if (parameter.getShape().dimension() >= 2
                    && parameter.getType() == Parameter.Type.WEIGHT) {
                all += parameter.getName().startsWith("conv1d") ? 0 : 1;
            }
        }
        assertEquals(all, Bfloat16Weights.of(model).size());
        LanguageModel bare = new LanguageModel(model.options());
        assertThrows(IllegalStateException.class, () -> Bfloat16Weights.store(bare));
    }

    private LanguageModel model(String pattern) {
        Mamba2Options mamba2 = Mamba2Options.DEFAULTS.withHeadSize(16);
        HybridStackOptions stack =
                new HybridStackOptions(
                        64,
                        LayerPattern.parse(pattern.replace('2', 'M')),
                        Map.of(
                                LayerSymbol.MAMBA,
                                pattern.contains("2") ? mamba2 : MambaOptions.DEFAULTS,
                                LayerSymbol.ATTENTION,
                                AttentionOptions.DEFAULTS,
                                LayerSymbol.MLP,
                                MlpOptions.DEFAULTS,
                                LayerSymbol.EXPERTS,
                                MixtureOfExpertsOptions.of(4, 2, 32)),
                        NormOptions.RMS_NORM,
                        0,
                        true);
        LanguageModel model = new LanguageModel(LanguageModelOptions.of(VOCABULARY, stack));
        model.initialize(manager, DataType.FLOAT32, new Shape(1, 4));
        return model;
    }

    private float[] prefill(LanguageModel model, NDArray ids) {
        return model.run(store, ids, null, Positions.ALL, false, false).logits().toFloatArray();
    }

    private float[] decoded(LanguageModel model, NDArray ids) {
        MixerState state = null;
        LanguageModelOutput output = null;
        for (long t = 0; t < ids.getShape().get(1); t++) {
            NDArray token = ids.get(":, {}:{}", t, t + 1);
            output = model.run(store, token, state, Positions.LAST, true, false);
            state = output.state();
        }
        return output.logits().toFloatArray();
    }
}
