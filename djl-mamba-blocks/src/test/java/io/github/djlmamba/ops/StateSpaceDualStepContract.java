/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with the License.
 * A copy of the License is in the file LICENSE at the root of this project, and at
 * http://www.apache.org/licenses/LICENSE-2.0
 * Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing
 * permissions and limitations under the License.
 */
package io.github.djlmamba.ops;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.github.djlmamba.ops.DualCase.Option;
import io.github.djlmamba.ops.DualCase.Size;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What a provider's step of the state space dual computes and leaves in the state. */
public abstract class StateSpaceDualStepContract {

    private static final Tolerance FLOAT = Tolerance.of(3e-4, 1e-3);
    private static final Tolerance BFLOAT16 = Tolerance.of(1e-2, 5e-2);
    private static final Set<Option> ALL = EnumSet.allOf(Option.class);

    private final NDManager manager = NDManager.newBaseManager();

    /** The provider under test. */
    protected abstract OpsProvider provider();

    @AfterEach
    void close() {
        manager.close();
    }

    @Test
    void everyCombinationIsTheOpOfOneToken() {
        for (int groups : new int[] {0, 2}) {
            for (Set<Option> options : DualCase.allOptions()) {
                DualCase one =
                        new DualCase(new Size(3, 1, 4, 5, 3, groups), options, Layout.CONTIGUOUS);
                check(one, DataType.FLOAT32, FLOAT);
                check(one, DataType.FLOAT64, OpChecks.DOUBLE);
            }
        }
    }

    @Test
    void sizesOfTheGridAndOddOnes() {
        for (int states : new int[] {1, 2, 16, 17, 32, 64, 128}) {
            for (int headSize : new int[] {1, 3, 64}) {
                for (int groups : new int[] {1, 2, 4}) {
                    DualCase one =
                            new DualCase(
                                    new Size(2, 1, 4, headSize, states, groups),
                                    ALL,
                                    Layout.CONTIGUOUS);
                    check(one, DataType.FLOAT32, FLOAT);
                }
            }
        }
        DualCase wide = new DualCase(new Size(2, 1, 32, 64, 16, 1), ALL, Layout.CONTIGUOUS);
        check(wide, DataType.FLOAT32, FLOAT);
        check(
                new DualCase(new Size(0, 1, 2, 3, 2, 1), ALL, Layout.CONTIGUOUS),
                DataType.FLOAT32,
                FLOAT);
    }

    @Test
    void argumentsInEveryLayout() {
        for (Layout layout : Layout.values()) {
            DualCase one = new DualCase(new Size(3, 1, 4, 5, 3, 2), ALL, layout);
            check(one, DataType.FLOAT64, OpChecks.DOUBLE);
        }
    }

    @Test
    void bfloat16ActivationsBesideAFloatState() {
        Bfloat16Checks.assumeAvailable();
        for (int groups : new int[] {0, 2}) {
            DualCase one = new DualCase(new Size(3, 1, 4, 16, 16, groups), ALL, Layout.SLICED);
            one.roundToBfloat16();
            check(one, DataType.UNKNOWN, BFLOAT16);
        }
    }

    @Test
    void manyStepsAreTheOpOfManyTokens() {
        Size size = new Size(2, 40, 4, 5, 3, 2);
        DualCase many = new DualCase(size, ALL, Layout.CONTIGUOUS);
        List<double[]> expected = many.forward(many.values());
        Map<String, NDArray> arrays = many.arrays(manager, DataType.FLOAT64, Set.of());
        NDArray state = arrays.get("initialState");
        double[] actual = new double[expected.get(0).length];
        for (int t = 0; t < size.length(); t++) {
            double[] output = Sample.read(run(step(ALL, state, token(arrays, t))));
            int row = size.heads() * size.headSize();
            for (int b = 0; b < size.batch(); b++) {
                System.arraycopy(output, b * row, actual, (b * size.length() + t) * row, row);
            }
        }
        OpChecks.DOUBLE.check("outputs of steps", expected.get(0), actual);
        OpChecks.DOUBLE.check("state after steps", expected.get(1), Sample.read(state));
    }

