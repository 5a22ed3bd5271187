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
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.training.GradientCollector;
import ai.djl.util.Pair;
import io.github.djlmamba.hybrid.HybridStack;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Supplier;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What the gradients of every mixer and every stack must hold to. */
class MixerGradientTest extends AbstractMixerTest {

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
