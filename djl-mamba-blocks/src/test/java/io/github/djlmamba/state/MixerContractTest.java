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
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import java.util.Map;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** What every mixer and every stack must hold to. */
class MixerContractTest {

    private static final long M = MixerCases.MODEL_SIZE;
    private static final Shape SHAPE = new Shape(2, 11, M);

    private NDManager manager;
    private ParameterStore parameters;

    @BeforeEach
    void open() {
        Engine.getInstance().setRandomSeed(7);
        manager = NDManager.newBaseManager();
        parameters = new ParameterStore(manager, false);
    }

    @AfterEach
    void close() {
        manager.close();
    }

    static Stream<Arguments> mixers() {
        return MixerCases.all().entrySet().stream().map(MixerContractTest::arguments);
    }

    private static Arguments arguments(Map.Entry<String, Supplier<SequenceMixer>> entry) {
        return Arguments.of(entry.getKey(), entry.getValue());
    }

    private SequenceMixer initialized(Supplier<SequenceMixer> builder) {
        return initialized(builder, DataType.FLOAT32);
    }

    private SequenceMixer initialized(Supplier<SequenceMixer> builder, DataType type) {
        SequenceMixer mixer = builder.get();
        mixer.initialize(manager, type, SHAPE);
        return mixer;
    }

    private NDArray input(Shape shape) {
        return manager.randomNormal(0, 1, shape, DataType.FLOAT32);
    }

    private NDArray whole(SequenceMixer mixer, NDArray x) {
        return mixer.forward(parameters, new NDList(x), false).singletonOrThrow();
    }

    private NDArray inChunks(SequenceMixer mixer, NDArray x, long... lengths) {
        NDList outputs = new NDList();
        MixerState state = null;
        long start = 0;
        for (long length : lengths) {
            NDArray chunk = x.get(":, {}:{}", start, start + length);
            MixerOutput result = mixer.mix(parameters, chunk, state, true, false);
            if (state != null) {
                state.close();
            }
            outputs.add(result.output());
            state = result.state();
            start += length;
        }
        assertEquals(x.getShape().get(1), start);
        return NDArrays.concat(outputs, 1);
    }

    private static void assertClose(NDArray expected, NDArray actual, float tolerance) {
        assertEquals(expected.getShape(), actual.getShape());
        assertArrayEquals(expected.toFloatArray(), actual.toFloatArray(), tolerance);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("mixers")
    void wholePrefixAndTokensAgree(String name, Supplier<SequenceMixer> builder) {
        SequenceMixer mixer = initialized(builder);
        NDArray x = input(SHAPE);
        NDArray whole = whole(mixer, x);
        assertTrue(whole.abs().max().getFloat() > 1e-3, "the output is not all zero");
        assertClose(whole, inChunks(mixer, x, 7, 4), 1e-5f);
        assertClose(whole, inChunks(mixer, x, 1, 5, 2, 3), 1e-5f);
        assertClose(whole, inChunks(mixer, x, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1), 1e-5f);
        assertClose(whole, inChunks(mixer, x, 0, 6, 0, 5, 0), 1e-5f);
    }
}
