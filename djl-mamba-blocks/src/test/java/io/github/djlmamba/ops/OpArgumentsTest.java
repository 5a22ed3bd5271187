/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.ops;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.FloatBuffer;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What the ops say of arguments that do not fit, before anything is computed. */
class OpArgumentsTest {

    private static final long HUGE = 1L << 21;

    private final NDManager manager = NDManager.newBaseManager();
    private final OpCase scan =
            new ScanCase(
                    new ScanCase.Size(2, 5, 6, 3, 2),
                    EnumSet.allOf(ScanCase.Option.class),
                    Layout.CONTIGUOUS);
    private final OpCase dual =
            new DualCase(
                    new DualCase.Size(2, 5, 6, 4, 3, 2),
                    EnumSet.allOf(DualCase.Option.class),
                    Layout.CONTIGUOUS);
    private final OpCase convolution =
            new ConvCase(
                    new ConvCase.Size(2, 5, 6, 4),
                    EnumSet.allOf(ConvCase.Option.class),
                    Layout.CONTIGUOUS);
    private final OpCase linear = new LinearCase(new Shape(2, 5), 6, 3, true, Layout.CONTIGUOUS);

    @AfterEach
    void close() {
        manager.close();
    }

    @Test
    void eachSizeOfEachInputIsChecked() {
        for (OpCase opCase : cases()) {
            opCase.inputs()
                    .forEach(
                            (name, sample) -> {
                                for (int axis = 0; axis < sample.shape().dimension(); axis++) {
                                    if (!isFree(opCase, name, axis)) {
                                        long[] sizes = sample.shape().getShape().clone();
                                        sizes[axis] += 1;
                                        NDArray wrong = manager.zeros(new Shape(sizes));
                                        refused(opCase, name, wrong, "has shape (", "expected (");
                                    }
                                }
                            });
        }
    }

    /** Whether an input may have another size on an axis, which no other input shares. */
    private static boolean isFree(OpCase opCase, String name, int axis) {
        return opCase instanceof LinearCase && name.equals("input") && axis < 2
                || opCase instanceof ConvCase && name.equals("x") && axis == 1;
    }

    @Test
    void theNumberOfAxesIsChecked() {
        for (OpCase opCase : cases()) {
            opCase.inputs()
                    .forEach(
                            (name, sample) -> {
                                Shape more = sample.shape().add(1);
                                refused(opCase, name, manager.zeros(more), more.toString());
                                refused(opCase, name, manager.zeros(new Shape()), "()");
                            });
        }
    }

    @Test
    void typesAreChecked() {
        for (OpCase opCase : cases()) {
            opCase.inputs()
                    .forEach(
                            (name, sample) -> {
                                for (DataType type :
                                        List.of(
                                                DataType.INT32,
                                                DataType.INT64,
                                                DataType.UINT8,
                                                DataType.BOOLEAN)) {
                                    NDArray wrong = manager.zeros(sample.shape(), type);
                                    refused(opCase, name, wrong, type.toString());
                                }
                                for (DataType type : List.of(DataType.FLOAT16, DataType.FLOAT64)) {
                                    NDArray other = manager.zeros(sample.shape(), type);
                                    refused(opCase, name, other, "type", type.toString());
                                }
                                refused(opCase, name, manager.create("text"), "string");
                            });
        }
    }

    @Test
    void sparseArraysAreRefused() {
        NDArray sparse =
                manager.createCoo(
                        FloatBuffer.wrap(new float[] {1, 2}),
                        new long[][] {{0, 1}, {0, 1}},
                        new Shape(6, 3));
        refused(scan, "a", sparse, "sparse");
    }

    @Test
    void devicesAreChecked() {
        // There may be one device only, so the array on another is a stand-in that says so.
        for (OpCase opCase : cases()) {
            opCase.inputs()
                    .forEach(
                            (name, sample) -> {
                                NDArray here = sample.array(manager, DataType.FLOAT32);
                                refused(opCase, name, elsewhere(here), "gpu(3)");
                            });
        }
    }

    private static NDArray elsewhere(NDArray array) {
        return (NDArray)
                Proxy.newProxyInstance(
                        NDArray.class.getClassLoader(),
                        new Class<?>[] {NDArray.class},
                        (proxy, method, arguments) -> {
                            if (method.getName().equals("getDevice")) {
                                return Device.gpu(3);
                            }
                            try {
                                return method.invoke(array, arguments);
                            } catch (InvocationTargetException e) {
                                throw e.getCause();
                            }
                        });
    }