    @Test
    void slotsNameTheStatesAndPaddingTouchesNone() {
        DualCase one = new DualCase(new Size(4, 1, 4, 5, 3, 2), ALL, Layout.CONTIGUOUS);
        List<double[]> expected = one.forward(one.values());
        for (Layout layout : List.of(Layout.CONTIGUOUS, Layout.SLICED, Layout.TRANSPOSED)) {
            Map<String, NDArray> arrays = one.arrays(manager, DataType.FLOAT64, Set.of());
            long[] slots = {5, -1, 0, 2};
            int entries = 4 * 5 * 3;
            Random random = new Random(5);
            double[] before = random.doubles(7L * entries).toArray();
            double[] initial = one.values().get("initialState");
            for (int row = 0; row < slots.length; row++) {
                if (slots[row] >= 0) {
                    System.arraycopy(
                            initial, row * entries, before, (int) slots[row] * entries, entries);
                }
            }
            NDArray pool =
                    new Sample(new Shape(7, 4, 5, 3), layout, before)
                            .array(manager, DataType.FLOAT64);
            double[] output =
                    Sample.read(
                            run(
                                    step(ALL, pool, token(arrays, 0))
                                            .withSlots(manager.create(slots))));
            double[] after = Sample.read(pool);
            double[] expectedOutput = expected.get(0).clone();
            Arrays.fill(expectedOutput, 20, 40, 0);
            OpChecks.DOUBLE.check(layout + ": output of slots", expectedOutput, output);
            for (int row = 0; row < slots.length; row++) {
                if (slots[row] >= 0) {
                    System.arraycopy(
                            expected.get(1),
                            row * entries,
                            before,
                            (int) slots[row] * entries,
                            entries);
                }
            }
            OpChecks.DOUBLE.check(layout + ": states in slots", before, after);
            for (int slot : new int[] {1, 3, 4, 6}) {
                assertArrayEquals(
                        Arrays.copyOfRange(before, slot * entries, (slot + 1) * entries),
                        Arrays.copyOfRange(after, slot * entries, (slot + 1) * entries),
                        layout + ": slot " + slot + " is touched");
            }
        }
    }

    @Test
    void paddingMayHoldAnything() {
        DualCase one = new DualCase(new Size(2, 1, 2, 3, 2, 1), ALL, Layout.CONTIGUOUS);
        Sample x = one.inputs().get("x");
        one.inputs().put("x", x.with(0, Double.NaN));
        Map<String, NDArray> arrays = one.arrays(manager, DataType.FLOAT32, Set.of());
        NDArray state = manager.zeros(new Shape(1, 2, 3, 2));
        NDArray slots = manager.create(new long[] {-1, -1});
        double[] output = Sample.read(run(step(ALL, state, token(arrays, 0)).withSlots(slots)));
        assertArrayEquals(new double[12], output);
        assertArrayEquals(new double[12], Sample.read(state));
    }

    @Test
    void repeatsToTheBit() {
        DualCase one = new DualCase(new Size(5, 1, 6, 16, 16, 2), ALL, Layout.CONTIGUOUS);
        List<double[]> first = results(one, DataType.FLOAT32);
        for (int i = 0; i < 4; i++) {
            List<double[]> again = results(one, DataType.FLOAT32);
            assertArrayEquals(first.get(0), again.get(0));
            assertArrayEquals(first.get(1), again.get(1));
        }
    }

