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
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;

/**
 * What must hold for every decode step of an op that runs along a sequence from an initial state to
 * a final one: it is the op over one token, in place on the state.
 */
public final class StepChecks {

    private static final Set<String> TOKENS = Set.of("x", "u", "delta", "b", "c", "gate");

    private StepChecks() {}

    /** Checks and runs a step over the arrays of one token, which lack the axis L. */
    public interface Step {

        /** Runs it; the slots may be null. */
        NDArray run(NDArray state, Map<String, NDArray> token, NDArray slots);
    }

    /** A step gives the output and leaves the state of the loops over one token. */
    public static void oneToken(OpCase one, DataType type, Tolerance tolerance, Step step) {
        List<double[]> expected = one.forward(one.values());
        List<double[]> actual = results(one, type, step);
        tolerance.check(one + " " + type + ": output of a step", expected.get(0), actual.get(0));
        tolerance.check(one + " " + type + ": state of a step", expected.get(1), actual.get(1));
    }

    /** Steps from one state give what the loops give over all tokens. */
    public static void manyTokens(OpCase many, Step step) {
        List<double[]> expected = many.forward(many.values());
        Shape shape = many.shapes().get(0);
        int rows = (int) shape.get(0);
        int length = (int) shape.get(1);
        double[] actual = new double[expected.get(0).length];
        try (NDManager manager = NDManager.newBaseManager()) {
            Map<String, NDArray> arrays = many.arrays(manager, DataType.FLOAT64, Set.of());
            NDArray state = state(many, manager, arrays, DataType.FLOAT64);
            for (int t = 0; t < length; t++) {
                double[] output = Sample.read(step.run(state, token(arrays, t), null));
                int row = output.length / rows;
                for (int b = 0; b < rows; b++) {
                    System.arraycopy(output, b * row, actual, (b * length + t) * row, row);
                }
            }
            OpChecks.DOUBLE.check(many + ": outputs of steps", expected.get(0), actual);
            OpChecks.DOUBLE.check(
                    many + ": state after steps", expected.get(1), Sample.read(state));
        }
    }

    /** Of four rows, three continue states in slots, and one is padding that may hold anything. */
    public static void slots(OpCase one, Step step) {
        List<double[]> expected = one.forward(one.values());
        long[] slots = {5, -1, 0, 2};
        Shape shape = one.shapes().get(1);
        int entries = (int) (shape.size() / shape.get(0));
        int width = expected.get(0).length / slots.length;
        Arrays.fill(expected.get(0), width, 2 * width, 0);
        Shape pool = new Shape(7).add(shape.slice(1).getShape());
        for (Layout layout : List.of(Layout.CONTIGUOUS, Layout.SLICED, Layout.TRANSPOSED)) {
            double[] before = new Random(5).doubles(7L * entries).toArray();
            copy(one.values().get("initialState"), slots, entries, before);
            try (NDManager manager = NDManager.newBaseManager()) {
                Map<String, NDArray> arrays = one.arrays(manager, DataType.FLOAT64, Set.of());
                NDArray state = new Sample(pool, layout, before).array(manager, DataType.FLOAT64);
                double[] output =
                        Sample.read(step.run(state, token(arrays, 0), manager.create(slots)));
                double[] after = Sample.read(state);
                copy(expected.get(1), slots, entries, before);
                String what = one + " in slots, " + layout + ": ";
                OpChecks.DOUBLE.check(what + "output", expected.get(0), output);
                OpChecks.DOUBLE.check(what + "states", before, after);
                for (int slot : new int[] {1, 3, 4, 6}) {
                    int from = slot * entries;
                    assertArrayEquals(
                            Arrays.copyOfRange(before, from, from + entries),
                            Arrays.copyOfRange(after, from, from + entries),
                            what + "slot " + slot + " is touched");
                }
            }
        }
    }

    private static void copy(double[] states, long[] slots, int entries, double[] to) {
        for (int row = 0; row < slots.length; row++) {
            if (slots[row] >= 0) {
                System.arraycopy(states, row * entries, to, (int) slots[row] * entries, entries);
            }
        }
    }