    @Test
    void missingArraysAreNamed() {
        Set<String> optional = Set.of("skip", "gate", "deltaBias", "initialState", "bias");
        for (OpCase opCase : cases()) {
            for (String name : opCase.inputs().keySet()) {
                if (!optional.contains(name)) {
                    refused(opCase, name, null, name, "null");
                }
            }
        }
    }

    @Test
    void closedArraysAreNamed() {
        for (OpCase opCase : cases()) {
            for (String name : opCase.inputs().keySet()) {
                Map<String, NDArray> arrays = opCase.arrays(manager, DataType.FLOAT32, Set.of());
                arrays.get(name).close();
                IllegalStateException e =
                        assertThrows(IllegalStateException.class, () -> run(opCase, arrays));
                contains(e, opName(opCase), name, "closed");
            }
        }
    }

    @Test
    void groupsMustDivideTheChannels() {
        for (long groups : new long[] {0, 4, 5, 12}) {
            refused(
                    scan,
                    "b",
                    manager.zeros(new Shape(2, 5, groups, 3)),
                    groups + " groups",
                    "6 channels");
        }
    }

    @Test
    void channelsStatesAndTapsMustExist() {
        Map<String, NDArray> arrays = new HashMap<>();
        arrays.put("u", manager.zeros(new Shape(2, 5, 0)));
        arrays.put("delta", manager.zeros(new Shape(2, 5, 0)));
        arrays.put("a", manager.zeros(new Shape(0, 3)));
        arrays.put("b", manager.zeros(new Shape(2, 5, 3)));
        arrays.put("c", manager.zeros(new Shape(2, 5, 3)));
        rejected(scan, arrays, "no channels");
        Map<String, NDArray> stateless = scan.arrays(manager, DataType.FLOAT32, Set.of());
        stateless.put("a", manager.zeros(new Shape(6, 0)));
        rejected(scan, stateless, "(6, 0)");
        Map<String, NDArray> noTaps = convolution.arrays(manager, DataType.FLOAT32, Set.of());
        noTaps.put("weight", manager.zeros(new Shape(6, 0)));
        rejected(convolution, noTaps, "weight", "(6, 0)");
        Map<String, NDArray> noChannels = new HashMap<>();
        noChannels.put("x", manager.zeros(new Shape(2, 5, 0)));
        noChannels.put("weight", manager.zeros(new Shape(0, 4)));
        rejected(convolution, noChannels, "weight", "(0, 4)");
    }

    @Test
    void sizesThatOverflowAreRefused() {
        NDArray one = manager.ones(new Shape(1, 1, 1));
        NDArray sequence = one.broadcast(new Shape(HUGE, 1 << 10, HUGE));
        Map<String, NDArray> arrays = new HashMap<>();
        arrays.put("u", sequence);
        arrays.put("delta", sequence);
        arrays.put("a", one.reshape(1, 1).broadcast(new Shape(HUGE, HUGE)));
        arrays.put("b", sequence);
        arrays.put("c", sequence);
        rejected(scan, arrays, "the scan", "more bytes than can be addressed");
        NDArray empty = manager.zeros(new Shape(HUGE, 0, HUGE));
        arrays.put("u", empty);
        arrays.put("delta", empty);
        arrays.put("a", one.reshape(1, 1).broadcast(new Shape(HUGE, HUGE)));
        arrays.put("b", empty);
        arrays.put("c", empty);
        rejected(scan, arrays, "the final state", "more bytes than can be addressed");

        Map<String, NDArray> taps = new HashMap<>();
        taps.put("x", one.broadcast(new Shape(HUGE, HUGE, HUGE >> 2)));
        taps.put("weight", one.reshape(1, 1).broadcast(new Shape(HUGE >> 2, 4)));
        rejected(convolution, taps, "x has shape", "more bytes than can be addressed");

        Map<String, NDArray> projection = new HashMap<>();
        projection.put("input", one.broadcast(new Shape(HUGE, HUGE, 4)));
        projection.put("weight", one.reshape(1, 1).broadcast(new Shape(HUGE, 4)));
        rejected(linear, projection, "the result", "more bytes than can be addressed");
    }