    @Test
    void leavesNoArraysBehind() {
        DualCase one = new DualCase(new Size(2, 1, 2, 3, 2, 1), ALL, Layout.CONTIGUOUS);
        Map<String, NDArray> tokens = token(one.arrays(manager, DataType.FLOAT32, Set.of()), 0);
        NDArray state = manager.zeros(new Shape(3, 2, 3, 2));
        NDArray slots = manager.create(new long[] {2, -1});
        NDArray x = tokens.get("x");
        int held = manager.getManagedArrays().size();
        for (int i = 0; i < 500; i++) {
            try (NDManager scope = manager.newSubManager()) {
                NDArray view = x.get("...");
                view.attach(scope);
                tokens.put("x", view);
                assertSame(scope, run(step(ALL, state, tokens).withSlots(slots)).getManager());
            }
        }
        assertEquals(held, manager.getManagedArrays().size());
    }

    @Test
    void aWantedGradientIsRefused() {
        DualCase one = new DualCase(new Size(2, 1, 2, 3, 2, 1), ALL, Layout.CONTIGUOUS);
        Map<String, NDArray> tokens = token(one.arrays(manager, DataType.FLOAT32, Set.of()), 0);
        tokens.get("a").setRequiresGradient(true);
        NDArray state = manager.zeros(new Shape(2, 2, 3, 2));
        StateSpaceDualStep step = step(ALL, state, tokens);
        IllegalArgumentException e =
                assertThrows(
                        IllegalArgumentException.class, () -> GradientMode.on(() -> run(step)));
        assertTrue(e.getMessage().contains("use the state space dual with L = 1"), e.getMessage());
        assertArrayEquals(new double[24], Sample.read(state));
        GradientMode.off(() -> run(step));
    }

    /** Compares with the loops of one token. */
    private void check(DualCase one, DataType type, Tolerance tolerance) {
        List<double[]> expected = one.forward(one.values());
        List<double[]> actual = results(one, type);
        tolerance.check(one + " " + type + ": output of a step", expected.get(0), actual.get(0));
        tolerance.check(one + " " + type + ": state of a step", expected.get(1), actual.get(1));
    }

    private List<double[]> results(DualCase one, DataType type) {
        try (NDManager scope = manager.newSubManager()) {
            Map<String, NDArray> arrays = one.arrays(scope, type, Set.of());
            Shape shape = one.shapes().get(1);
            NDArray initial = arrays.get("initialState");
            NDArray state =
                    initial == null
                            ? scope.zeros(shape, OpCase.parameterType(type))
                            : initial.duplicate();
            NDArray output = run(step(one.options(), state, token(arrays, 0)));
            List<double[]> results = new ArrayList<>();
            assertEquals(type, output.getDataType());
            results.add(Sample.read(output));
            results.add(Sample.read(state));
            return results;
        }
    }

    private NDArray run(StateSpaceDualStep step) {
        step.check();
        return provider().stateSpaceDualStep(step);
    }

    /** The arrays of one token, which lack the axis L. */
    private static Map<String, NDArray> token(Map<String, NDArray> arrays, int t) {
        Map<String, NDArray> token = new LinkedHashMap<>(arrays);
        for (String name : List.of("x", "delta", "b", "c", "gate")) {
            token.computeIfPresent(name, (key, array) -> array.get(":, {}", t));
        }
        return token;
    }

    private static StateSpaceDualStep step(
            Set<Option> options, NDArray state, Map<String, NDArray> arrays) {
        StateSpaceDualStep step =
                StateSpaceDualStep.of(
                                state,
                                arrays.get("x"),
                                arrays.get("delta"),
                                arrays.get("a"),
                                arrays.get("b"),
                                arrays.get("c"))
                        .withSkip(arrays.get("skip"))
                        .withGate(arrays.get("gate"))
                        .withDeltaBias(arrays.get("deltaBias"))
                        .withDeltaSoftplus(options.contains(Option.SOFTPLUS));
        return options.contains(Option.LIMITS)
                ? step.withDeltaLimits(DualCase.MINIMUM, DualCase.MAXIMUM)
                : step;
    }
}