    /** Rows of padding give zeros and touch nothing, whatever they hold. */
    public static void padding(OpCase one, Step step) {
        String leader = one.inputs().keySet().iterator().next();
        one.inputs().put(leader, one.inputs().get(leader).with(0, Double.NaN));
        try (NDManager manager = NDManager.newBaseManager()) {
            Map<String, NDArray> arrays = one.arrays(manager, DataType.FLOAT32, Set.of());
            Shape shape = one.shapes().get(1);
            NDArray state = manager.zeros(new Shape(1).add(shape.slice(1).getShape()));
            long[] slots = new long[(int) shape.get(0)];
            Arrays.fill(slots, -1);
            double[] output = Sample.read(step.run(state, token(arrays, 0), manager.create(slots)));
            assertArrayEquals(new double[output.length], output);
            assertArrayEquals(new double[(int) state.size()], Sample.read(state));
        }
    }

    /** Output and state are the same, to the bit, every time. */
    public static void repeats(OpCase one, Step step) {
        List<double[]> first = results(one, DataType.FLOAT32, step);
        for (int i = 0; i < 4; i++) {
            List<double[]> again = results(one, DataType.FLOAT32, step);
            assertArrayEquals(first.get(0), again.get(0));
            assertArrayEquals(first.get(1), again.get(1));
        }
    }

    /** The output belongs to the manager of the first input, and nothing else is left behind. */
    public static void leavesNoArrays(OpCase one, Step step) {
        String leader = one.inputs().keySet().iterator().next();
        try (NDManager manager = NDManager.newBaseManager()) {
            Map<String, NDArray> token = token(one.arrays(manager, DataType.FLOAT32, Set.of()), 0);
            Shape shape = one.shapes().get(1);
            NDArray state = manager.zeros(new Shape(3).add(shape.slice(1).getShape()));
            NDArray slots = manager.create(new long[] {2, -1});
            NDArray x = token.get(leader);
            int held = manager.getManagedArrays().size();
            for (int i = 0; i < 300; i++) {
                try (NDManager scope = manager.newSubManager()) {
                    NDArray view = x.get("...");
                    view.attach(scope);
                    token.put(leader, view);
                    assertSame(scope, step.run(state, token, slots).getManager());
                }
            }
            assertEquals(held, manager.getManagedArrays().size());
        }
    }

    /** A step that a gradient is wanted of is refused, and changes nothing. */
    public static void refusesGradients(OpCase one, String parameter, String op, Step step) {
        try (NDManager manager = NDManager.newBaseManager()) {
            Map<String, NDArray> token = token(one.arrays(manager, DataType.FLOAT32, Set.of()), 0);
            token.get(parameter).setRequiresGradient(true);
            NDArray state = manager.zeros(one.shapes().get(1));
            IllegalArgumentException e =
                    assertThrows(
                            IllegalArgumentException.class,
                            () -> GradientMode.on(() -> step.run(state, token, null)));
            assertTrue(e.getMessage().contains("use the " + op + " with L = 1"), e.getMessage());
            assertArrayEquals(new double[(int) state.size()], Sample.read(state));
            GradientMode.off(() -> step.run(state, token, null));
        }
    }

    private static List<double[]> results(OpCase one, DataType type, Step step) {
        try (NDManager manager = NDManager.newBaseManager()) {
            Map<String, NDArray> arrays = one.arrays(manager, type, Set.of());
            NDArray state = state(one, manager, arrays, OpCase.parameterType(type));
            NDArray output = step.run(state, token(arrays, 0), null);
            assertEquals(type, output.getDataType());
            return List.of(Sample.read(output), Sample.read(state));
        }
    }

    private static NDArray state(
            OpCase opCase, NDManager manager, Map<String, NDArray> arrays, DataType type) {
        NDArray initial = arrays.get("initialState");
        return initial == null ? manager.zeros(opCase.shapes().get(1), type) : initial.duplicate();
    }

    /** The arrays of one token, which lack the axis L. */
    private static Map<String, NDArray> token(Map<String, NDArray> arrays, int t) {
        Map<String, NDArray> token = new LinkedHashMap<>(arrays);
        for (String name : TOKENS) {
            token.computeIfPresent(name, (key, array) -> array.get(":, {}", t));
        }
        return token;
    }
}
