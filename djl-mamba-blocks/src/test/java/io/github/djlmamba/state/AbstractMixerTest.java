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

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
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
import org.junit.jupiter.params.provider.Arguments;

/** What tests of every mixer and every stack share. */
abstract class AbstractMixerTest {

    static final long M = MixerCases.MODEL_SIZE;
    static final Shape SHAPE = new Shape(2, 9, M);

    NDManager manager;
    ParameterStore parameters;

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
        return MixerCases.all().entrySet().stream().map(AbstractMixerTest::arguments);
    }

    private static Arguments arguments(Map.Entry<String, Supplier<SequenceMixer>> entry) {
        return Arguments.of(entry.getKey(), entry.getValue());
    }

    SequenceMixer initialized(Supplier<SequenceMixer> builder) {
        return initialized(builder, DataType.FLOAT32);
    }

    SequenceMixer initialized(Supplier<SequenceMixer> builder, DataType type) {
        SequenceMixer mixer = builder.get();
        mixer.initialize(manager, type, SHAPE);
        return mixer;
    }

    NDArray input(Shape shape) {
        return manager.randomNormal(0, 1, shape, DataType.FLOAT32);
    }

    NDArray whole(SequenceMixer mixer, NDArray x) {
        return mixer.forward(parameters, new NDList(x), false).singletonOrThrow();
    }

    static void assertClose(NDArray expected, NDArray actual, float tolerance) {
        assertEquals(expected.getShape(), actual.getShape());
        assertArrayEquals(expected.toFloatArray(), actual.toFloatArray(), tolerance);
    }
}
