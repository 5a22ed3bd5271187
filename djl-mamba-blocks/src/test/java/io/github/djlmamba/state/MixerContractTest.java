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
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.training.GradientCollector;
import ai.djl.training.ParameterStore;
import ai.djl.util.Pair;
import io.github.djlmamba.hybrid.HybridStack;
import io.github.djlmamba.ops.PackedSequences;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** What every mixer and every stack must hold to. */
class MixerContractTest {

    private static final long M = MixerCases.MODEL_SIZE;
    private static final Shape SHAPE = new Shape(2, 9, M);

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
        assertClose(whole, inChunks(mixer, x, 5, 4), 1e-5f);
        assertClose(whole, inChunks(mixer, x, 1, 4, 2, 2), 1e-5f);
        assertClose(whole, inChunks(mixer, x, 1, 1, 1, 1, 1, 1, 1, 1, 1), 1e-5f);
        assertClose(whole, inChunks(mixer, x, 0, 5, 0, 4, 0), 1e-5f);
    }

    /** A batch of sequences of different lengths is continued as each would be by itself. */
    @ParameterizedTest(name = "{0}")
    @MethodSource("mixers")
    void joinedStatesContinueAsEachByItself(String name, Supplier<SequenceMixer> builder) {
        SequenceMixer mixer = initialized(builder);
        // Rows, and how many of their tokens have been seen; two rows share a prefix call.
        long[][] prefixes = {{1, 3}, {2, 5}, {1, 0}, {1, 8}, {1, 3}};
        int rows = 6;
        int more = 7;
        List<NDArray> inputs = new ArrayList<>();
        List<NDArray> expected = new ArrayList<>();
        List<MixerState> states = new ArrayList<>();
        for (long[] prefix : prefixes) {
            NDArray x = input(new Shape(prefix[0], prefix[1] + more, M));
            NDArray whole = whole(mixer, x);
            for (int row = 0; row < prefix[0]; row++) {
                inputs.add(x.get("{}:{}, {}:", row, row + 1, prefix[1]));
                expected.add(whole.get("{}:{}, {}:", row, row + 1, prefix[1]));
            }
            NDArray seen = x.get(":, :{}", prefix[1]);
            states.add(mixer.mix(parameters, seen, null, true, false).state());
        }
        NDArray x = NDArrays.concat(new NDList(inputs), 0);
        NDArray whole = NDArrays.concat(new NDList(expected), 0);
        MixerState joined = states.get(0).join(states.subList(1, states.size()));
        states.forEach(MixerState::close);
        MixerState rebuilt = joined.with(joined.arrays(), joined.positions());
        assertClose(whole, mixer.mix(parameters, x, rebuilt, false, false).output(), 1e-5f);
        assertClose(whole, continued(mixer, x, joined), 1e-5f);

        for (int[] selected : new int[][] {{0, 2, 5}, {3, 1}, {4, 4, 0, 3}, {5}, {}}) {
            NDList chosen = new NDList();
            NDList outputs = new NDList();
            for (int row : selected) {
                chosen.add(x.get("{}:{}", row, row + 1));
                outputs.add(whole.get("{}:{}", row, row + 1));
            }
            MixerState part = joined.select(selected);
            NDArray rest =
                    selected.length == 0
                            ? input(new Shape(0, more, M))
                            : NDArrays.concat(chosen, 0);
            NDArray output = continued(mixer, rest, part);
            assertEquals(selected.length, output.getShape().get(0));
            if (selected.length > 0) {
                assertClose(NDArrays.concat(outputs, 0), output, 1e-5f);
            }
        }
        assertEquals(rows, x.getShape().get(0));
    }

    /** Sequences that leave and join a batch while it goes on. */
    @ParameterizedTest(name = "{0}")
    @MethodSource("mixers")
    void sequencesMayLeaveAndJoin(String name, Supplier<SequenceMixer> builder) {
        SequenceMixer mixer = initialized(builder);
        NDArray x = input(new Shape(3, 9, M));
        NDArray whole = whole(mixer, x);
        MixerState first = mixer.mix(parameters, x.get("0:2, :6"), null, true, false).state();
        MixerState second = mixer.mix(parameters, x.get("2:3, :2"), null, true, false).state();
        MixerState both = second.join(List.of(first.select(1)));
        NDArray next = x.get("2:3, 2:4").concat(x.get("1:2, 6:8"), 0);
        MixerOutput output = mixer.mix(parameters, next, both, true, false);
        assertClose(whole.get("2:3, 2:4").concat(whole.get("1:2, 6:8"), 0), output.output(), 1e-5f);
        NDArray last = x.get("2:3, 4:9");
        assertClose(whole.get("2:3, 4:9"), continued(mixer, last, output.state().select(0)), 1e-5f);
    }

    /** The outputs for more tokens, one by one. */
    private NDArray continued(SequenceMixer mixer, NDArray x, MixerState state) {
        NDList outputs = new NDList();
        MixerState before = state;
        for (long t = 0; t < x.getShape().get(1); t++) {
            NDArray token = x.get(":, {}:{}", t, t + 1);
            MixerOutput result = mixer.mix(parameters, token, before, true, false);
            outputs.add(result.output());
            before = result.state();
        }
        return NDArrays.concat(outputs, 1);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("mixers")
    void selectingAndJoiningLeaveNothingBehind(String name, Supplier<SequenceMixer> builder) {
        SequenceMixer mixer = initialized(builder);
        try (NDManager requests = NDManager.newBaseManager()) {
            NDArray x = requests.ones(new Shape(2, 5, M));
            NDArray y = requests.ones(new Shape(1, 3, M));
            MixerState first = mixer.mix(parameters, x, null, true, false).state();
            MixerState second = mixer.mix(parameters, y, null, true, false).state();
            int arrays = first.arrays().size();
            int held = requests.getManagedArrays().size();
            MixerState joined = first.join(List.of(second));
            assertEquals(held + arrays, requests.getManagedArrays().size());
            joined.select(2);
            assertEquals(held + 2 * arrays, requests.getManagedArrays().size());
        }
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("mixers")
    void trainingComputesTheSame(String name, Supplier<SequenceMixer> builder) {
        SequenceMixer mixer = initialized(builder);
        NDArray x = input(SHAPE);
        NDArray trained = mixer.forward(parameters, new NDList(x), true).singletonOrThrow();
        assertClose(whole(mixer, x), trained, 1e-6f);
    }

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
    void gradientsMatchCentralDifferences(String name, Supplier<SequenceMixer> builder) {
        SequenceMixer mixer = initialized(builder, DataType.FLOAT64);
        NDArray x = manager.randomNormal(0, 1, new Shape(2, 5, M), DataType.FLOAT64);
        NDArray weights = manager.randomNormal(0, 1, x.getShape(), DataType.FLOAT64);
        x.setRequiresGradient(true);
        try (GradientCollector collector = Engine.getInstance().newGradientCollector()) {
            collector.backward(chunkedLoss(mixer, x, weights, true));
        }
        List<Pair<String, NDArray>> leaves = new ArrayList<>();
        leaves.add(new Pair<>("the input", x));
        for (Pair<String, Parameter> entry : mixer.getParameters()) {
            if (entry.getValue().requiresGradient()) {
                leaves.add(new Pair<>(entry.getKey(), entry.getValue().getArray()));
            }
        }
        NDList directions = new NDList();
        double[] slopes = new double[leaves.size()];
        for (int i = 0; i < slopes.length; i++) {
            NDArray array = leaves.get(i).getValue();
            // Along a random direction, so that every entry of the gradient counts.
            directions.add(manager.randomNormal(0, 1, array.getShape(), DataType.FLOAT64));
            slopes[i] = array.getGradient().mul(directions.get(i)).sum().getDouble();
            assertTrue(Math.abs(slopes[i]) > 1e-9, leaves.get(i).getKey() + " has no influence");
            array.setRequiresGradient(false);
        }
        // The layers of a stack are tested one by one as mixers; there, all move at once.
        int group = mixer instanceof HybridStack ? slopes.length : 1;
        for (int from = 0; from < slopes.length; from += group) {
            double step = 1e-6;
            double[] losses = new double[2];
            for (int side = 0; side < 2; side++) {
                double distance = side == 0 ? step : -step;
                move(leaves, directions, from, group, distance);
                losses[side] = chunkedLoss(mixer, x, weights, false).getDouble();
                move(leaves, directions, from, group, -distance);
            }
            double expected = (losses[0] - losses[1]) / (2 * step);
            double actual = Arrays.stream(slopes, from, from + group).sum();
            assertEquals(
                    expected,
                    actual,
                    1e-5 * (1 + Math.abs(expected)),
                    leaves.get(from).getKey() + (group > 1 ? " and all others" : ""));
        }
    }

    private static void move(
            List<Pair<String, NDArray>> leaves,
            NDList directions,
            int from,
            int number,
            double distance) {
        for (int i = from; i < from + number; i++) {
            leaves.get(i).getValue().addi(directions.get(i).mul(distance));
        }
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("mixers")
    void gradientsSurviveACollection(String name, Supplier<SequenceMixer> builder)
            throws InterruptedException {
        SequenceMixer mixer = initialized(builder);
        NDArray x = input(SHAPE);
        x.setRequiresGradient(true);
        float[] expected = inputGradient(mixer, x, false);
        float[] actual = inputGradient(mixer, x, true);
        assertArrayEquals(expected, actual, 1e-5f);
    }

    /** The gradient of the sum of squares, perhaps after the JVM has freed what it can. */
    private float[] inputGradient(SequenceMixer mixer, NDArray x, boolean collect)
            throws InterruptedException {
        x.setRequiresGradient(true);
        NDArray before = x.getGradient();
        before.subi(before);
        try (GradientCollector collector = Engine.getInstance().newGradientCollector()) {
            NDArray y = mixer.mix(parameters, x, null, false, true).output();
            if (collect) {
                System.gc();
                // The buffers are freed by a thread of the JVM after the collection.
                ByteBuffer.allocateDirect(1 << 20);
                Thread.sleep(50);
            }
            collector.backward(y.square().sum());
        }
        return x.getGradient().toFloatArray();
    }

    /** A loss over two chunks, so that its gradient passes through the state too. */
    private NDArray chunkedLoss(SequenceMixer mixer, NDArray x, NDArray weights, boolean training) {
        MixerOutput first = mixer.mix(parameters, x.get(":, :3"), null, true, training);
        MixerOutput second = mixer.mix(parameters, x.get(":, 3:"), first.state(), false, training);
        assertNull(second.state());
        return first.output().concat(second.output(), 1).mul(weights).sum();
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
    void trainingLeavesNothingInTheParametersManager(String name, Supplier<SequenceMixer> builder) {
        SequenceMixer mixer = initialized(builder);
        int held = manager.getManagedArrays().size();
        try (NDManager batch = NDManager.newBaseManager()) {
            NDArray x = batch.ones(SHAPE);
            MixerOutput result = mixer.mix(parameters, x, null, true, true);
            assertTrue(result.output().getManager() == batch);
            for (NDArray array : result.state().arrays()) {
                assertTrue(array.getManager() == batch);
            }
            assertEquals(held, manager.getManagedArrays().size());
        }
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

    @ParameterizedTest(name = "{0}")
    @MethodSource("mixers")
    void predictionsRecordNothing(String name, Supplier<SequenceMixer> builder) throws Exception {
        SequenceMixer mixer = initialized(builder);
        NDArray x = input(SHAPE);
        boolean[] recorded = new boolean[2];
        Thread thread =
                new Thread(
                        () -> {
                            recorded[0] =
                                    mixer.mix(parameters, x, null, false, false)
                                            .output()
                                            .hasGradient();
                            recorded[1] = JniUtils.isGradMode();
                        });
        thread.start();
        thread.join();
        assertEquals(false, recorded[0]);
        assertEquals(true, recorded[1], "the mode of a new thread is restored");
    }
}