    @Test
    void adamChecksItsSlots() {
        NDArray parameter = manager.zeros(new Shape(2, 3));
        NDArray moment = manager.zeros(new Shape(2, 3));
        NDArray wrong = manager.zeros(new Shape(3, 2));
        NDArray integers = manager.zeros(new Shape(2, 3), DataType.INT32);
        NDArray wide = manager.zeros(new Shape(2, 3), DataType.FLOAT64);
        adamRefuses(new AdamStep.Slot(null, moment, moment, true), 1, "slot 0's parameter", "null");
        adamRefuses(new AdamStep.Slot(parameter, null, moment, true), 1, "firstMoment", "null");
        adamRefuses(
                new AdamStep.Slot(parameter, wrong, moment, true),
                1,
                "firstMoment",
                "(3, 2)",
                "(2, 3)");
        adamRefuses(
                new AdamStep.Slot(parameter, moment, wrong, true),
                1,
                "secondMoment",
                "(3, 2)",
                "(2, 3)");
        adamRefuses(new AdamStep.Slot(integers, moment, moment, true), 1, "parameter", "int32");
        adamRefuses(new AdamStep.Slot(parameter, wide, moment, true), 1, "firstMoment", "float64");
        adamRefuses(
                new AdamStep.Slot(parameter, moment, elsewhere(moment), true),
                1,
                "secondMoment",
                "gpu(3)");
        adamRefuses(new AdamStep.Slot(parameter, moment, moment, true), 0, "step", "0");
        wide.close();
        AdamStep closed =
                AdamStep.of(List.of(new AdamStep.Slot(wide, wide, wide, true)), options(0.1), 1);
        contains(assertThrows(IllegalStateException.class, closed::check), "Adam step", "closed");
    }

    @Test
    void adamChecksItsOptions() {
        assertDoesNotThrow(() -> options(0));
        for (double rate : new double[] {-1, Double.NaN, Double.POSITIVE_INFINITY}) {
            contains(
                    assertThrows(IllegalArgumentException.class, () -> options(rate)),
                    "Adam step",
                    "learningRate",
                    String.valueOf(rate));
        }
        List<Consumer<Double>> others =
                List.of(
                        bad -> new AdamStep.Options(1, bad, 0.9, 1e-8, 0, true, 0, 1),
                        bad -> new AdamStep.Options(1, 0.9, bad, 1e-8, 0, true, 0, 1),
                        bad -> new AdamStep.Options(1, 0.9, 0.9, bad, 0, true, 0, 1),
                        bad -> new AdamStep.Options(1, 0.9, 0.9, 1e-8, bad, true, 0, 1),
                        bad -> new AdamStep.Options(1, 0.9, 0.9, 1e-8, 0, true, bad, 1),
                        bad -> new AdamStep.Options(1, 0.9, 0.9, 1e-8, 0, true, 0, bad));
        for (Consumer<Double> other : others) {
            for (double bad : new double[] {-1, Double.NaN, Double.POSITIVE_INFINITY}) {
                contains(
                        assertThrows(IllegalArgumentException.class, () -> other.accept(bad)),
                        "Adam step",
                        String.valueOf(bad));
            }
        }
    }

    private static AdamStep.Options options(double rate) {
        return new AdamStep.Options(rate, 0.9, 0.999, 1e-8, 0, true, 0, 1);
    }

    private static void adamRefuses(AdamStep.Slot slot, long number, String... parts) {
        AdamStep step = AdamStep.of(List.of(slot), options(0.1), number);
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, step::check);
        contains(e, "Adam step");
        contains(e, parts);
    }

    private List<OpCase> cases() {
        return List.of(scan, dual, convolution, linear);
    }

    /**
     * With one array replaced the call is refused, naming the op; the array named may be the one
     * that does not fit the replaced.
     */
    private void refused(OpCase opCase, String replaced, NDArray wrong, String... parts) {
        Map<String, NDArray> arrays = opCase.arrays(manager, DataType.FLOAT32, Set.of());
        arrays.put(replaced, wrong);
        rejected(opCase, arrays, parts);
    }

    private static void rejected(OpCase opCase, Map<String, NDArray> arrays, String... parts) {
        IllegalArgumentException e =
                assertThrows(
                        IllegalArgumentException.class,
                        () -> run(opCase, arrays),
                        opCase + " with other arrays");
        contains(e, opName(opCase));
        contains(e, parts);
    }

    private static void run(OpCase opCase, Map<String, NDArray> arrays) {
        opCase.run(OpsProviders.named(ReferenceOps.NAME), arrays);
    }

    private static String opName(OpCase opCase) {
        if (opCase instanceof DualCase) {
            return "state space dual: ";
        }
        return opCase instanceof ScanCase
                ? "selective scan: "
                : opCase instanceof ConvCase ? "causal conv1d: " : "linear: ";
    }

    private static void contains(Exception e, String... parts) {
        for (String part : parts) {
            assertTrue(e.getMessage().contains(part), "\"" + e.getMessage() + "\" lacks " + part);
        }
    }
}
